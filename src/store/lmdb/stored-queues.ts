import { statSync } from 'node:fs'
import { join } from 'node:path'
import { missing } from './errors.ts'
import { DataFile } from './file/data-file.ts'
import { RecordFile } from './file/records.ts'

/** Whether there is a store with anything in it. */
export function hasStore(path: string): boolean {
  return (statSync(join(path, 'data.mdb'), { throwIfNoEntry: false })?.size ?? 0) > 0
}

/**
 * The number of queues in a store that nobody opens: 0 where there is none, undefined when it is damaged or may not be
 * read.
 */
export function storedQueues(path: string): number | undefined {
  if (!hasStore(path)) return 0
  try {
    const file = new DataFile(join(path, 'data.mdb'))
    try {
      if (file.latest === undefined) return undefined
      let faults = 0
      const records = new RecordFile(file, file.latest, () => faults++)
      const queues = records.tables().get('queues')?.entries
      return faults > 0 ? undefined : (queues ?? 0)
    } finally {
      file.close()
    }
  } catch {
    return undefined
  }
}

/**
 * For commands that read the store where the notice says that it holds queues.
 *
 * @throws AppError `STORE_MISSING`
 */
export function requireStore(path: string): void {
  if (!hasStore(path)) throw missing(path)
}
