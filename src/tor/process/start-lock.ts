import { readFileSync, unlinkSync, writeFileSync } from 'node:fs'
import { errorCode } from '../../system/error-code.ts'
import { isRunning, thisProcess, type ProcessMark } from '../../system/process-mark.ts'

/**
 * Locks the file at `path` for this process: two tors that start in one directory at the same moment would replace each
 * other's control socket before tor's own lock decides between them. A lock that a killed process left is ignored.
 *
 * @returns a function that releases the lock, or undefined when another process holds it
 */
export function takeStartLock(path: string): (() => void) | undefined {
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      writeFileSync(path, JSON.stringify(thisProcess()), { flag: 'wx', mode: 0o600 })
      return () => remove(path)
    } catch (error) {
      // A write to an open file fails without saying which.
      if (error instanceof Error && !('path' in error)) Object.assign(error, { path })
      if (errorCode(error) !== 'EEXIST') throw error
    }
    const holder = read(path)
    if (holder !== undefined && isRunning(holder)) return undefined
    remove(path)
  }
  return undefined
}

function read(path: string): ProcessMark | undefined {
  try {
    const mark = JSON.parse(readFileSync(path, 'utf8')) as Partial<ProcessMark>
    return typeof mark.pid === 'number' ? { ...mark, pid: mark.pid } : undefined
  } catch {
    return undefined
  }
}

function remove(path: string): void {
  try {
    unlinkSync(path)
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error
  }
}
