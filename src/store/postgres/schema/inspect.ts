import type { Connection } from '../connection.ts'
import { QUEUE_COLUMNS } from '../queue-row.ts'
import { MESSAGE_COLUMNS } from '../message-row.ts'
import { SERVICE_COLUMNS } from '../service-row.ts'
import { COUNTS_SERVICES, FIRST_USABLE, MIGRATIONS } from './migrations.ts'
import type { SchemaNames } from './names.ts'

/** What a schema is, as far as this relay can use it. */
export type SchemaState =
  | { readonly is: 'missing' }
  /** It exists, and there is nothing in it. */
  | { readonly is: 'empty' }
  /** `migrations`: how many of upstream's it has; `made`: when its first one was run, which survives dump and restore. */
  | { readonly is: 'usable'; readonly migrations: number; readonly made: string }
  | { readonly is: 'older'; readonly migrations: number; readonly release: string }
  /** It has migrations that no release of upstream known to this program has. */
  | { readonly is: 'newer'; readonly unknown: readonly string[] }
  /** Tables or columns are missing that its migrations make. */
  | { readonly is: 'unfinished'; readonly missing: readonly string[] }

const COLUMNS: Readonly<Record<string, readonly string[]>> = {
  msg_queues: [
    ...Object.keys(QUEUE_COLUMNS),
    ...['deleted_at', 'fixed_data', 'user_data', 'msg_can_write', 'msg_queue_expire', 'msg_queue_size'],
  ],
  messages: [...MESSAGE_COLUMNS, 'recipient_id'],
  services: SERVICE_COLUMNS,
}

const COUNT_COLUMNS = ['services.queue_count', 'services.queue_ids_hash']

/** Looks at a schema without changing anything. @throws DatabaseError */
export async function inspectSchema(
  connection: Connection,
  schema: string,
  { tables }: SchemaNames,
): Promise<SchemaState> {
  const [namespace] = await connection.run<{ oid: number }>('SELECT oid FROM pg_namespace WHERE nspname = $1', [schema])
  if (namespace === undefined) return { is: 'missing' }
  const columns = await connection.run<{ name: string }>(
    `SELECT c.relname || '.' || a.attname AS name FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
      WHERE c.relnamespace = $1::oid AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped`,
    [namespace.oid],
  )
  if (columns.length === 0) return { is: 'empty' }
  const present = new Set(columns.map(({ name }) => name))
  if (!present.has('migrations.name')) return { is: 'unfinished', missing: ['migrations'] }
  const rows = await connection.run<{ name: string; ts: string }>(
    `SELECT name, ts::text FROM ${tables}.migrations ORDER BY name`,
  )
  const found = rows.map(({ name }) => name)
  if (found.length === 0 && present.size === columns.filter(({ name }) => name.startsWith('migrations.')).length) {
    return { is: 'empty' }
  }
  const unknown = found.filter((name, index) => MIGRATIONS[index]?.name !== name)
  if (unknown.length > 0) return { is: 'newer', unknown }
  const migrations = found.length
  if (migrations < FIRST_USABLE) {
    return { is: 'older', migrations, release: MIGRATIONS[FIRST_USABLE - 1]?.release ?? '' }
  }
  const needed = Object.entries(COLUMNS).flatMap(([table, names]) => names.map((name) => `${table}.${name}`))
  if (migrations >= COUNTS_SERVICES) needed.push(...COUNT_COLUMNS)
  const missing = needed.filter((name) => !present.has(name))
  return missing.length > 0 ? { is: 'unfinished', missing } : { is: 'usable', migrations, made: rows[0]?.ts ?? '' }
}
