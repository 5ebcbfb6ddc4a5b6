import { constants } from 'node:fs'
import { access, stat } from 'node:fs/promises'
import { AppError } from '../errors/app-error.ts'
import { errorCode } from '../system/error-code.ts'

/**
 * Makes sure that this process can write automatic backups to a directory.
 *
 * @throws AppError `BACKUP_DIRECTORY`; any other error of the system
 */
export async function requireBackupDirectory(directory: string): Promise<void> {
  const fault = (what: string, remedy: string): AppError =>
    new AppError('BACKUP_DIRECTORY', `The backup directory ${directory} ${what}.`, remedy)
  const uid = process.geteuid?.() ?? 0
  try {
    const isDirectory = (await stat(directory)).isDirectory()
    if (!isDirectory) throw fault('is not a directory', 'Set `directory` in [BACKUP] to a directory.')
    await access(directory, constants.R_OK | constants.W_OK | constants.X_OK)
  } catch (error) {
    switch (errorCode(error)) {
      case 'ENOENT':
        throw fault('does not exist', `Mount its disk, or run as root: \`install -d -o ${uid} -m 700 ${directory}\``)
      case 'EACCES':
      case 'EPERM':
        throw fault(`is not writable for user ${uid}`, `Run as root: \`chown ${uid} ${directory}\``)
      case 'EROFS':
        throw fault('is read-only for the relay', readOnlyRemedy(directory))
      default:
        throw error
    }
  }
}

/** A service of systemd can write only where its unit says so. */
function readOnlyRemedy(directory: string): string {
  if (process.env.INVOCATION_ID === undefined) return 'Mount its disk read-write.'
  return `Run \`systemctl edit smp-server\`, add the lines [Service] and ReadWritePaths=${directory}, and restart the relay.`
}
