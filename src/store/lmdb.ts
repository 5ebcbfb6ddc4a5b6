import { LmdbStore } from './lmdb/lmdb-store.ts'
import type { Store, StoreOptions } from './store.ts'

/**
 * Opens the durable store in a directory, which is created (0700, files 0600) when it does not exist.
 *
 * @throws AppError with code STORE_NOT_A_DIRECTORY, STORE_NOT_WRITABLE, STORE_UNREADABLE, STORE_IN_USE or STORE_FORMAT
 */
export function openLmdbStore(path: string, options: StoreOptions): Store {
  return new LmdbStore(path, options)
}

export { copyStore as copyLmdbStore, type StoreCopy } from './lmdb/copy-store.ts'
