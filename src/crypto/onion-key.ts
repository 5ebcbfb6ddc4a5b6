import { createHash, randomBytes } from 'node:crypto'
import { onionHostname, type OnionHostname, publicKeyOf, type ServiceId, serviceIdOf } from './onion-address.ts'

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
