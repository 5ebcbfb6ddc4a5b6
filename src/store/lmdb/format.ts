import type { Database } from 'lmdb'
import type { Root } from './environment.ts'
import { newerFormat } from './errors.ts'

/** Of the layout and of all records; a store of a newer format is refused. */
export const STORE_FORMAT = 1
/** The first version of this program that reads it. */
export const STORE_FORMAT_SINCE = '1.0.0-rc.1'

/**
 * Notes the format in a new store, with the version that first had it, so that an older program can name the one it
 * takes to read the store.
 *
 * @param meta the table `meta`: `format` is a u32, `formatSince` a version
 * @throws AppError `STORE_FORMAT`
 */
export function requireFormat(meta: Database<Buffer, string>, path: string): void {
  const bytes = meta.getBinary('format')
  if (bytes === undefined) {
    const current = Buffer.alloc(4)
    current.writeUInt32BE(STORE_FORMAT)
    meta.putSync('format', current)
    meta.putSync('formatSince', Buffer.from(STORE_FORMAT_SINCE))
    return
  }
  const format = bytes.length === 4 ? Buffer.from(bytes).readUInt32BE() : undefined
  if (format !== undefined && format <= STORE_FORMAT) return
  const since = meta.getBinary('formatSince')
  throw newerFormat(path, format, STORE_FORMAT, since && Buffer.from(since).toString('latin1'))
}

/**
 * Makes sure that the list of free pages is not empty, as it is in a compacted copy: the first transaction that frees
 * more than a few hundred pages would crash LMDB (lmdb-js 3.5: `mdb_page_alloc` looks for the last entry of a list that
 * has none while that list is saved). Every commit frees the pages that it replaces.
 */
export function seedFreePages(root: Root, meta: Database<Buffer, string>): void {
  for (let commits = 0; commits < 4 && freeEntries(root) === 0; commits++) {
    const format = meta.getBinary('format')
    if (format !== undefined) meta.putSync('format', Buffer.from(format))
  }
}

function freeEntries(root: Root): number {
  return (root.getStats() as { readonly free: { readonly entryCount: number } }).free.entryCount
}
