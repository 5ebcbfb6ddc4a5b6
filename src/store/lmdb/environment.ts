import {
  accessSync,
  chmodSync,
  closeSync,
  constants,
  mkdirSync,
  openSync,
  realpathSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { open, type Database, type RootDatabase } from 'lmdb'
import { AppError } from '../../errors/app-error.ts'
import { syncDirectoryNow } from '../../system/durable-file.ts'
import { errorCode } from '../../system/error-code.ts'
import { cannotOpen, inUse, missing, notADirectory, notAFile } from './errors.ts'
import { leaveClosedMark, removeClosedMark } from './file/closed-mark.ts'
import { requireSound } from './file/require-sound.ts'
import { requireFormat, seedFreePages } from './format.ts'
import { removeStaleCopy, requireAlone } from './sole-user.ts'
import { requireStopped } from './stopped.ts'

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

/** The root database of an environment, which holds the others. */
export type Root = RootDatabase<Buffer, string>

export interface EnvironmentOptions {
  /** Queues are known to be in it: an empty store is refused, not begun. */
  readonly mustExist?: boolean
}

const openHere = new Set<string>()

/**
 * An LMDB environment in a directory (0700, its files 0600) that is created when it does not exist. Its file is verified
 * before it is mapped. One process at a time uses it; only a process that makes a copy may be there as well.
 */
export class Environment {
  readonly root: Root
  readonly #path: string

  /** @throws AppError when the directory cannot be used: see `errors.ts` */
  constructor(path: string, { mustExist = false }: EnvironmentOptions = {}) {
    prepareDirectory(path, mustExist)
    this.#path = realpathSync(path)
    if (openHere.has(this.#path)) throw inUse(path, process.pid)
    requireStopped(path)
    requireUsable(path)
    beginWriting(path)
    this.root = openRoot(path)
    openHere.add(this.#path)
    try {
      requireAlone(this.root, path)
      requireFormat(this.table('meta'), path)
    } catch (error) {
      void this.#leave()
      throw error
    }
  }

  /**
   * To be called when all tables are open: makes sure that this process is the only one, and keeps others out from now
   * on. (Opening a table releases the reader slot.) Of two that come at the same time, one or both leave.
   *
   * @throws AppError
   */
  claim(): void {
    try {
      requireAlone(this.root, this.#path)
      removeStaleCopy(this.root, this.#path)
      seedFreePages(this.root, this.table('meta'))
    } catch (error) {
      void this.#leave()
      throw error
    }
  }

  /** @throws AppError when the database cannot be opened */
  table(name: string): Database<Buffer, string> {
    try {
      return this.root.openDB<Buffer, string>(name, tableOptions)
    } catch (error) {
      throw cannotOpen(this.#path, error)
    }
  }

  /** @param state a store that failed is verified when it is opened again */
  async close(state: 'sound' | 'failed'): Promise<void> {
    await this.#leave()
    if (state === 'sound') leaveClosedMark(this.#path)
  }

  async #leave(): Promise<void> {
    openHere.delete(this.#path)
    await this.root.close()
  }
}

function prepareDirectory(path: string, mustExist: boolean): void {
  const data = join(path, 'data.mdb')
  let made: string | undefined
  try {
    if (mustExist && (statSync(data, { throwIfNoEntry: false })?.size ?? 0) === 0) throw missing(path)
    made = mkdirSync(path, { recursive: true, mode: 0o700 })
  } catch (error) {
    if (errorCode(error) === 'EEXIST' || errorCode(error) === 'ENOTDIR') throw notADirectory(path)
    throw error instanceof AppError ? error : cannotOpen(path, error)
  }
  if (!statSync(path).isDirectory()) throw notADirectory(path)
  try {
    accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK)
    for (const file of [data, join(path, 'lock.mdb')]) {
      if (statSync(file, { throwIfNoEntry: false })?.isFile() === false) throw notAFile(path, file)
      closeSync(openSync(file, constants.O_RDWR | constants.O_CREAT, 0o600))
      chmodSync(file, 0o600)
    }
    if (statSync(data).size === 0) syncNames(path, made ?? path)
  } catch (error) {
    throw error instanceof AppError ? error : cannotOpen(path, error)
  }
}

/**
 * Makes durable that a new store is where it is: a sync of its file need not keep the file's name, nor those of the
 * directories above it.
 *
 * @param made the first directory that was made for it
 */
function syncNames(path: string, made: string): void {
  const last = dirname(resolve(made))
  for (let directory = resolve(path); ; directory = dirname(directory)) {
    syncDirectoryNow(directory)
    if (directory === last) return
  }
}

/** Room that LMDB needs at once: a new environment, and the table of readers. It crashes without. */
const FIRST_BYTES = 1 << 17
/** LMDB's table of readers is smaller; what is larger is none, and would be mapped as a whole. */
const MAX_LOCK_BYTES = 1 << 17

/**
 * LMDB takes the process down when it maps a file that is damaged or not its own, or finds no room for the table of
 * readers: so all that is checked first.
 *
 * @param path directory with both files
 * @throws AppError
 */
export function requireUsable(path: string): void {
  try {
    const lock = join(path, 'lock.mdb')
    if (statSync(lock).size > MAX_LOCK_BYTES) truncateSync(lock)
    if (statSync(join(path, 'data.mdb')).size > 0) requireSound(path)
    const probe = join(path, 'probe')
    try {
      writeFileSync(probe, Buffer.alloc(FIRST_BYTES), { mode: 0o600 })
    } finally {
      rmSync(probe, { force: true })
    }
  } catch (error) {
    throw error instanceof AppError ? error : cannotOpen(path, error)
  }
}

/** @throws AppError */
function beginWriting(path: string): void {
  try {
    removeClosedMark(path)
  } catch (error) {
    throw cannotOpen(path, error)
  }
}

/** @throws AppError */
export function openRoot(path: string, { readOnly = false } = {}): Root {
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
