import type { BackupLock } from '../config/settings.ts'
import type { AgeLock } from '../crypto/age-file.ts'
import { readPassphrase, requireLong } from '../system/passphrase-file.ts'

/**
 * The base-2 logarithm of scrypt's work factor for backups. A quarter of what `age -p` takes, so that a backup needs
 * 64 MiB and not 256 for it: a relay on a small machine makes one every day.
 */
const WORK_FACTOR = 16

export function passphraseLock(passphrase: string): AgeLock {
  return { type: 'passphrase', passphrase, workFactor: WORK_FACTOR }
}

/**
 * What the INI file says that backups are encrypted with.
 *
 * @throws AppError `PASSPHRASE_SHORT`, and whatever `readPassphrase` throws
 */
export async function ageLock(lock: BackupLock): Promise<AgeLock> {
  if (lock.type === 'recipients') return lock
  const passphrase = await readPassphrase(lock.file)
  requireLong(passphrase)
  return passphraseLock(passphrase)
}
