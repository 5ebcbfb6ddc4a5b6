import { createHash } from 'node:crypto'
import { createRequire } from 'node:module'

/*
 * Addresses of version 3 onion services (Tor rend-spec-v3, "Encoding onion addresses").
 *
 *   hostname = base32(PUBKEY | CHECKSUM | VERSION) ".onion"          32 + 2 + 1 bytes, 56 characters
 *   CHECKSUM = SHA3-256(".onion checksum" | PUBKEY | VERSION)[0..1]     VERSION = 3
 */

/** 56 characters `a-z2-7`, as the control port has it. */
export type ServiceId = string & { readonly __serviceId: true }
/** The service id with `.onion` behind it. */
export type OnionHostname = string & { readonly __onionHostname: true }

// Only a relay with an onion service waits for the library, which computes tables when it is loaded.
const requireLater = createRequire(import.meta.url)
const loadCurve = (): typeof import('@noble/curves/ed25519.js') =>
  requireLater('@noble/curves/ed25519.js') as typeof import('@noble/curves/ed25519.js')

const version = 3
const alphabet = 'abcdefghijklmnopqrstuvwxyz234567'

/** The service id of a 32-byte Ed25519 public key. */
export function serviceIdOf(publicKey: Uint8Array): ServiceId {
  if (publicKey.length !== 32) throw new TypeError('an onion service key has 32 bytes')
  return branded(base32(Buffer.concat([publicKey, checksum(publicKey), Buffer.from([version])])))
}

/**
 * The public key (32 bytes) of an expanded Ed25519 secret key: 32 bytes of scalar, 32 of nonce prefix, as tor and the
 * control port keep it. The seed it was made from is not known, so this multiplies the base point itself.
 *
 * @throws TypeError when `secret` does not have 64 bytes or its scalar is zero
 */
export function publicKeyOf(secret: Uint8Array): Buffer {
  if (secret.length !== 64) throw new TypeError('an expanded Ed25519 key has 64 bytes')
  const { ed25519 } = loadCurve()
  const littleEndian = Buffer.from(secret.subarray(0, 32)).reverse()
  const scalar = BigInt(`0x${littleEndian.toString('hex')}`) % ed25519.Point.Fn.ORDER
  littleEndian.fill(0)
  if (scalar === 0n) throw new TypeError('the scalar of an Ed25519 key must not be zero')
  return Buffer.from(ed25519.Point.BASE.multiply(scalar).toBytes())
}

export function onionHostname(serviceId: ServiceId): OnionHostname {
  return `${serviceId}.onion` as OnionHostname
}

/** Checks length, alphabet, version and checksum; upper case is accepted. */
export function parseServiceId(text: string): ServiceId | undefined {
  const id = text.toLowerCase()
  const bytes = id.length === 56 ? fromBase32(id) : undefined
  if (bytes?.length !== 35 || bytes[34] !== version) return undefined
  const publicKey = bytes.subarray(0, 32)
  return checksum(publicKey).equals(bytes.subarray(32, 34)) ? branded(id) : undefined
}

/** The same for a hostname that ends in `.onion`. */
export function parseOnionHostname(text: string): OnionHostname | undefined {
  const match = /^([^.]*)\.onion$/i.exec(text)
  const id = parseServiceId(match?.[1] ?? '')
  return id && onionHostname(id)
}

function branded(id: string): ServiceId {
  return id as ServiceId
}

function checksum(publicKey: Uint8Array): Buffer {
  const hash = createHash('sha3-256')
    .update('.onion checksum')
    .update(publicKey)
    .update(Buffer.from([version]))
  return hash.digest().subarray(0, 2)
}

/** A key of 32 bytes as 52 characters. */
export function base32Key(key: Uint8Array): string {
  return base32(Buffer.concat([key, Buffer.alloc(3)])).slice(0, 52)
}

/** Without padding; the length must be a multiple of 5. */
function base32(bytes: Uint8Array): string {
  let text = ''
  let bits = 0
  let held = 0
  for (const byte of bytes) {
    held = ((held << 8) | byte) & 0xfff
    bits += 8
    while (bits >= 5) {
      bits -= 5
      text += alphabet.charAt((held >> bits) & 31)
    }
  }
  return text
}

function fromBase32(text: string): Buffer | undefined {
  const bytes: number[] = []
  let bits = 0
  let held = 0
  for (const char of text) {
    const value = alphabet.indexOf(char)
    if (value < 0) return undefined
    held = ((held << 5) | value) & 0xfff
    bits += 5
    if (bits < 8) continue
    bits -= 8
    bytes.push((held >> bits) & 0xff)
  }
  return Buffer.from(bytes)
}
