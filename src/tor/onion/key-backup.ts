import { armor } from 'age-encryption'
import { AppError } from '../../errors/app-error.ts'
import { ageFileDamaged, openBytes, sealBytes } from '../../crypto/age-file.ts'
import { decodeOnionKey, encodeOnionKey, type OnionKey } from '../../crypto/onion-key.ts'

/*
 * A backup of the key is an age file. In it is tor's own key file, so what the `age` program makes of it with the
 * passphrase can be given to any tor.
 */

const armorStart = '-----BEGIN AGE ENCRYPTED FILE-----'

/** Encrypts the key file (96 bytes). */
export async function sealKeyBackup(key: OnionKey, passphrase: string): Promise<Buffer> {
  return await sealBytes(encodeOnionKey(key), passphrase)
}

/**
 * Opens a backup, binary or with armor.
 *
 * @param path names the file in messages
 * @throws AppError `BACKUP_KIND`, `BACKUP_PASSPHRASE`, `BACKUP_DAMAGED`, `BACKUP_CONTENT`
 */
export async function openKeyBackup(file: Uint8Array, passphrase: string, path: string): Promise<OnionKey> {
  const content = await openBytes(withoutArmor(file, path), passphrase, {
    path,
    madeBy: 'smp-server tor key backup',
    otherRecipient: 'Decrypt it with age and the key that it was encrypted for, then run `smp-server tor key import`.',
    otherKind: (start) =>
      start.startsWith('== ed25519v1-secret')
        ? 'It is the key itself, not encrypted: run `smp-server tor key import`.'
        : undefined,
  })
  const key = decodeOnionKey(content)
  if (key) return key
  const remedy = 'Name a file that `smp-server tor key backup` has made.'
  throw new AppError('BACKUP_CONTENT', `${path} can be opened, but what is in it is not the key of an onion.`, remedy)
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
