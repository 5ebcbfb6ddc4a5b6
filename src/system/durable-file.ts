import { closeSync, fsyncSync, openSync } from 'node:fs'
import { type FileHandle, link, lstat, open, realpath, rename, stat, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { errorCode } from './error-code.ts'
import { asOwnerOf } from './owner.ts'
import { temporaryName } from './temporary-file.ts'

export interface WriteOptions {
  /** Permissions of a new file; one that is replaced keeps its own, and its owner. */
  readonly mode: number
  readonly ifExists: 'replace' | 'fail'
  /**
   * Syncs whenever so many bytes were written, not only at the end: a large file then delays other programs' syncs by a
   * little, many times, and not by seconds once.
   */
  readonly syncEvery?: number
}

/**
 * Writes a whole file so that after a power loss either the old or the new content is there: a temporary file beside
 * it, fsync, rename, fsync of the directory. Root writes with the rights of the owner of the directory, so that the user
 * of a relay can read what root sets up, and cannot turn root's writing against the system.
 *
 * @throws the system's error; `EEXIST` with `ifExists: 'fail'`
 */
export async function writeDurably(
  path: string,
  content: string | Uint8Array | AsyncIterable<Uint8Array>,
  options: WriteOptions,
): Promise<void> {
  await asOwnerOf(dirname(path), async () => {
    await write(options.ifExists === 'replace' ? await followLink(path) : path, content, options)
  })
}

async function write(
  target: string,
  content: string | Uint8Array | AsyncIterable<Uint8Array>,
  options: WriteOptions,
): Promise<void> {
  const directory = dirname(target)
  const replaced = await statIfThere(target)
  const temporary = temporaryName(target)
  const file = await open(temporary, 'wx', options.mode & 0o600)
  try {
    try {
      if (typeof content === 'string' || content instanceof Uint8Array) await file.writeFile(content)
      else await writeChunks(file, content, options.syncEvery ?? Infinity)
      if (replaced && process.geteuid?.() === 0) await file.chown(replaced.uid, replaced.gid)
      await file.chmod((replaced?.mode ?? options.mode) & 0o7777)
      await file.sync()
    } finally {
      await file.close()
    }
    if (options.ifExists === 'replace') await rename(temporary, target)
    else await putNew(temporary, target)
  } catch (error) {
    // A write to an open file fails without saying which.
    if (error instanceof Error && !('path' in error)) Object.assign(error, { path: target })
    throw error
  } finally {
    await unlink(temporary).catch(() => undefined)
  }
  await syncDirectory(directory)
}

async function writeChunks(file: FileHandle, chunks: AsyncIterable<Uint8Array>, syncEvery: number): Promise<void> {
  let unsynced = 0
  for await (const chunk of chunks) {
    await file.appendFile(chunk)
    unsynced += chunk.length
    if (unsynced < syncEvery) continue
    await file.datasync()
    unsynced = 0
  }
}

const PIECE_CHARACTERS = 1 << 18

/** How long texts are gathered before others get their turn, milliseconds. */
const SLICE_MS = 3

/** Many short texts (latin1) as content for {@link writeDurably}, in pieces of 256 KiB; others get their turn in between. */
export async function* textPieces(texts: Iterable<string>): AsyncGenerator<Uint8Array, void, undefined> {
  let gathered = ''
  let sliceEnd = performance.now() + SLICE_MS
  for (const text of texts) {
    gathered += text
    const isLong = gathered.length >= PIECE_CHARACTERS
    if (!isLong && performance.now() < sliceEnd) continue
    if (isLong) {
      yield Buffer.from(gathered, 'latin1')
      gathered = ''
    }
    await nextTurn()
    sliceEnd = performance.now() + SLICE_MS
  }
  yield Buffer.from(gathered, 'latin1')
}

/** Gives a file its name unless that is taken; file systems of memory cards and shares may know no second names. */
async function putNew(temporary: string, target: string): Promise<void> {
  try {
    await link(temporary, target)
  } catch (error) {
    if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'].includes(errorCode(error) ?? '')) throw error
    await (await open(target, 'wx', 0o600)).close()
    await rename(temporary, target)
  }
}

/** Puts a file in the place of another one, durably. */
export async function renameDurably(from: string, to: string): Promise<void> {
  await asOwnerOf(dirname(to), async () => {
    await rename(from, to)
    await syncDirectory(dirname(to))
  })
}

/** The file behind a symbolic link, so that the link stays. */
async function followLink(path: string): Promise<string> {
  try {
    return (await lstat(path)).isSymbolicLink() ? await realpath(path) : path
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return path
    throw error
  }
}

async function statIfThere(path: string): Promise<{ uid: number; gid: number; mode: number } | undefined> {
  try {
    return await stat(path)
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined
    throw error
  }
}

/** Makes durable which files a directory has. */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** The same at once, and as far as it can be done: not where the directory may not be read, or the file system cannot. */
export function syncDirectoryNow(directory: string): void {
  let file: number | undefined
  try {
    file = openSync(directory, 'r')
    fsyncSync(file)
  } catch (error) {
    if (!['EACCES', 'EINVAL', 'ENOTSUP'].includes(errorCode(error) ?? '')) throw error
  } finally {
    if (file !== undefined) closeSync(file)
  }
}
