import { AppError } from '../errors/app-error.ts'
import { connect, type Connection } from './postgres/connection.ts'
import { ConnectionStringError, parseConnectionString, type DatabaseAddress } from './postgres/connection-string.ts'
import { operatorError } from './postgres/operator-error.ts'
import { type DatabaseFacts, lookAtDatabase } from './postgres/look.ts'
import { openSnapshot, type DatabaseSnapshot, type DatabaseSnapshotOptions } from './postgres/snapshot.ts'
import { PostgresStore } from './postgres/postgres-store.ts'
import { prepareSchema, type PreparedSchema } from './postgres/schema/prepare.ts'
import type { StoreOptions } from './store.ts'

export interface PostgresOptions extends StoreOptions {
  /** As libpq has it: a URI, or keywords and values. */
  readonly connection: string
  readonly schema: string
  /** Connections for units of work; one more is for what relays tell each other. */
  readonly poolSize: number
  /** Of the relay, which the database belongs to. */
  readonly fingerprint: string
  /** What the operator has agreed to: migrations, or undoing the last one. */
  readonly migrate?: 'up' | 'down' | undefined
  readonly onNote?: (sentence: string) => void
  readonly onWarning?: (sentence: string) => void
  /** Seconds after which the ids of deleted queues may be given out again; never when absent. */
  readonly deletedTtl?: number
  /** Says what this process is, for whoever looks at the table of relays. */
  readonly facts?: Readonly<Record<string, string | number>>
  /** Called with the reason when the database stops answering, and without one when it answers again. */
  readonly onState?: (failure: string | undefined) => void
  /** Milliseconds since the epoch. */
  readonly now?: () => number
}

/**
 * Opens the store in a PostgreSQL database, which may be shared with other relays of the same identity.
 *
 * @throws AppError `DATABASE_…`
 */
export async function openPostgresStore(options: PostgresOptions): Promise<PostgresStore> {
  const address = databaseAddress(options.connection)
  let connection: Connection | undefined
  try {
    connection = await connect({ address, ...(options.onWarning && { onWarning: options.onWarning }) })
    await requireVersion(connection)
    const { schema, migrate, fingerprint } = options
    const prepared: PreparedSchema = await prepareSchema(connection, { schema, migrate, fingerprint })
    for (const note of prepared.notes) options.onNote?.(note)
    return await PostgresStore.open(connection, address, prepared, options)
  } catch (error) {
    throw operatorError(error, address)
  } finally {
    await connection?.close()
  }
}

/**
 * Opens the database for reading it as it is at one moment.
 *
 * @throws AppError `DATABASE_…`
 */
export async function openDatabaseSnapshot(
  options: Omit<DatabaseSnapshotOptions, 'address'> & { readonly connection: string },
): Promise<DatabaseSnapshot> {
  const address = databaseAddress(options.connection)
  try {
    return await openSnapshot({ ...options, address })
  } catch (error) {
    throw operatorError(error, address)
  }
}

/** What a relay finds in the database; nothing is changed. @throws AppError `DATABASE_…` */
export async function inspectDatabase(
  options: Pick<PostgresOptions, 'connection' | 'schema' | 'fingerprint'>,
): Promise<DatabaseFacts> {
  const address = databaseAddress(options.connection)
  try {
    return await lookAtDatabase(address, options.schema, options.fingerprint)
  } catch (error) {
    throw operatorError(error, address)
  }
}

/** @throws AppError `DATABASE_CONNECTION` */
export function databaseAddress(text: string): DatabaseAddress {
  try {
    return parseConnectionString(text)
  } catch (error) {
    if (!(error instanceof ConnectionStringError)) throw error
    throw new AppError(
      'DATABASE_CONNECTION',
      `The connection string of the database cannot be read: ${error.message}.`,
      'Write it like postgresql://smp@/smp_server_store, or like host=/run/postgresql dbname=smp_server_store user=smp.',
    )
  }
}

/** PostgreSQL's number of its first version that has everything used here. */
const OLDEST_VERSION = 140_000

async function requireVersion(connection: Connection): Promise<void> {
  const [row] = await connection.run<{ version: string }>("SELECT current_setting('server_version_num') AS version")
  const version = Number(row?.version)
  if (version >= OLDEST_VERSION) return
  throw new AppError(
    'DATABASE_OLD',
    `PostgreSQL ${Math.floor(version / 10_000)} is too old: version 14 or later is needed.`,
    'Upgrade PostgreSQL.',
  )
}
