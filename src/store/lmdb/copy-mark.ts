import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'

/*
 * While a copy of the store is made, the file `copying` in its directory holds the id of the process that does so,
 * because that process has a slot in LMDB's table of readers just like a second server. The copy is beside it.
 */

export function copyMark(path: string): string {
  return join(path, 'copying')
}

export function copyDirectory(path: string): string {
  return join(path, 'copy')
}

/** The process that makes a copy, or made one and was killed; undefined when nobody does. */
export function copyingProcess(path: string): number | undefined {
  try {
    return Number.parseInt(readFileSync(copyMark(path), 'utf8'), 10)
  } catch {
    return undefined
  }
}

/** Removes what a copy leaves; the mark goes last. */
export function removeCopy(path: string): void {
  rmSync(copyDirectory(path), { recursive: true, force: true })
  rmSync(copyMark(path), { force: true })
}
