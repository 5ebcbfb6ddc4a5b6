import { AppError } from '../../../errors/app-error.ts'
import type { Connection } from '../connection.ts'
import { inspectSchema, type SchemaState } from './inspect.ts'
import { COUNTS_SERVICES, createTables, FIRST_USABLE, MIGRATIONS, migrateTo6 } from './migrations.ts'
import { schemaNames, type SchemaNames } from './names.ts'
import { createRelaysSchema, RELAYS_VERSION } from './relays-schema.ts'

export interface PrepareOptions {
  readonly schema: string
  /** What the operator has agreed to: creating tables and upstream's migrations, or undoing the last one. */
  readonly migrate?: 'up' | 'down' | undefined
  /** The relay whose database it has to be, or becomes; 43 or 44 characters. */
  readonly fingerprint: string
}

export interface PreparedSchema {
  readonly names: SchemaNames
  /** How many of upstream's migrations it has: 5 or 6. */
  readonly migrations: number
  /** Of the schema of relays; tells this database's advisory locks and channels from those of others. */
  readonly oid: number
  /** What was done. */
  readonly notes: readonly string[]
}

/** Any number that no other program uses for an advisory lock: "smp" and a digit. */
const PREPARING = 0x736d_7031

/**
 * Makes sure that a schema can be used, creating or migrating it when that was agreed to, and that the relays' own schema
 * is there. One process at a time, and all or nothing.
 *
 * @throws AppError `DATABASE_…`, DatabaseError
 */
export async function prepareSchema(connection: Connection, options: PrepareOptions): Promise<PreparedSchema> {
  const names = schemaNames(options.schema)
  await connection.run(
    `BEGIN; SET LOCAL search_path TO ${names.tables}, pg_temp; SET LOCAL client_min_messages TO warning`,
  )
  try {
    await connection.run('SELECT pg_advisory_xact_lock($1::int8)::text', [PREPARING])
    const notes: string[] = []
    const state = await prepareTables(connection, names, options, notes)
    const oid = await prepareRelays(connection, names, state.made, options)
    await connection.commit()
    return { names, migrations: state.migrations, oid, notes }
  } catch (error) {
    if (!connection.lost) await connection.run('ROLLBACK').catch(() => undefined)
    throw error
  }
}

type Usable = Extract<SchemaState, { is: 'usable' }>

async function prepareTables(
  connection: Connection,
  names: SchemaNames,
  { schema, migrate }: PrepareOptions,
  notes: string[],
): Promise<Usable> {
  const state = await inspectSchema(connection, schema, names)
  if (state.is === 'usable') {
    if (migrate === 'up' && state.migrations < COUNTS_SERVICES) {
      await connection.run('CREATE EXTENSION IF NOT EXISTS pgcrypto SCHEMA public')
      await connection.run(migrateTo6())
      notes.push(
        `Migrated schema ${schema} to ${MIGRATIONS[COUNTS_SERVICES - 1]?.name}. Upstream smp-server 6.5 cannot use it any more; 7.0 can.`,
      )
    } else if (migrate === 'down' && state.migrations > FIRST_USABLE) {
      await migrateDown(connection, names, state.migrations)
      notes.push(`Undid migration ${MIGRATIONS[state.migrations - 1]?.name} of schema ${schema}.`)
    } else return state
  } else {
    if (state.is !== 'missing' && state.is !== 'empty') throw refusal(state, schema)
    if (migrate !== 'up') throw refusal(state, schema)
    await connection.run(`CREATE SCHEMA IF NOT EXISTS ${names.tables}`)
    await connection.run(createTables())
    notes.push(`Created the tables of schema ${schema}.`)
  }
  const changed = await inspectSchema(connection, schema, names)
  if (changed.is !== 'usable') throw refusal(changed, schema)
  return changed
}

/** Runs the text that undoes the last migration, as its program has left it in the database. */
async function migrateDown(connection: Connection, { tables }: SchemaNames, migrations: number): Promise<void> {
  const name = MIGRATIONS[migrations - 1]?.name ?? ''
  const [row] = await connection.run<{ down: string | null }>(`SELECT down FROM ${tables}.migrations WHERE name = $1`, [
    name,
  ])
  if (typeof row?.down !== 'string') {
    throw new AppError('DATABASE_MIGRATION', `The database has no text that undoes migration ${name}.`)
  }
  await connection.run(row.down)
  await connection.run(`DELETE FROM ${tables}.migrations WHERE name = $1`, [name])
}

/** Why a schema cannot be used as it is. */
export function refusal(state: Exclude<SchemaState, Usable>, schema: string): AppError {
  switch (state.is) {
    case 'missing':
      return new AppError(
        'DATABASE_SCHEMA_MISSING',
        `There is no schema "${schema}" in the database.`,
        'Create it: smp-server start --confirm-migrations up. Or move this relay into it: smp-server database import',
      )
    case 'empty':
      return new AppError(
        'DATABASE_MIGRATION',
        `The schema "${schema}" has no tables yet.`,
        'Create them: smp-server start --confirm-migrations up',
      )
    case 'older':
      return new AppError(
        'DATABASE_SCHEMA_OLDER',
        `The schema "${schema}" is older than this relay can use: it has ${state.migrations} of upstream's migrations, and messages are in the database from the ${FIRST_USABLE}th on.`,
        `Run upstream smp-server ${state.release} on it once: smp-server start --confirm-migrations up`,
      )
    case 'newer':
      return new AppError(
        'DATABASE_SCHEMA_NEWER',
        `The schema "${schema}" has migrations that this version of smp-server does not know: ${state.unknown.join(', ')}.`,
        'Install a newer version of smp-server.',
      )
    case 'unfinished':
      return new AppError(
        'DATABASE_SCHEMA_UNFINISHED',
        `The schema "${schema}" is incomplete: ${state.missing.join(', ')} missing.`,
        'Restore it from a backup of PostgreSQL. To drop it, see: smp-server database delete',
      )
  }
}

interface About {
  readonly version: number
  readonly tables_made: string
  readonly fingerprint: string | null
}

/** @returns the oid of the schema */
async function prepareRelays(
  connection: Connection,
  { relays }: SchemaNames,
  tablesMade: string,
  { schema, fingerprint }: PrepareOptions,
): Promise<number> {
  const find = `SELECT oid, EXISTS (SELECT 1 FROM pg_class WHERE relnamespace = n.oid) AS filled
    FROM pg_namespace n WHERE nspname = $1`
  let [found] = await connection.run<{ oid: number; filled: boolean }>(find, [`${schema}_relays`])
  if (found?.filled !== true) {
    await connection.run(createRelaysSchema(relays))
    await connection.run(`INSERT INTO ${relays}.about (version, tables_made) VALUES ($1, $2)`, [
      RELAYS_VERSION,
      tablesMade,
    ])
    ;[found] = await connection.run<{ oid: number; filled: boolean }>(find, [`${schema}_relays`])
  }
  const [about] = await connection.run<About>(`SELECT version, tables_made, fingerprint FROM ${relays}.about`)
  if (about === undefined || found === undefined) {
    throw new AppError('DATABASE_SCHEMA_UNFINISHED', `The schema "${schema}_relays" is incomplete.`)
  }
  if (about.version > RELAYS_VERSION) {
    throw new AppError(
      'DATABASE_SCHEMA_NEWER',
      `A newer version of smp-server has changed the schema "${schema}_relays".`,
      'Install a newer version of smp-server.',
    )
  }
  if (about.tables_made !== tablesMade) {
    // Upstream's schema was dropped and made again: what was true of the old one is not of this one.
    await connection.run(`TRUNCATE ${relays}.owners, ${relays}.notifications`)
    await connection.run(`UPDATE ${relays}.about SET tables_made = $1, fingerprint = NULL`, [tablesMade])
  } else if (about.fingerprint !== null && about.fingerprint !== fingerprint) {
    throw otherRelay(schema, about.fingerprint, fingerprint)
  }
  await connection.run(`UPDATE ${relays}.about SET fingerprint = $1 WHERE fingerprint IS DISTINCT FROM $1`, [
    fingerprint,
  ])
  return found.oid
}

/** @param found fingerprint in the database */
export function otherRelay(schema: string, found: string, own: string): AppError {
  return new AppError(
    'DATABASE_OTHER_RELAY',
    `The schema "${schema}" belongs to the relay with fingerprint ${found}; this one has ${own}.`,
    'Set db_schema in [STORE_LOG] to a schema of this relay, or use the identity of that one.',
  )
}
