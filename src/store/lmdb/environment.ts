import {
  accessSync,
  chmodSync,
  closeSync,
  constants,
  mkdirSync,
  openSync,
  readSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { open, type Database, type RootDatabase } from 'lmdb'
import { AppError } from '../../errors/app-error.ts'
import { errorCode } from '../../system/error-code.ts'
import { copyingProcess, removeCopy } from './copy-mark.ts'

/** Of the layout and of all records; a store of a newer format is refused. */
export const STORE_FORMAT = 1

/** Keys are byte strings (latin1), in byte order. */
const keyEncoder = {
  writeKey(key: string | Uint8Array, target: Buffer, start: number): number {
    if (typeof key === 'string') return start + target.write(key, start, 'latin1')
    target.set(key, start)
    return start + key.length
  },
  readKey(source: Buffer, start: number, end: number): string {
    return source.toString('latin1', start, end)
  },
}

const tableOptions = { encoding: 'binary', keyEncoder } as const

const openHere = new Set<string>()

/**
 * An LMDB environment in a directory (0700, its files 0600) that is created when it does not exist.
 * One process at a time: whoever opens it takes a slot in LMDB's table of readers, which the kernel's record locks keep
 * honest even after `kill -9`; a second one sees the slot and leaves. Only who makes a copy may be there as well.
 */
export class Environment {
  readonly root: RootDatabase<Buffer, string>
  readonly #path: string

  /** @throws AppError when the directory cannot be used: see the codes */
  constructor(path: string) {
    prepareDirectory(path)
    this.#path = realpathSync(path)
    if (openHere.has(this.#path)) throw inUse(path)
    this.root = openRoot(path)
    openHere.add(this.#path)
    try {
      requireAlone(this.root, path)
      requireFormat(this.table('meta'), path)
    } catch (error) {
      void this.close()
      throw error
    }
  }

  /**
   * To be called when all tables are open: makes sure that this process is the only one, and keeps others out from now
   * on. (Opening a table gives the slot back.) Of two that come at the same time, one or both leave.
   *
   * @throws AppError
   */
  claim(): void {
    try {
      requireAlone(this.root, this.#path)
      removeStaleCopy(this.root, this.#path)
    } catch (error) {
      void this.close()
      throw error
    }
  }

  table(name: string): Database<Buffer, string> {
    return this.root.openDB<Buffer, string>(name, tableOptions)
  }

  async close(): Promise<void> {
    openHere.delete(this.#path)
    await this.root.close()
  }
}

function prepareDirectory(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 })
  } catch (error) {
    if (errorCode(error) === 'EEXIST' || errorCode(error) === 'ENOTDIR') throw notADirectory(path)
    throw cannotOpen(path, error)
  }
  if (!statSync(path).isDirectory()) throw notADirectory(path)
  try {
    accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK)
    for (const name of ['data.mdb', 'lock.mdb']) {
      const file = join(path, name)
      closeSync(openSync(file, constants.O_RDWR | constants.O_CREAT, 0o600))
      chmodSync(file, 0o600)
    }
    requireUsable(path)
  } catch (error) {
    throw cannotOpen(path, error)
  }
}

/**
 * LMDB takes the process down when it meets a file that is not its own, or a disk too full for an empty environment:
 * so both are looked at first. Its file begins with a page header of 24 bytes, a magic number and a version.
 */
export function requireUsable(path: string): void {
  const data = join(path, 'data.mdb')
  const { size } = statSync(data)
  if (size === 0) {
    const probe = join(path, 'probe')
    writeFileSync(probe, Buffer.alloc(1 << 16), { mode: 0o600 })
    rmSync(probe)
    return
  }
  const header = Buffer.alloc(32)
  const file = openSync(data, 'r')
  readSync(file, header, 0, header.length, 0)
  closeSync(file)
  if (size < 8192 || header.readUInt32LE(24) !== 0xbeefc0de || header.readUInt8(28) !== 2) {
    throw new Error('data.mdb is not the file of a message store')
  }
}

/** @throws AppError */
export function openRoot(path: string, { readOnly = false } = {}): RootDatabase<Buffer, string> {
  try {
    return open<Buffer, string>({
      path,
      readOnly,
      noSubdir: false,
      maxDbs: 24,
      // A commit is then synced to disk before it counts as done, and fails as a whole or not at all.
      overlappingSync: false,
      // All effects of a transaction are handed over in one batch; there is nothing to wait for after that.
      eventTurnBatching: false,
      ...tableOptions,
    })
  } catch (error) {
    throw cannotOpen(path, error)
  }
}

function requireAlone(root: RootDatabase<Buffer, string>, path: string): void {
  root.readerCheck()
  try {
    root.getBinary('\0')
  } catch {
    // The same process id in another container: the kernel refuses the record lock on the slot.
    throw inUse(path)
  }
  const copier = copyingProcess(path)
  if (readerProcesses(root).some((pid) => pid !== process.pid && pid !== copier)) throw inUse(path)
}

/** Removes a copy that was cut off: another process may get the id of the one that made it. */
function removeStaleCopy(root: RootDatabase<Buffer, string>, path: string): void {
  const copier = copyingProcess(path)
  if (copier === undefined) return
  if (copier === process.pid || !readerProcesses(root).includes(copier)) removeCopy(path)
}

/** The processes that have the environment open, and have read from it. */
export function readerProcesses(root: RootDatabase<Buffer, string>): number[] {
  root.readerCheck()
  const [, ...slots] = root.readerList().trim().split('\n')
  return slots.map((slot) => Number.parseInt(slot.trim(), 10))
}

function requireFormat(meta: Database<Buffer, string>, path: string): void {
  const bytes = meta.getBinary('format')
  const format = bytes?.length === 4 ? Buffer.from(bytes).readUInt32BE() : undefined
  if (bytes === undefined) {
    const current = Buffer.alloc(4)
    current.writeUInt32BE(STORE_FORMAT)
    meta.putSync('format', current)
  } else if (format === undefined || format > STORE_FORMAT) {
    throw new AppError(
      'STORE_FORMAT',
      `The message store ${path} was written by a newer version of this program.`,
      'Install that version again, or a later one; the store has not been changed.',
    )
  }
}

function notADirectory(path: string): AppError {
  return new AppError(
    'STORE_NOT_A_DIRECTORY',
    `The message store ${path} is not a directory.`,
    'Move the file away, or give another path for the store.',
  )
}

function inUse(path: string): AppError {
  return new AppError(
    'STORE_IN_USE',
    `The message store ${path} is in use by another running server.`,
    'Stop the other server first, or give this one a store of its own.',
  )
}

export function cannotOpen(path: string, cause: unknown): AppError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  const [code, remedy] =
    errorCode(cause) === 'EACCES' || errorCode(cause) === 'EROFS' || errorCode(cause) === 'EPERM'
      ? (['STORE_NOT_WRITABLE', 'Let the user that runs the server own the directory and its files.'] as const)
      : (['STORE_UNREADABLE', 'Check the disk and the files in it, or restore them from a backup.'] as const)
  return new AppError(code, `The message store ${path} cannot be opened: ${reason}.`, remedy, { cause })
}
