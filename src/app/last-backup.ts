import { stat } from 'node:fs/promises'
import type { Paths } from '../config/paths.ts'
import { writeDurably } from '../system/durable-file.ts'

type Mark = Pick<Paths, 'backupMark'>

/** When the last backup of this relay was completed; undefined when none is known. */
export async function lastBackup({ backupMark }: Mark): Promise<Date | undefined> {
  return await stat(backupMark).then(
    ({ mtime }) => mtime,
    () => undefined,
  )
}

/** Notes that a backup was completed. The backup is made whether or not this can be written. */
export async function noteBackup({ backupMark }: Mark, at: Date): Promise<void> {
  try {
    await writeDurably(backupMark, `${at.toISOString()}\n`, { mode: 0o600, ifExists: 'replace' })
  } catch {
    return
  }
}
