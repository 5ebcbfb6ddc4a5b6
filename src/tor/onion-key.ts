import { createHash, randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { AppError } from '../config/app-error.ts'
import { errorCode } from './error-code.ts'
import { writeDurably } from './durable-file.ts'
import type { OnionHostname, ServiceId } from './onion-address.ts'
import { onionHostname, publicKeyOf, serviceIdOf } from './onion-address.ts'

/*
 * The key that is the onion service's name, in the format of tor's own hs_ed25519_secret_key, so that either program
 * can take over the other's file:
 *
 *   "== ed25519v1-secret: type0 ==" 3*%x00   32 bytes
 *   expanded secret key                      64 bytes
 */

export interface OnionKey {
  /** 64 bytes: clamped scalar and nonce prefix. */
  readonly secret: Buffer
  readonly serviceId: ServiceId
  readonly hostname: OnionHostname
}

export const onionKeyFileName = 'onion.key'

/** The key that will take the place of `keyFile`, while both are published. */
export function nextKeyFile(keyFile: string): string {
  return `${keyFile.replace(/\.key$/, '')}-next.key`
}

const header = Buffer.from('== ed25519v1-secret: type0 ==\0\0\0', 'latin1')

/** `undefined` when it is not an expanded Ed25519 key (64 bytes, clamped). */
export function onionKeyFromSecret(secret: Uint8Array): OnionKey | undefined {
  const [first = 0] = secret
  const last = secret[31] ?? 0
  if (secret.length !== 64 || (first & 7) !== 0 || (last & 0xc0) !== 0x40) return undefined
  const serviceId = serviceIdOf(publicKeyOf(secret))
  return { secret: Buffer.from(secret), serviceId, hostname: onionHostname(serviceId) }
}

/** A new key, made as tor makes its own: the SHA-512 of 32 random bytes, clamped. */
export function generateOnionKey(): OnionKey {
  const secret = createHash('sha512').update(randomBytes(32)).digest()
  secret.writeUInt8(secret.readUInt8(0) & 248, 0)
  secret.writeUInt8((secret.readUInt8(31) & 63) | 64, 31)
  const key = onionKeyFromSecret(secret)
  if (!key) throw new TypeError('a clamped key is a key')
  return key
}

export function encodeOnionKey(key: OnionKey): Buffer {
  return Buffer.concat([header, key.secret])
}

export function decodeOnionKey(bytes: Uint8Array): OnionKey | undefined {
  if (bytes.length !== 96 || !header.equals(bytes.subarray(0, 32))) return undefined
  return onionKeyFromSecret(bytes.subarray(32))
}

/**
 * Reads the key file; `undefined` when there is none.
 *
 * @throws AppError `ONION_KEY_UNREADABLE`, `ONION_KEY_DAMAGED`
 */
export async function readOnionKey(path: string): Promise<OnionKey | undefined> {
  let bytes: Buffer
  try {
    bytes = await readFile(path)
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined
    const remedy = 'Give the file to the user that runs smp-server (chown), with mode 0600.'
    throw new AppError('ONION_KEY_UNREADABLE', `The onion service's key ${path} cannot be read.`, remedy, {
      cause: error,
    })
  }
  const key = decodeOnionKey(bytes)
  if (key) return key
  throw new AppError(
    'ONION_KEY_DAMAGED',
    `${path} is not the key of an onion service.`,
    'Bring the file back from a backup: it cannot be made again, and the onion address depends on it.',
  )
}

/**
 * Keeps a new key, durable before this returns, with mode 0600. An existing file is never replaced.
 *
 * @throws AppError `ONION_KEY_EXISTS`, `ONION_KEY_UNWRITABLE`
 */
export async function keepOnionKey(path: string, key: OnionKey): Promise<void> {
  try {
    await writeDurably(path, encodeOnionKey(key), { mode: 0o600, ifExists: 'fail' })
  } catch (error) {
    if (errorCode(error) === 'EEXIST') {
      const remedy = 'Another smp-server may be setting it up; run the command again.'
      throw new AppError('ONION_KEY_EXISTS', `The onion service's key ${path} has appeared meanwhile.`, remedy)
    }
    const remedy = 'Run the command as the user that owns this directory.'
    throw new AppError('ONION_KEY_UNWRITABLE', `The onion service's key ${path} cannot be written.`, remedy, {
      cause: error,
    })
  }
}
