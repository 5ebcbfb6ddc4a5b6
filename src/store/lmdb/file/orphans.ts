import type { DataFile } from './data-file.ts'
import type { PageSet } from './page-set.ts'
import { pageFault, pageKind, pageTxnId, type Meta } from './page.ts'

/**
 * Leaves that no tree leads to: those below a damaged branch, and old ones whose pages are free. Which table they were
 * of, their records have to tell.
 */
export function* orphanLeaves(
  file: DataFile,
  meta: Meta,
  used: PageSet,
): Generator<{ readonly page: Buffer; readonly txnId: number }, void, undefined> {
  const { pageSize, txnId } = meta
  for (let number = 2; number < Math.min(file.pages, meta.lastPage + 1); number++) {
    if (used.has(number)) continue
    if (pageFault(file.page(number), { number, txnId, kind: 'tree' }) !== undefined) continue
    const page = file.bytes(number * pageSize, pageSize)
    if (pageKind(page) === 'leaf') yield { page, txnId: pageTxnId(page, number) ?? 0 }
  }
}
