import { hsalsa } from '@noble/ciphers/salsa.js'
import { backend, type CryptoBackend } from './backend.ts'
import type { DhKey } from './keys.ts'
import { padInto, unpad } from './pad.ts'

// SMP wire format, crypto_box, also with symmetric keys:
//   box(secret, nonce, m) = tag(16) ‖ ciphertext = XSalsa20-Poly1305(HSalsa20(secret, 0^16), nonce, m)

declare const boxKeyBrand: unique symbol

/** 32 bytes after the HSalsa20 step: the key of XSalsa20-Poly1305 itself. */
export type BoxKey = Buffer & { readonly [boxKeyBrand]: true }

/** Bytes that a box is longer than its plaintext. */
export const TAG_LENGTH = 16
export const nonceLength = 24

const sigma = words('expand 32-byte k')
const zeroInput = new Uint32Array(4)
const secretWords = new Uint32Array(8)
const secretBytes = new Uint8Array(secretWords.buffer)
const keyWords = new Uint32Array(8)
const keyBytes = new Uint8Array(keyWords.buffer)

function words(ascii: string): Uint32Array {
  return new Uint32Array(Uint8Array.from(Buffer.from(ascii, 'latin1')).buffer)
}

/** The HSalsa20 step over a DH secret or a symmetric key (32 bytes). */
export function boxKey(secret: Uint8Array): BoxKey {
  return boxKeyInto(Buffer.allocUnsafe(32), secret)
}

/** As {@link boxKey}, into `out` (32 bytes), which it returns; `out` may be `secret` itself. */
export function boxKeyInto(out: Buffer, secret: Uint8Array): BoxKey {
  if (secret.length !== 32 || out.length !== 32) throw new RangeError('a box secret and a box key are 32 bytes')
  secretBytes.set(secret)
  hsalsa(sigma, secretWords, zeroInput, keyWords)
  out.set(keyBytes)
  secretWords.fill(0)
  keyWords.fill(0)
  return out as BoxKey
}

/** tag ‖ ciphertext of `plain`: plain.length + 16 bytes. */
export function seal(key: BoxKey, nonce: Uint8Array, plain: Uint8Array, using: CryptoBackend = backend): Buffer {
  const out = Buffer.allocUnsafe(plain.length + TAG_LENGTH)
  using.secretboxInto(out, plain, nonce, key)
  return out
}

/** As {@link seal}, into `out` (plain.length + 16 bytes); `plain` may be `out.subarray(16)`: in place. */
export function sealInto(
  out: Buffer,
  key: BoxKey,
  nonce: Uint8Array,
  plain: Uint8Array,
  using: CryptoBackend = backend,
): void {
  using.secretboxInto(out, plain, nonce, key)
}

/** The plaintext in a buffer of its own; undefined when the box is too short or its tag does not match. */
export function open(
  key: BoxKey,
  nonce: Uint8Array,
  box: Uint8Array,
  using: CryptoBackend = backend,
): Buffer | undefined {
  if (box.length < TAG_LENGTH) return undefined
  const out = Buffer.allocUnsafe(box.length - TAG_LENGTH)
  return using.secretboxOpenInto(out, box, nonce, key) ? out : undefined
}

/** As {@link open}, over the ciphertext: the plaintext is `box.subarray(16)`. A refused box keeps its bytes. */
export function openInPlace(
  key: BoxKey,
  nonce: Uint8Array,
  box: Buffer,
  using: CryptoBackend = backend,
): Buffer | undefined {
  if (box.length < TAG_LENGTH) return undefined
  const out = box.subarray(TAG_LENGTH)
  return using.secretboxOpenInto(out, box, nonce, key) ? out : undefined
}

/** Box of `plain` padded to `paddedLength`: paddedLength + 16 bytes. Throws RangeError when `plain` does not fit. */
export function sealPadded(
  key: BoxKey,
  nonce: Uint8Array,
  plain: Uint8Array,
  paddedLength: number,
  using: CryptoBackend = backend,
): Buffer {
  const out = Buffer.allocUnsafe(paddedLength + TAG_LENGTH)
  sealPaddedInto(out, key, nonce, plain, using)
  return out
}

/** As {@link sealPadded}, filling the whole of `out` (at least plain.length + 18 bytes). */
export function sealPaddedInto(
  out: Buffer,
  key: BoxKey,
  nonce: Uint8Array,
  plain: Uint8Array,
  using: CryptoBackend = backend,
): void {
  const padded = out.subarray(TAG_LENGTH)
  padInto(padded, plain)
  using.secretboxInto(out, padded, nonce, key)
}

/** Opens and unpads; undefined when the tag or the announced length is wrong. */
export function openPadded(
  key: BoxKey,
  nonce: Uint8Array,
  box: Uint8Array,
  using: CryptoBackend = backend,
): Buffer | undefined {
  const padded = open(key, nonce, box, using)
  return padded === undefined ? undefined : unpad(padded)
}

/** As {@link openPadded}, over the ciphertext: the result is a view of `box`. */
export function openPaddedInPlace(
  key: BoxKey,
  nonce: Uint8Array,
  box: Buffer,
  using: CryptoBackend = backend,
): Buffer | undefined {
  const padded = openInPlace(key, nonce, box, using)
  return padded === undefined ? undefined : unpad(padded)
}

/** X25519: the raw 32 byte secret, undefined when it is all zeros (a low-order public key). */
export function dh(privateKey: Uint8Array, publicKey: DhKey, using: CryptoBackend = backend): Buffer | undefined {
  return using.x25519(privateKey, publicKey.raw)
}

/** The nonce of an answer to a box with this nonce: its 24 bytes in reverse order. */
export function reverseNonce(nonce: Uint8Array): Buffer {
  return Buffer.from(nonce).reverse()
}

/** A 24 byte nonce of any bytes: cut to the first 24, or filled up with zeros. */
export function cbNonce(bytes: Uint8Array): Buffer {
  const nonce = Buffer.alloc(nonceLength)
  nonce.set(bytes.length > nonceLength ? bytes.subarray(0, nonceLength) : bytes)
  return nonce
}
