import { verify } from 'node:crypto'
import { backend, type CryptoBackend } from './backend.ts'
import { publicKeyObject } from './key-objects.ts'
import { signatureLengths, type SignatureKey } from './keys.ts'

/**
 * Verifies an Ed25519 (64 bytes) or Ed448 (114 bytes, empty context) signature; false for any other length.
 *
 * Ed448 keys are imported each time on purpose: a cache would save 5 of 200 µs, and would let a peer tell a key that
 * was used lately, so a queue that exists, from the dummy key that stands in for a missing one.
 */
export function verifySignature(
  key: SignatureKey,
  message: Uint8Array,
  signature: Uint8Array,
  using: CryptoBackend = backend,
): boolean {
  if (signature.length !== signatureLengths[key.alg]) return false
  if (key.alg === 'ed25519') return using.ed25519Verify(key.raw, message, signature)
  return verify(null, message, publicKeyObject('ed448', key.raw), signature)
}
