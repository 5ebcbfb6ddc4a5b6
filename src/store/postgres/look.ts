import { connect, placeText } from './connection.ts'
import type { DatabaseAddress } from './connection-string.ts'
import { inspectSchema } from './schema/inspect.ts'
import { schemaNames } from './schema/names.ts'
import { otherRelay, refusal } from './schema/prepare.ts'
import { lookAtRelays } from './snapshot.ts'

/** A database that the relay can use, unless rights are missing. */
export interface DatabaseFacts {
  /** Host and port, or socket. */
  readonly place: string
  /** As PostgreSQL says it: `15.14 (Debian 15.14-0+deb12u1)`. */
  readonly version: string
  /** Milliseconds until an answer. */
  readonly answerMs: number
  /** How far its clock is ahead of this machine's, milliseconds. */
  readonly clockAheadMs: number
  readonly user: string
  /** Tables that this role may not read and write. */
  readonly closedTables: readonly string[]
}

/** Looks at the database as a relay needs it, without changing anything. @throws AppError `DATABASE_…`, DatabaseError */
export async function lookAtDatabase(
  address: DatabaseAddress,
  schema: string,
  fingerprint: string,
): Promise<DatabaseFacts> {
  const names = schemaNames(schema)
  const connection = await connect({ address, applicationName: 'smp-server doctor' })
  try {
    const asked = Date.now()
    const [row] = await connection.run<{ version: string; now: string }>(
      "SELECT current_setting('server_version') AS version, (extract(epoch FROM clock_timestamp()) * 1000)::text AS now",
    )
    const answered = Date.now()
    const state = await inspectSchema(connection, schema, names)
    if (state.is !== 'usable') throw refusal(state, schema)
    const closed = await connection.run<{ name: string }>(
      `SELECT n.nspname || '.' || c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname IN ($1, $2) AND c.relkind IN ('r', 'p') AND NOT
          (has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT')
            AND has_table_privilege(c.oid, 'UPDATE') AND has_table_privilege(c.oid, 'DELETE'))
        ORDER BY 1`,
      [schema, `${schema}_relays`],
    )
    // What may not be read says nothing about the relay it belongs to.
    const relays = closed.length === 0 ? await lookAtRelays(connection, names) : undefined
    if (relays?.fingerprint != null && relays.fingerprint !== fingerprint) {
      throw otherRelay(schema, relays.fingerprint, fingerprint)
    }
    return {
      place: address.hosts.map(placeText).join(' and '),
      version: row?.version ?? '',
      answerMs: answered - asked,
      clockAheadMs: Number(row?.now) - (asked + answered) / 2,
      user: address.user,
      closedTables: closed.map(({ name }) => name),
    }
  } finally {
    await connection.close()
  }
}
