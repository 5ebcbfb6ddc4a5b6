import type { CryptoBackend } from './primitives.ts'

/** Loads libsodium; undefined when the optional package is missing or has no binary for this machine. */
export async function loadSodium(): Promise<CryptoBackend | undefined> {
  let sodium
  try {
    sodium = (await import('sodium-native')).default
  } catch {
    return undefined
  }
  return {
    name: 'sodium',
    secretboxInto: (out, plain, nonce, key) => sodium.crypto_secretbox_easy(out, plain, nonce, key),
    secretboxOpenInto: (out, box, nonce, key) => sodium.crypto_secretbox_open_easy(out, box, nonce, key),
    x25519: (privateKey, publicKey) => {
      const secret = Buffer.allocUnsafe(32)
      if (privateKey.length !== 32 || publicKey.length !== 32) throw new RangeError('X25519 keys are 32 bytes')
      try {
        sodium.crypto_scalarmult(secret, privateKey, publicKey)
      } catch {
        // With lengths checked, the only failure left is the all-zero result of a low-order point.
        return undefined
      }
      return secret
    },
    x25519PublicKey: (privateKey) => {
      const publicKey = Buffer.allocUnsafe(32)
      sodium.crypto_scalarmult_base(publicKey, privateKey)
      return publicKey
    },
    ed25519Verify: (publicKey, message, signature) => sodium.crypto_sign_verify_detached(signature, message, publicKey),
    sha512Into: (out, input) => sodium.crypto_hash_sha512(out, input),
  }
}
