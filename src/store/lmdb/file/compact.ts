import type { DataFile } from './data-file.ts'
import type { PageSet } from './page-set.ts'
import { overflowPagesOf, pageKind, relinkMeta, relinkPage, type Meta } from './page.ts'

const CHUNK = 1 << 18

/**
 * The file as it is for one transaction, without the pages that are free, as LMDB itself would copy it: the pages keep
 * their order and are numbered anew. Memory is bounded, and the file is read from its beginning to its end.
 *
 * @param used the pages of the trees but for the tree of free pages; all without a fault
 * @param metaBytes the meta page as read from the file
 */
export function* compactFile(
  file: DataFile,
  { meta, metaBytes, used }: { meta: Meta; metaBytes: Buffer; used: PageSet },
): Generator<Buffer, void, undefined> {
  const { pageSize, txnId } = meta
  const rank = used.ranking()
  const renumber = (page: number): number => 2 + rank(page)
  const lastPage = 1 + used.size
  for (const index of [0, 1] as const) {
    const page = Buffer.alloc(pageSize)
    metaBytes.copy(page)
    // The meta page of a transaction is known by whether its number is even; both lead to the same trees.
    relinkMeta(page, { index, txnId: txnId % 2 === index ? txnId : txnId + 1, lastPage, renumber })
    yield page
  }
  let chunk = Buffer.allocUnsafe(CHUNK)
  let filled = 0
  let rest = 0
  for (const number of used) {
    const page = file.page(number)
    page.copy(chunk, filled)
    const copy = chunk.subarray(filled, filled + pageSize)
    if (rest > 0) rest--
    else {
      if (pageKind(copy) === 'overflow') rest = overflowPagesOf(copy) - 1
      relinkPage(copy, renumber(number), renumber)
    }
    filled += pageSize
    if (filled < CHUNK) continue
    yield chunk
    chunk = Buffer.allocUnsafe(CHUNK)
    filled = 0
  }
  if (filled > 0) yield chunk.subarray(0, filled)
}
