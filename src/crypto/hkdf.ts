import type { CryptoBackend } from './primitives.ts'

// HKDF with SHA-512 (RFC 5869) over HMAC (RFC 2104) by plain hash calls: Node's hkdfSync spends most of its 10 µs on
// setting up, and a block needs one derivation in each direction.

const BLOCK_LENGTH = 128
const hashLength = 64
const innerByte = 0x36
const outerByte = 0x5c

// Scratch of the single thread: overwritten by every call and wiped at the end of `hkdfSha512`.
const inner = Buffer.alloc(BLOCK_LENGTH + 512)
const outer = Buffer.alloc(BLOCK_LENGTH + hashLength)
const innerHash = outer.subarray(BLOCK_LENGTH)
const pseudoRandomKey = Buffer.alloc(hashLength)
const previous = Buffer.alloc(hashLength)

/**
 * `length` bytes of key material (at most 16320) from `secret`. `salt` is at most 128 bytes (one hash block), `secret`
 * at most 512, `info` at most 447; throws RangeError beyond, which no use in SMP comes near.
 */
export function hkdfSha512(
  salt: Uint8Array,
  secret: Uint8Array,
  info: Uint8Array,
  length: number,
  using: CryptoBackend,
): Buffer {
  if (salt.length > BLOCK_LENGTH || secret.length > 512 || info.length > 447 || length > 255 * hashLength) {
    throw new RangeError('key derivation input too long')
  }
  setHmacKey(salt)
  inner.set(secret, BLOCK_LENGTH)
  hmacInto(pseudoRandomKey, secret.length, using)

  setHmacKey(pseudoRandomKey)
  const out = Buffer.allocUnsafe(length)
  for (let offset = 0, counter = 1; offset < length; offset += hashLength, counter++) {
    let end = BLOCK_LENGTH
    if (counter > 1) end += previous.copy(inner, end)
    inner.set(info, end)
    end += info.length
    inner[end++] = counter
    hmacInto(previous, end - BLOCK_LENGTH, using)
    previous.copy(out, offset)
  }
  inner.fill(0)
  outer.fill(0)
  pseudoRandomKey.fill(0)
  previous.fill(0)
  return out
}

function setHmacKey(key: Uint8Array): void {
  inner.fill(innerByte, 0, BLOCK_LENGTH)
  outer.fill(outerByte, 0, BLOCK_LENGTH)
  for (let i = 0; i < key.length; i++) {
    const byte = key[i] ?? 0
    inner[i] = byte ^ innerByte
    outer[i] = byte ^ outerByte
  }
}

/** HMAC of `messageLength` bytes that stand after the first block of `inner`. */
function hmacInto(out: Buffer, messageLength: number, using: CryptoBackend): void {
  using.sha512Into(innerHash, inner.subarray(0, BLOCK_LENGTH + messageLength))
  using.sha512Into(out, outer)
}
