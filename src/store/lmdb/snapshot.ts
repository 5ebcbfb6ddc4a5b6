import { closeSync, existsSync, openSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { AppError } from '../../errors/app-error.ts'
import type { StoreCounts } from '../store.ts'
import { countsCodec, NOTHING_COUNTED } from '../tables/codecs.ts'
import { COUNTS } from '../tables/counts.ts'
import { RecordReader } from '../tables/record.ts'
import { copyingProcess, copyMark, removeCopy } from './copy-mark.ts'
import { openRoot, requireUsable, type Root } from './environment.ts'
import { cannotOpen, damaged } from './errors.ts'
import { compactFile } from './file/compact.ts'
import { DataFile, type FoundMeta } from './file/data-file.ts'
import type { Meta } from './file/page.ts'
import { faultText } from './file/require-sound.ts'
import { RecordFile } from './file/records.ts'
import { verifyPages } from './file/verify.ts'
import { readerProcesses, takeSlot } from './sole-user.ts'
import { storeUsers } from './stopped.ts'

/** How often a relay may commit while the snapshot is looked for. */
const TRIES = 1000

/**
 * The store as it is at one moment, whether a relay has it open or not. The relay goes on meanwhile, and may stop and
 * start: a read transaction keeps it from using the pages of the snapshot again. The file is read as a file, not through
 * LMDB's map, so that reading it takes no memory.
 */
export class Snapshot {
  readonly file: DataFile
  readonly meta: Meta
  readonly #path: string
  readonly #metaBytes: Buffer
  readonly #release: () => Promise<void>

  private constructor(path: string, file: DataFile, found: FoundMeta, release: () => Promise<void>) {
    this.#path = path
    this.file = file
    this.meta = found.meta
    this.#metaBytes = found.bytes
    this.#release = release
  }

  /** @throws AppError `STORE_COPYING`, `STORE_DAMAGED` and others of `errors.ts` */
  static async open(path: string): Promise<Snapshot> {
    prepare(path)
    const root = openRoot(path, { readOnly: true })
    const close = async (): Promise<void> => {
      await root.close()
    }
    try {
      claimCopy(root, path)
    } catch (error) {
      await close()
      throw error
    }
    const release = async (): Promise<void> => {
      removeCopy(path)
      await close()
    }
    try {
      takeSlot(root, path)
      const file = new DataFile(join(path, 'data.mdb'))
      const { found, unpin } = pin(root, file, path)
      const releaseAll = async (): Promise<void> => {
        unpin()
        await release()
      }
      return new Snapshot(path, file, found, releaseAll)
    } catch (error) {
      await release()
      throw error instanceof AppError ? error : cannotOpen(path, error)
    }
  }

  /**
   * The store of this moment as the content of a data.mdb: nothing that is deleted is in it.
   *
   * @throws AppError `STORE_DAMAGED`
   */
  compacted(): { readonly size: number; readonly content: Iterable<Buffer> } {
    const { file, meta } = this
    const used = verifyPages(file, meta, (fault) => {
      throw damaged(this.#path, faultText(file, meta, fault))
    })
    const size = (2 + used.size) * meta.pageSize
    return { size, content: compactFile(file, { meta, metaBytes: this.#metaBytes, used }) }
  }

  /** What the store of this moment holds. */
  counts(): StoreCounts {
    const records = new RecordFile(this.file, this.meta, (fault) => {
      throw damaged(this.#path, faultText(this.file, this.meta, fault))
    })
    for (const { key, value } of records.records(records.tables().get('meta'))) {
      if (key === COUNTS && value !== undefined) return countsCodec.decode(new RecordReader(value), key)
    }
    return NOTHING_COUNTED
  }

  async close(): Promise<void> {
    this.file.close()
    await this.#release()
  }
}

function prepare(path: string): void {
  try {
    const lock = join(path, 'lock.mdb')
    if (!existsSync(lock)) closeSync(openSync(lock, 'a', 0o600))
    // A relay that runs changes the file meanwhile, and has verified it.
    if (storeUsers(path).length === 0) requireUsable(path)
  } catch (error) {
    if (error instanceof AppError && error.code === 'STORE_IN_USE') return
    throw error instanceof AppError ? error : cannotOpen(path, error)
  }
}

/** Says that this process is one that copies, and not a second relay. @throws AppError `STORE_COPYING` */
function claimCopy(root: Root, path: string): void {
  const copier = copyingProcess(path)
  if (copier !== undefined && readerProcesses(root).includes(copier)) throw copying(path, copier)
  try {
    removeCopy(path)
    writeFileSync(copyMark(path), `${process.pid}\n`, { mode: 0o600, flag: 'wx' })
  } catch (error) {
    throw cannotOpen(path, error)
  }
}

/** Begins a read transaction, and finds the meta page that it reads by: the relay overwrites that one two commits later. */
function pin(root: Root, file: DataFile, path: string): { found: FoundMeta; unpin: () => void } {
  for (let tries = 0; tries < TRIES; tries++) {
    // Otherwise lmdb-js keeps the transaction of this turn of the event loop, however old it is.
    root.resetReadTxn()
    const transaction = root.useReadTransaction()
    const txnId = ownTransaction(root)
    const found = file.readMetas().find(({ meta }) => meta.txnId === txnId)
    if (found !== undefined) return { found, unpin: () => transaction.done() }
    transaction.done()
  }
  throw damaged(path, 'data.mdb has no beginning that belongs to its latest transaction')
}

/** Lines of the table of readers: process, thread, transaction. */
function ownTransaction(root: Root): number | undefined {
  for (const line of root.readerList().split('\n')) {
    const [pid, , txnId] = line.trim().split(/\s+/)
    if (Number(pid) === process.pid && txnId !== undefined && txnId !== '-') return Number(txnId)
  }
  return undefined
}

function copying(path: string, copier: number): AppError {
  const message = `Process ${copier} is making a copy of the message store ${path}.`
  return new AppError('STORE_COPYING', message, 'Wait until it is done, and run the command again.')
}
