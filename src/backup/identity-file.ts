import { AppError } from '../errors/app-error.ts'
import { type AgeKey, isAgeIdentity } from '../crypto/age-file.ts'
import { readSmallFile } from '../system/small-file.ts'

/**
 * The secret keys in a file as `age-keygen` writes it: one per line, with comments behind `#`.
 *
 * @throws AppError `BACKUP_IDENTITY`, and whatever `readSmallFile` throws
 */
export async function readIdentities(path: string): Promise<AgeKey> {
  const hint = 'Pass the file that `age-keygen` has written.'
  const text = (await readSmallFile(path, hint)).toString('utf8')
  if (/^(?:age-encryption\.org\/|-----BEGIN AGE)/.test(text)) {
    const remedy = `Decrypt it first: \`age -d -o key.txt ${path}\``
    throw new AppError('BACKUP_IDENTITY', `${path} is encrypted itself.`, remedy)
  }
  const lines = text.split('\n').map((line) => line.trim())
  const identities = lines.filter((line) => line !== '' && !line.startsWith('#'))
  const wrong = identities.find((line) => !isAgeIdentity(line))
  if (wrong !== undefined) {
    const message = `${path}:${lines.indexOf(wrong) + 1} is not a secret key of age (AGE-SECRET-KEY-1…).`
    throw new AppError('BACKUP_IDENTITY', message, hint)
  }
  if (identities.length === 0) throw new AppError('BACKUP_IDENTITY', `${path} contains no secret key.`, hint)
  return { type: 'identities', identities }
}
