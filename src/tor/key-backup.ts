import { armor, Decrypter, Encrypter } from 'age-encryption'
import { AppError } from '../config/app-error.ts'
import { decodeOnionKey, encodeOnionKey, type OnionKey } from './onion-key.ts'

/*
 * A backup is an age file (age-encryption.org/v1) with one scrypt recipient. In it is tor's own key file, so what the
 * `age` program makes of it with the passphrase can be given to any tor.
 */

const binaryStart = 'age-encryption.org/v1\n'
const armorStart = '-----BEGIN AGE ENCRYPTED FILE-----'

/** Encrypts the key file (96 bytes); takes a second and 256 MiB, as it takes everybody who guesses passphrases. */
export async function sealKeyBackup(key: OnionKey, passphrase: string): Promise<Buffer> {
  const encrypter = new Encrypter()
  encrypter.setPassphrase(passphrase)
  return Buffer.from(await encrypter.encrypt(encodeOnionKey(key)))
}

/**
 * Opens a backup, binary or with armor.
 *
 * @param path names the file in messages
 * @throws AppError `BACKUP_KIND`, `BACKUP_PASSPHRASE`, `BACKUP_DAMAGED`, `BACKUP_CONTENT`
 */
export async function openKeyBackup(file: Uint8Array, passphrase: string, path: string): Promise<OnionKey> {
  const bytes = withoutArmor(file, path)
  if (!isForPassphrase(bytes)) {
    const remedy = 'Decrypt it with age and the key that it was encrypted for, then run `smp-server tor key import`.'
    throw new AppError('BACKUP_KIND', `${path} was not encrypted with a passphrase.`, remedy)
  }
  const decrypter = new Decrypter()
  decrypter.addPassphrase(passphrase)
  let content: Uint8Array
  try {
    content = await decrypter.decrypt(bytes)
  } catch (error) {
    const why = error instanceof Error ? error.message : ''
    if (!why.startsWith('no identity matched')) throw damaged(path, error)
    const remedy = 'Type it again; if it is certainly right, the file was changed: take another copy of it.'
    throw new AppError('BACKUP_PASSPHRASE', `The passphrase does not open ${path}.`, remedy, { cause: error })
  }
  const key = decodeOnionKey(content)
  if (key) return key
  const remedy = 'Name a file that `smp-server tor key backup` has made.'
  throw new AppError('BACKUP_CONTENT', `${path} can be opened, but what is in it is not the key of an onion.`, remedy)
}

function withoutArmor(file: Uint8Array, path: string): Uint8Array {
  const start = Buffer.from(file.subarray(0, 64)).toString('latin1')
  if (start.startsWith(binaryStart)) return file
  if (start.trimStart().startsWith(armorStart)) {
    try {
      return armor.decode(Buffer.from(file).toString('latin1'))
    } catch (error) {
      throw damaged(path, error)
    }
  }
  // The first line was cut off in the middle, as well as everything behind it.
  if (binaryStart.startsWith(start)) throw damaged(path)
  const remedy = start.startsWith('== ed25519v1-secret')
    ? 'It is the key itself, not encrypted: run `smp-server tor key import`.'
    : 'Name a file that `smp-server tor key backup` has made.'
  throw new AppError('BACKUP_KIND', `${path} is not an encrypted backup.`, remedy)
}

/** Whether the only recipient is a passphrase; also true when the header ends too early to tell. */
function isForPassphrase(file: Uint8Array): boolean {
  const recipient = /^-> (\S+) /m.exec(Buffer.from(file.subarray(0, 1024)).toString('latin1'))?.[1]
  return recipient === undefined || recipient === 'scrypt'
}

function damaged(path: string, cause?: unknown): AppError {
  const remedy = 'It may have been cut off while it was copied: take another copy of it.'
  return new AppError('BACKUP_DAMAGED', `${path} is damaged.`, remedy, { cause })
}
