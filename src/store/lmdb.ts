import { Environment } from './lmdb/environment.ts'
import { GroupCommit } from './lmdb/group-commit.ts'
import { LmdbTable, type CommittingTable } from './lmdb/lmdb-table.ts'
import { ReservedSpace } from './lmdb/reserved-space.ts'
import type { StoreOptions } from './store.ts'
import { TableStore } from './tables/table-store.ts'
import { openTables } from './tables/tables.ts'
import type { EmbeddedStore } from './work.ts'

export interface LmdbOptions extends StoreOptions {
  /** Queues are known to be in it: an empty or missing store is refused, not begun. */
  readonly mustExist?: boolean
  /** Entries of each table that are kept in memory, at most; as many as a relay needs when absent. */
  readonly maxCached?: number
}

/**
 * Opens the durable store in a directory, which is created (0700, files 0600) when it does not exist.
 *
 * @throws AppError `STORE_…` or `DISK_FULL` when the directory cannot be used: see `lmdb/errors.ts`
 */
export function openLmdbStore(path: string, options: LmdbOptions): EmbeddedStore {
  const { mustExist, maxCached = Infinity, onRollback, onFailure } = options
  const environment = new Environment(path, { mustExist: mustExist === true })
  const { root } = environment
  const opened: CommittingTable[] = []
  const space = new ReservedSpace(path, root, opened)
  const commit = new GroupCommit(root, space, opened, { onRollback, onFailure })
  const tables = openTables((name, codec, { cached }) => {
    const table = new LmdbTable(environment.table(name), codec, commit.changed, Math.min(cached, maxCached))
    opened.push(table)
    return table
  })
  environment.claim()
  const close = async (): Promise<void> => {
    await space.close()
    await environment.close(commit.failed ? 'failed' : 'sound')
  }
  return new TableStore(tables, { flushed: () => commit.flushed(), close }, options)
}

export { Snapshot } from './lmdb/snapshot.ts'
export { requireStopped, storeUsers } from './lmdb/stopped.ts'
export { hasStore, requireStore, storedQueues } from './lmdb/stored-queues.ts'
