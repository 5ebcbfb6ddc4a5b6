import { VERSION_5 } from './version-5.ts'
import { VERSION_6, VERSION_6_DOWN } from './version-6.ts'

/** One of upstream's migrations: its name in the table `migrations`, and the first release of upstream that runs it. */
interface Migration {
  readonly name: string
  readonly release: string
}

/** Upstream's migrations, in their order; upstream compares the names, all of them, and refuses any other. */
export const MIGRATIONS: readonly Migration[] = [
  { name: '20250207_initial', release: '6.3.1' },
  { name: '20250319_updated_index', release: '6.3.1' },
  { name: '20250320_short_links', release: '6.4.0' },
  { name: '20250514_service_certs', release: '6.4.0' },
  { name: '20250903_store_messages', release: '6.5.0' },
  { name: '20250915_queue_ids_hash', release: '7.0.0' },
]

/** Migrations without which messages are not in the database. */
export const FIRST_USABLE = 5
/** Migrations after which the schema counts the queues of services. */
export const COUNTS_SERVICES = 6

/** What makes a new schema that both upstream's 6.5 and its 7.0 go on with. */
export function createTables(): string {
  const rows = MIGRATIONS.slice(0, FIRST_USABLE).map(({ name }) => `('${name}', now() AT TIME ZONE 'UTC')`)
  return `
CREATE TABLE IF NOT EXISTS migrations (name TEXT NOT NULL PRIMARY KEY, ts TIMESTAMP NOT NULL, down TEXT);
INSERT INTO migrations (name, ts) VALUES ${rows.join(', ')};
${VERSION_5}`
}

/** The step from 5 to 6 migrations; from then on upstream's 6.5 refuses the schema. */
export function migrateTo6(): string {
  const name = MIGRATIONS[COUNTS_SERVICES - 1]?.name ?? ''
  return `
INSERT INTO migrations (name, ts, down) VALUES ('${name}', now() AT TIME ZONE 'UTC', $down$${VERSION_6_DOWN}$down$);
${VERSION_6}`
}
