import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { writeDurably } from '../system/durable-file.ts'

/*
 * The file `time` in the directory of the store: when the relay ran last, by a clock that was believed. Seconds since the
 * epoch, as text.
 */

const FILE = 'time'

/** Of a store whose relay left no such file, the time of the last change. Undefined for a new store. */
export function readLastSeen(store: string): number | undefined {
  try {
    const seconds = Number(readFileSync(join(store, FILE), 'latin1').trim())
    if (Number.isSafeInteger(seconds) && seconds > 0) return seconds
  } catch {
    // An older version did not write it.
  }
  const mtime = statSync(join(store, 'data.mdb'), { throwIfNoEntry: false })?.mtimeMs
  return mtime === undefined ? undefined : Math.floor(mtime / 1000)
}

/** What the file says, if anything. */
export function confirmedTime(store: string): number | undefined {
  try {
    return Number(readFileSync(join(store, FILE), 'latin1').trim()) || undefined
  } catch {
    return undefined
  }
}

export async function writeLastSeen(store: string, seconds: number): Promise<void> {
  await writeDurably(join(store, FILE), `${Math.floor(seconds)}\n`, { mode: 0o600, ifExists: 'replace' })
}
