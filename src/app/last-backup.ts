import { open, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Paths } from '../config/paths.ts'

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
    await rm(backupMark, { force: true })
    // Never through a link that another user has put there.
    const file = await open(backupMark, 'wx', 0o600)
    try {
      await file.writeFile(`${at.toISOString()}\n`)
      if (process.geteuid?.() !== 0) return
      const { uid, gid } = await stat(dirname(backupMark))
      await file.chown(uid, gid)
    } finally {
      await file.close()
    }
  } catch {
    return
  }
}
