import { DiskSpace } from './lmdb/disk-space.ts'
import { Environment } from './lmdb/environment.ts'
import { GroupCommit } from './lmdb/group-commit.ts'
import { LmdbTable, type CommittingTable } from './lmdb/lmdb-table.ts'
import type { Store, StoreOptions } from './store.ts'
import { TableStore } from './tables/table-store.ts'
import { openTables } from './tables/tables.ts'

/**
 * Opens the durable store in a directory, which is created (0700, files 0600) when it does not exist.
 *
 * @throws AppError with code STORE_NOT_A_DIRECTORY, STORE_NOT_WRITABLE, STORE_UNREADABLE, STORE_IN_USE or STORE_FORMAT
 */
export function openLmdbStore(path: string, { quota, onRollback }: StoreOptions): Store {
  const environment = new Environment(path)
  const { root } = environment
  const opened: CommittingTable[] = []
  const commit = new GroupCommit(root, new DiskSpace(path, root, opened), opened, onRollback)
  const tables = openTables((name, codec, { cached }) => {
    const table = new LmdbTable(environment.table(name), codec, commit.changed, cached)
    opened.push(table)
    return table
  })
  environment.claim()
  return new TableStore(tables, { flushed: () => commit.flushed(), close: () => environment.close() }, quota)
}

export { copyStore as copyLmdbStore, type StoreCopy } from './lmdb/copy-store.ts'
