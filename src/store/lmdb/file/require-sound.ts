import { join } from 'node:path'
import { AppError } from '../../../errors/app-error.ts'
import { cannotOpen, copiedInUse, damaged, inUse } from '../errors.ts'
import { isAsClosed } from './closed-mark.ts'
import { DataFile } from './data-file.ts'
import { pageTxnId, type Meta } from './page.ts'
import { verifyPages, type FileFault } from './verify.ts'

/**
 * Makes sure that LMDB can map the file of a store: it would take the process down, or show less than there is, when the
 * file is damaged. Every page in use is looked at, unless the file is the one that was closed last.
 *
 * @param path directory with a data.mdb that is not empty
 * @throws AppError `STORE_DAMAGED`, `STORE_COPY`, `STORE_IN_USE`, `STORE_UNREADABLE`
 */
export function requireSound(path: string): void {
  if (isAsClosed(path)) return
  try {
    const file = new DataFile(join(path, 'data.mdb'))
    try {
      const meta = requireMetas(path, file)
      verifyPages(file, meta, (fault) => {
        throw explained(path, file, meta, fault)
      })
    } finally {
      file.close()
    }
  } catch (error) {
    throw error instanceof AppError ? error : cannotOpen(path, error)
  }
}

function requireMetas(path: string, file: DataFile): Meta {
  const [first, second] = file.metas
  if (file.latest === undefined) {
    throw damaged(path, 'data.mdb is not the file of a message store, or its beginning was overwritten')
  }
  if (first === undefined || second === undefined) {
    throw damaged(path, `the ${first === undefined ? 'first' : 'second'} page of data.mdb cannot be read`)
  }
  return file.latest
}

function explained(path: string, file: DataFile, meta: Meta, fault: FileFault): AppError {
  // A process that this one cannot see may be writing: its pages are not damage.
  const now = new DataFile(join(path, 'data.mdb'))
  const changed = now.latest?.txnId !== meta.txnId
  now.close()
  if (changed) return inUse(path, undefined)
  const what = faultText(file, meta, fault)
  return hasNewerPages(file, meta) ? copiedInUse(path, what) : damaged(path, what)
}

/** What is wrong, as the end of a sentence about data.mdb. */
export function faultText(file: DataFile, { lastPage, pageSize }: Meta, fault: FileFault): string {
  if (fault.type === 'counts') return 'data.mdb holds fewer or more records than it says'
  const { page, fault: kind } = fault
  switch (kind) {
    case 'beyond':
      return page <= lastPage
        ? `data.mdb is cut off at ${file.size} bytes; at least ${(page + 1) * pageSize} are in use`
        : `a page of data.mdb leads to page ${page}, which does not exist`
    case 'empty':
      return `page ${page} of data.mdb holds zeros only`
    case 'newer':
      return `page ${page} of data.mdb is newer than its beginning`
    case 'twice':
      return `page ${page} of data.mdb is used twice`
    case 'number':
    case 'kind':
    case 'content':
      return `page ${page} of data.mdb holds something else`
  }
}

/** Whether a later transaction than the latest one left pages: the beginning of the file was read earlier than its end. */
function hasNewerPages(file: DataFile, { txnId }: Meta): boolean {
  for (let number = 2; number < file.pages; number++) {
    const pageId = pageTxnId(file.page(number), number)
    if (pageId !== undefined && pageId > txnId) return true
  }
  return false
}
