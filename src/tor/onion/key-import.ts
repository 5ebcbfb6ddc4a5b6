import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { AppError } from '../../errors/app-error.ts'
import type { OnionHostname } from '../../crypto/onion-address.ts'
import { onionHostname, serviceIdOf } from '../../crypto/onion-address.ts'
import { decodeOnionKey, type OnionKey, onionKeyFromSecret } from '../../crypto/onion-key.ts'
import { readSmallFile } from '../../system/small-file.ts'

/*
 * Onion keys in the formats of other programs:
 *
 *   tor, vanity generators    hs_ed25519_secret_key: "== ed25519v1-secret: type0 ==" 3*%x00, 64 bytes
 *   the control port          ["ED25519-V3:"] base64 of the 64 bytes
 *
 * and, beside the first, hs_ed25519_public_key ("== ed25519v1-public: type0 ==" 3*%x00, 32 bytes) and hostname.
 */

const secretHeader = '== ed25519v1-secret: '
const publicHeader = '== ed25519v1-public: type0 ==\0\0\0'

/**
 * Reads a key, and checks that it gives the address that is written beside it.
 *
 * @throws AppError whatever `readSmallFile` throws, `ONION_KEY_FORMAT`, `ONION_KEY_NAME`
 */
export async function readForeignKey(path: string): Promise<OnionKey> {
  const hint = 'Pass the file of the secret key; in a HiddenServiceDir it is hs_ed25519_secret_key.'
  const key = parseForeignKey(await readSmallFile(path, hint), path)
  for (const found of await addressesBeside(path)) {
    if (found.hostname === key.hostname) continue
    const message = `${path} is the key of ${key.hostname}, but ${found.file} beside it belongs to ${found.hostname}.`
    throw new AppError(
      'ONION_KEY_NAME',
      message,
      `Find out which of the two is right. To import this key, move ${found.file} away.`,
    )
  }
  return key
}

/**
 * @param path names the file in messages
 * @throws AppError `ONION_KEY_FORMAT`
 */
export function parseForeignKey(bytes: Buffer, path: string): OnionKey {
  const fault = (what: string, remedy: string): AppError => new AppError('ONION_KEY_FORMAT', `${path} ${what}.`, remedy)
  const another = 'Use another copy of it.'
  const text = bytes.toString('latin1')
  if (text.startsWith(secretHeader)) {
    const key = decodeOnionKey(bytes)
    if (key) return key
    if (!text.startsWith(`${secretHeader}type0 ==`)) {
      throw fault('holds an Ed25519 key of an unknown type', 'Use a key that tor has created.')
    }
    if (bytes.length !== 96) throw fault(`has ${bytes.length} bytes, but a key file has 96`, another)
    throw fault('is damaged: these bytes are not an Ed25519 secret key', another)
  }
  if (text.startsWith('== ed25519v1-public: ')) {
    throw fault('holds only the public key', 'Pass hs_ed25519_secret_key, which is beside it.')
  }
  if (text.startsWith('age-encryption.org/') || text.startsWith('-----BEGIN AGE ')) {
    throw fault('is an encrypted backup', `Run \`smp-server tor key restore ${path}\`.`)
  }
  if (text.startsWith('-----BEGIN RSA PRIVATE KEY')) {
    throw fault('is the key of a version 2 onion service, which Tor no longer supports', 'Run `smp-server tor setup`.')
  }
  const base64 = /^(?:ED25519-V3:)?([A-Za-z0-9+/]{86}==)$/.exec(text.trim())?.[1]
  if (base64 === undefined) {
    throw fault(
      'is not the secret key of an onion service',
      "Pass tor's hs_ed25519_secret_key, or a file with ED25519-V3:… as the control port prints it.",
    )
  }
  const key = onionKeyFromSecret(Buffer.from(base64, 'base64'))
  if (!key) throw fault('is damaged: these bytes are not an Ed25519 secret key', another)
  return key
}

async function addressesBeside(path: string): Promise<{ file: string; hostname: string | OnionHostname }[]> {
  const beside = async (file: string): Promise<Buffer> =>
    (await readFile(join(dirname(path), file)).catch(() => Buffer.alloc(0))).subarray(0, 1024)
  const found = []
  // Elsewhere a file of this name holds the name of a machine.
  const hostname = /^\s*([a-z2-7]{56}\.onion)\s*$/i.exec((await beside('hostname')).toString('latin1'))?.[1]
  if (hostname !== undefined) found.push({ file: 'hostname', hostname: hostname.toLowerCase() })
  const publicKey = await beside('hs_ed25519_public_key')
  if (publicKey.length === 64 && publicKey.toString('latin1', 0, 32) === publicHeader) {
    found.push({ file: 'hs_ed25519_public_key', hostname: onionHostname(serviceIdOf(publicKey.subarray(32))) })
  }
  return found
}
