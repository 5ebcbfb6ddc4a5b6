import { openPostgresStore, type PostgresOptions } from '../../src/store/postgres.ts'
import type { PostgresStore } from '../../src/store/postgres/postgres-store.ts'
import { newDatabase } from './database.ts'

interface TestDatabaseOptions extends Partial<PostgresOptions> {
  /** Of upstream's: 5 is its release 6.5, 6 its 7.0. */
  readonly migrations?: 5 | 6
}

export const TEST_SCHEMA = 'smp_server'
export const TEST_FINGERPRINT = 'test-fingerprint'

/** Opens a store in a new database of the server that all tests share. */
export async function openTestDatabase({ migrations = 5, ...options }: TestDatabaseOptions = {}): Promise<{
  store: PostgresStore
  options: PostgresOptions
}> {
  const { uri } = await newDatabase()
  const all: PostgresOptions = {
    connection: uri,
    schema: TEST_SCHEMA,
    poolSize: 4,
    quota: 128,
    fingerprint: TEST_FINGERPRINT,
    migrate: 'up',
    ...options,
  }
  let store = await openPostgresStore(all)
  if (migrations === 6) {
    // A new schema has 5, with which both releases of upstream go on.
    await store.close()
    store = await openPostgresStore(all)
  }
  return { store, options: { ...all, migrate: undefined } }
}
