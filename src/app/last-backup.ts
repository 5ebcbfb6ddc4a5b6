import { constants } from 'node:fs'
import { open, stat } from 'node:fs/promises'
import type { Paths } from '../config/paths.ts'

type Mark = Pick<Paths, 'backupMark'>

/** When the last backup of this relay was completed; undefined when none is known. */
export async function lastBackup({ backupMark }: Mark): Promise<Date | undefined> {
  return await stat(backupMark).then(
    ({ mtime }) => mtime,
    () => undefined,
  )
}

/** Notes that a backup was completed, for the metrics. The backup is made whether or not this can be written. */
export async function noteBackup({ backupMark }: Mark, at: Date): Promise<void> {
  const { O_WRONLY, O_CREAT, O_TRUNC, O_NOFOLLOW } = constants
  const file = await open(backupMark, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0o600).catch(() => undefined)
  try {
    await file?.writeFile(`${at.toISOString()}\n`)
  } finally {
    await file?.close()
  }
}
