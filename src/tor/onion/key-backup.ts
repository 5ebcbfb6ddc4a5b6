import { armor } from 'age-encryption'
import { AppError } from '../../errors/app-error.ts'
import { ageFileDamaged, openBytes, sealBytes } from '../../crypto/age-file.ts'
import { decodeOnionKey, encodeOnionKey, type OnionKey } from '../../crypto/onion-key.ts'

/*
 * A backup of the key is an age file around tor's own key file, so what `age -d` prints works with any tor.
 */

const armorStart = '-----BEGIN AGE ENCRYPTED FILE-----'

/** Encrypts the key file (96 bytes). */
export async function sealKeyBackup(key: OnionKey, passphrase: string): Promise<Buffer> {
  return await sealBytes(encodeOnionKey(key), passphrase)
}

/**
 * Opens a backup, binary or armored.
 *
 * @param path names the file in messages
 * @throws AppError `BACKUP_KIND`, `BACKUP_PASSPHRASE`, `BACKUP_DAMAGED`, `BACKUP_CONTENT`
 */
export async function openKeyBackup(file: Uint8Array, passphrase: string, path: string): Promise<OnionKey> {
  const content = await openBytes(withoutArmor(file, path), passphrase, {
    path,
    madeBy: 'smp-server tor key backup',
    otherRecipient: 'Decrypt it with age and its key, then run `smp-server tor key import FILE`.',
    otherKind: (start) =>
      start.startsWith('== ed25519v1-secret')
        ? `It is the unencrypted key itself: run \`smp-server tor key import ${path}\`.`
        : undefined,
  })
  const key = decodeOnionKey(content)
  if (key) return key
  const remedy = 'Pass a file that `smp-server tor key backup` has written.'
  throw new AppError('BACKUP_CONTENT', `${path} was decrypted, but it does not contain an onion key.`, remedy)
}

function withoutArmor(file: Uint8Array, path: string): Uint8Array {
  const start = Buffer.from(file.subarray(0, 64)).toString('latin1')
  if (!start.trimStart().startsWith(armorStart)) return file
  try {
    return armor.decode(Buffer.from(file).toString('latin1'))
  } catch (error) {
    throw ageFileDamaged(path, error)
  }
}
