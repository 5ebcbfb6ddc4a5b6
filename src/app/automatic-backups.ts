import type { AutomaticBackups } from '../backup/automatic-backups.ts'
import type { Logger } from '../config/log.ts'
import type { Paths } from '../config/paths.ts'
import type { Settings } from '../config/settings.ts'
import { readFingerprint } from './identity.ts'
import { noteBackup } from './last-backup.ts'

/** Backups by the schedule of [BACKUP]; undefined without a directory for them. */
export async function startAutomaticBackups({
  settings,
  paths,
  log,
}: {
  readonly settings: Settings
  readonly paths: Paths
  readonly log: Logger
}): Promise<AutomaticBackups | undefined> {
  const { directory, lock, schedule, keep } = settings.backup
  if (directory === undefined || lock === undefined) return undefined
  // Loaded only if used.
  const [{ AutomaticBackups }, { backupInProcess }, fingerprint] = await Promise.all([
    import('../backup/automatic-backups.ts'),
    import('../backup/run-in-process.ts'),
    readFingerprint(paths),
  ])
  return await AutomaticBackups.start({
    directory,
    schedule,
    keep,
    lock,
    paths,
    fingerprint,
    log,
    run: backupInProcess,
    onMade: (at) => noteBackup(paths, at),
  })
}
