import { join } from 'node:path'
import { openLmdbStore } from '../../src/store/lmdb.ts'
import { openMemoryStore } from '../../src/store/memory.ts'
import { openPostgresStore, type PostgresOptions } from '../../src/store/postgres.ts'
import type { RelayStore } from '../../src/store/work.ts'
import { newDatabase } from '../postgres/database.ts'
import type { PostgresServer } from '../postgres/server.ts'

/** The stores that the suites run on; the environment says which. */
export type TestStore = 'memory' | 'lmdb' | 'postgres'

export interface StoreSetting {
  readonly directory: string
  readonly quota: number
  readonly kind?: TestStore | undefined
  readonly now?: (() => number) | undefined
  /** How PostgreSQL is reached, made of the connection string of the server itself. */
  readonly through?: ((connection: string) => string) | undefined
  readonly onRollback: () => void
}

/** The next database that is opened for a new directory is on this server. */
let ownServer: PostgresServer | undefined
export const useServer = (server: PostgresServer | undefined): void => {
  ownServer = server
}

const databases = new Map<string, Promise<{ uri: string }>>()

/** Opens the store of a relay; the same one for the same directory. */
export const openTestStore = async (setting: StoreSetting): Promise<RelayStore> => {
  const { directory, quota, onRollback, now, through, kind = process.env.SMP_TEST_STORE ?? 'lmdb' } = setting
  if (kind === 'memory') return openMemoryStore({ quota, onRollback })
  if (kind === 'lmdb') return openLmdbStore(join(directory, 'store'), { quota, onRollback })
  const database = databases.get(directory) ?? newDatabase(ownServer)
  databases.set(directory, database)
  const { uri } = await database
  const options: PostgresOptions = {
    connection: through?.(uri) ?? uri,
    schema: 'smp_server',
    poolSize: 4,
    quota,
    fingerprint: directory,
    migrate: 'up',
    onRollback,
    ...(now && { now }),
  }
  return await openPostgresStore(options)
}
