import { once } from 'node:events'
import { stat, statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Writable } from 'node:stream'
import { AppError } from '../errors/app-error.ts'
import { exists } from '../store/upstream/files.ts'
import { writeDurably } from '../system/durable-file.ts'
import { errorCode } from '../system/error-code.ts'

/** Where a backup goes. */
export interface BackupTarget {
  /** Called first. @throws AppError when nothing can be written */
  prepare(): Promise<void>
  /**
   * Called before anything is written.
   *
   * @param size bytes that are known to come; a few more follow
   * @throws AppError when they have no room
   */
  expect(size: number): Promise<void>
  /** @returns the bytes written */
  write(content: AsyncIterable<Uint8Array>): Promise<number>
}

const MiB = 1 << 20
/** What was written is synced as often: otherwise the kernel writes it all at once, and the relay's commits wait. */
const SYNC_BYTES = 4 * MiB
/** How often the free space is looked at, in bytes written. */
const LOOK_BYTES = 16 * MiB
/** Of the disk that the relay's own store is on, a backup leaves this free. */
const STORE_RESERVE = 128 * MiB

export interface FileTargetOptions {
  readonly file: string
  /** The directory of the relay's state, whose disk must not be filled. */
  readonly stateDir: string
}

/** A new file (0600), which appears under its name when it is complete and durable, or not at all. */
export class FileTarget implements BackupTarget {
  readonly #file: string
  readonly #stateDir: string
  #reserve = 0

  constructor({ file, stateDir }: FileTargetOptions) {
    this.#file = file
    this.#stateDir = stateDir
  }

  /** @throws AppError `FILE_EXISTS`; `FILE_MISSING` without the directory of the file */
  async prepare(): Promise<void> {
    const file = this.#file
    if (await exists(file)) throw taken(file)
    const directory = dirname(file)
    if (await exists(directory)) return
    throw new AppError(
      'FILE_MISSING',
      `The directory ${directory} does not exist.`,
      `Create it: \`mkdir -p ${directory}\``,
    )
  }

  /** @throws AppError `DISK_FULL` */
  async expect(size: number): Promise<void> {
    const [target, state] = await Promise.all([stat(dirname(this.#file)), stat(this.#stateDir)])
    if (target.dev === state.dev) this.#reserve = STORE_RESERVE
    await this.#requireRoom(size)
  }

  async write(content: AsyncIterable<Uint8Array>): Promise<number> {
    const file = this.#file
    try {
      await writeDurably(file, this.#watched(content), { mode: 0o600, ifExists: 'fail', syncEvery: SYNC_BYTES })
    } catch (error) {
      if (errorCode(error) === 'EEXIST') throw taken(file)
      throw error
    }
    return (await stat(file)).size
  }

  async *#watched(content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
    let unwatched = 0
    for await (const chunk of content) {
      yield chunk
      unwatched += chunk.length
      if (unwatched < LOOK_BYTES) continue
      unwatched = 0
      await this.#requireRoom(0)
    }
  }

  async #requireRoom(size: number): Promise<void> {
    const directory = dirname(this.#file)
    const { bavail, bsize } = await statfs(directory)
    const free = bavail * bsize
    if (free >= size + this.#reserve) return
    const need = `${Math.ceil((size + this.#reserve) / MiB)} MiB`
    const why = this.#reserve > 0 ? ` (${this.#reserve / MiB} MiB of them must stay free for the relay)` : ''
    const message = `The disk of ${directory} has ${Math.floor(free / MiB)} MiB free, and the backup needs ${need}${why}.`
    throw new AppError('DISK_FULL', message, 'Free some space, or back up to another disk.')
  }
}

/** A stream, such as standard output. */
export class StreamTarget implements BackupTarget {
  readonly #stream: Writable

  constructor(stream: Writable) {
    this.#stream = stream
  }

  async prepare(): Promise<void> {
    // It is open.
  }

  async expect(): Promise<void> {
    // Nobody knows how much room there is.
  }

  /** @throws AppError `BACKUP_PIPE` when the reader ends early */
  async write(content: AsyncIterable<Uint8Array>): Promise<number> {
    const stream = this.#stream
    let size = 0
    let failure: Error | undefined
    const abort = new AbortController()
    const fail = (error: Error): void => {
      failure = error
      abort.abort()
    }
    stream.on('error', fail)
    try {
      for await (const chunk of content) {
        if (failure) break
        size += chunk.length
        if (!stream.write(chunk)) await once(stream, 'drain', { signal: abort.signal }).catch(() => undefined)
      }
      if (!failure) await new Promise<void>((resolve) => stream.write('', () => resolve()))
    } finally {
      stream.off('error', fail)
    }
    if (!failure) return size
    const message = `Standard output was closed before the backup was complete (${failure.message}).`
    throw new AppError('BACKUP_PIPE', message, 'Look at what the program that reads it says.')
  }
}

function taken(file: string): AppError {
  return new AppError('FILE_EXISTS', `${file} exists already.`, 'Use another name.')
}
