import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'

/*
 * While a copy of the store is read, the file `copying` in its directory holds the id of the process that does so,
 * because that process has a slot in LMDB's table of readers just like a second relay.
 */

export function copyMark(path: string): string {
  return join(path, 'copying')
}

/** The process that reads a copy, or did so and was killed; undefined when nobody does. */
export function copyingProcess(path: string): number | undefined {
  try {
    return Number.parseInt(readFileSync(copyMark(path), 'utf8'), 10)
  } catch {
    return undefined
  }
}

/** Removes what a copy leaves: the mark, and the second file that earlier versions made. */
export function removeCopy(path: string): void {
  rmSync(join(path, 'copy'), { recursive: true, force: true })
  rmSync(copyMark(path), { force: true })
}
