import { copyingProcess, removeCopy } from './copy-mark.ts'
import type { Root } from './environment.ts'
import { cannotOpen, inUse } from './errors.ts'

/*
 * One process at a time has the store open. LMDB gives each one a slot in the table of readers in lock.mdb, which the
 * kernel's record locks keep honest even after `kill -9`; a second process sees the slot and leaves. A process that
 * copies the store has a slot too, and its id in the file `copying`.
 */

/** @throws AppError `STORE_IN_USE`, or what keeps the table of readers from being read */
export function requireAlone(root: Root, path: string): void {
  takeSlot(root, path)
  const users = readerProcesses(root)
  const copier = copyingProcess(path)
  const other = users.find((pid) => pid !== process.pid && pid !== copier)
  if (other !== undefined) throw inUse(path, other)
}

/**
 * Reads something, which takes a slot in the table of readers.
 *
 * @throws AppError `STORE_IN_USE` for a process of the same id in another container, whose slot the kernel protects
 */
export function takeSlot(root: Root, path: string): void {
  try {
    root.getBinary('\0')
  } catch (error) {
    if (isLockConflict(error)) throw inUse(path, undefined)
    throw cannotOpen(path, error)
  }
}

/** The processes that have the environment open, and have read from it. */
export function readerProcesses(root: Root): number[] {
  root.readerCheck()
  const [, ...slots] = root.readerList().trim().split('\n')
  return slots.map((slot) => Number.parseInt(slot.trim(), 10))
}

/** Removes a copy that was cut off: another process may get the id of the one that made it. */
export function removeStaleCopy(root: Root, path: string): void {
  const copier = copyingProcess(path)
  if (copier === undefined) return
  if (copier === process.pid || !readerProcesses(root).includes(copier)) removeCopy(path)
}

/** EAGAIN or EACCES, as fcntl(2) refuses a lock that another process has. */
function isLockConflict(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 11 || error.code === 13)
}
