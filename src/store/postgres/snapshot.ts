import type { CopySource } from '../walks.ts'
import { connect, type Connection } from './connection.ts'
import type { DatabaseAddress } from './connection-string.ts'
import { operatorError } from './operator-error.ts'
import { LIVELY } from './relays.ts'
import { inspectSchema } from './schema/inspect.ts'
import { schemaNames, type SchemaNames } from './schema/names.ts'
import { otherRelay, refusal } from './schema/prepare.ts'
import { Walks, type Queryable } from './walks.ts'

export interface DatabaseSnapshotOptions {
  readonly address: DatabaseAddress
  readonly schema: string
  /** Of the relay, which the database has to belong to. */
  readonly fingerprint: string
  readonly onWarning: (sentence: string) => void
}

/** The database as it is at one moment, while relays go on with it. */
export interface DatabaseSnapshot {
  /** Throws AppError when reading fails. */
  readonly source: CopySource
  /** Relays that were running on it. */
  readonly relays: number
  close(): Promise<void>
}

/** Nothing is written, so that a standby will do as well. @throws AppError `DATABASE_…`, DatabaseError */
export async function openSnapshot(options: DatabaseSnapshotOptions): Promise<DatabaseSnapshot> {
  const { address, schema, fingerprint, onWarning } = options
  const names = schemaNames(schema)
  const connection = await connect({ address, applicationName: 'smp-server copy', readOnly: true, onWarning })
  try {
    await connection.run('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY')
    const state = await inspectSchema(connection, schema, names)
    if (state.is !== 'usable') throw refusal(state, schema)
    const relays = await lookAtRelays(connection, names)
    if (relays?.fingerprint != null && relays.fingerprint !== fingerprint) {
      throw otherRelay(schema, relays.fingerprint, fingerprint)
    }
    const run: Queryable['run'] = async (text, parameters) => {
      try {
        return await connection.run(text, parameters)
      } catch (error) {
        throw operatorError(error, address)
      }
    }
    const walks = new Walks({ run }, names, () => onWarning('A row of the database cannot be read and is left out.'))
    return {
      source: {
        services: () => walks.services(),
        queues: () => walks.queues(),
        messages: () => walks.messages(),
        notifications: () => (relays === undefined ? nothing() : walks.notifications()),
      },
      relays: relays?.running ?? 0,
      close: () => connection.close(),
    }
  } catch (error) {
    await connection.close()
    throw error
  }
}

/** Which relay the database belongs to, and how many run on it. */
export interface RelaysFound {
  readonly fingerprint: string | null
  readonly running: number
}

/** Undefined in a database that only upstream's server has used. */
export async function lookAtRelays(connection: Connection, { relays }: SchemaNames): Promise<RelaysFound | undefined> {
  const [found] = await connection.run<{ known: boolean }>('SELECT to_regclass($1) IS NOT NULL AS known', [
    `${relays}.about`,
  ])
  if (found?.known !== true) return undefined
  const [row] = await connection.run<RelaysFound>(
    `SELECT fingerprint, (SELECT count(*) FROM ${relays}.relays WHERE seen_at > now() - interval '${LIVELY}') AS running
      FROM ${relays}.about`,
  )
  return row
}

async function* nothing(): AsyncGenerator<never, void, undefined> {
  // Upstream keeps pending notifications in a file.
}
