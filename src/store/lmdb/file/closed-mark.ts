import { readFileSync, statSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { syncDirectoryNow } from '../../../system/durable-file.ts'
import { errorCode } from '../../../system/error-code.ts'

/*
 * When the store is closed, the file `closed` notes what data.mdb is then: inode, size, and the times of its last changes
 * in nanoseconds. Whoever finds it unchanged need not look at all of it again. Any copy or change makes another file of it.
 * But file systems write the times later than the content, or not at all before the power is lost: so the mark is removed
 * before anything is written.
 */

const MARK = 'closed'

/** To be called when nothing will be written any more. A mark that cannot be left costs the next start some time. */
export function leaveClosedMark(path: string): void {
  try {
    writeFileSync(join(path, MARK), identityOf(path), { mode: 0o600 })
  } catch {
    return
  }
}

/** To be called before anything is written. @throws the system's error */
export function removeClosedMark(path: string): void {
  try {
    unlinkSync(join(path, MARK))
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return
    throw error
  }
  syncDirectoryNow(path)
}

/** Whether the file is the one that was closed. */
export function isAsClosed(path: string): boolean {
  try {
    return readFileSync(join(path, MARK), 'latin1') === identityOf(path)
  } catch {
    return false
  }
}

function identityOf(path: string): string {
  const { dev, ino, size, mtimeNs, ctimeNs } = statSync(join(path, 'data.mdb'), { bigint: true })
  return `${dev} ${ino} ${size} ${mtimeNs} ${ctimeNs}\n`
}
