import { chownSync, closeSync, existsSync, mkdirSync, openSync, statSync, writeFileSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import { join } from 'node:path'
import type { RootDatabase } from 'lmdb'
import { AppError } from '../../errors/app-error.ts'
import { copyDirectory, copyingProcess, copyMark, removeCopy } from './copy-mark.ts'
import { cannotOpen, openRoot, readerProcesses, requireUsable } from './environment.ts'

const MiB = 1 << 20
/** What a copy leaves to a relay that runs meanwhile. */
const RESERVE = 32 * MiB

/** A snapshot of the store in a directory of its own, of which nobody else knows. */
export interface StoreCopy {
  /** A store like the one that was copied. */
  readonly path: string
  /** The file that is all of it. */
  readonly file: string
  remove(): Promise<void>
}

/**
 * Copies the store as it is at one moment, whether a server has it open or not; pages without use are left out, and
 * with them whatever was deleted. A server may go on meanwhile, stop, and start.
 *
 * @throws AppError `STORE_COPYING`, `STORE_UNREADABLE`, `STORE_NOT_WRITABLE`, `DISK_FULL`
 */
export async function copyStore(path: string): Promise<StoreCopy> {
  const owner = statSync(path)
  const own = (made: string): void => {
    if (process.geteuid?.() === 0) chownSync(made, owner.uid, owner.gid)
  }
  const lock = join(path, 'lock.mdb')
  try {
    requireUsable(path)
    if (!existsSync(lock)) {
      closeSync(openSync(lock, 'a', 0o600))
      own(lock)
    }
  } catch (error) {
    throw cannotOpen(path, error)
  }
  await requireRoom(path)
  const root = openRoot(path, { readOnly: true })
  const remove = async (): Promise<void> => {
    removeCopy(path)
    await root.close()
  }
  try {
    const copier = copyingProcess(path)
    if (copier !== undefined && readerProcesses(root).includes(copier)) throw copying(path, copier)
    removeCopy(path)
  } catch (error) {
    await root.close()
    throw error
  }
  try {
    writeFileSync(copyMark(path), `${process.pid}\n`, { mode: 0o600, flag: 'wx' })
    own(copyMark(path))
    takeSlot(root, path)
    mkdirSync(copyDirectory(path), { mode: 0o700 })
    own(copyDirectory(path))
    await root.backup(copyDirectory(path), true)
  } catch (error) {
    await remove()
    if (error instanceof AppError) throw error
    throw isFull(error) ? diskFull(path) : cannotOpen(path, error)
  }
  return { path: copyDirectory(path), file: join(copyDirectory(path), 'data.mdb'), remove }
}

/** It is kept as long as the environment is open, so that a server sees that the copy is still wanted. */
function takeSlot(root: RootDatabase<Buffer, string>, path: string): void {
  try {
    root.getBinary('\0')
  } catch (error) {
    const message = `The message store ${path} is in use by a process with the same id in another container.`
    throw new AppError('STORE_IN_USE', message, 'Run the command in that container.', { cause: error })
  }
}

async function requireRoom(path: string): Promise<void> {
  const { bavail, bsize } = await statfs(path)
  if (bavail * bsize < statSync(join(path, 'data.mdb')).size + RESERVE) throw diskFull(path)
}

function diskFull(path: string): AppError {
  const needed = Math.ceil((statSync(join(path, 'data.mdb')).size + RESERVE) / MiB)
  return new AppError(
    'DISK_FULL',
    `There is not enough room beside the message store ${path} for a copy of it.`,
    `Free some space: ${needed} MiB are enough, and are free again when the copy was used.`,
  )
}

function isFull(error: unknown): boolean {
  return error instanceof Error && /No space left|quota exceeded/i.test(error.message)
}

function copying(path: string, copier: number): AppError {
  const message = `Process ${copier} is making a copy of the message store ${path} at the moment.`
  return new AppError('STORE_COPYING', message, 'Wait until it is done.')
}
