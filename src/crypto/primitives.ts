/**
 * The primitives that differ between libsodium and the portable implementation. Both give the same bytes for the same
 * input. Callers check lengths; a wrong length here is a bug and throws.
 */
export interface CryptoBackend {
  readonly name: 'sodium' | 'portable'
  /** XSalsa20-Poly1305: writes tag(16) ‖ ciphertext into `out` (plain.length + 16); `plain` may be `out.subarray(16)`. */
  secretboxInto(out: Uint8Array, plain: Uint8Array, nonce: Uint8Array, key: Uint8Array): void
  /** Writes the plaintext into `out` (box.length - 16; may be `box.subarray(16)`); false when the tag does not match. */
  secretboxOpenInto(out: Uint8Array, box: Uint8Array, nonce: Uint8Array, key: Uint8Array): boolean
  /** Raw X25519 (32 bytes), undefined when the result is all zeros. */
  x25519(privateKey: Uint8Array, publicKey: Uint8Array): Buffer | undefined
  /** X25519 public key (32 bytes) of a private key (32 bytes). */
  x25519PublicKey(privateKey: Uint8Array): Buffer
  /** Ed25519 over raw keys: publicKey 32 bytes, signature 64 bytes. */
  ed25519Verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean
  /** SHA-512 into `out` (64 bytes); the faster one for inputs of a few hundred bytes (key derivation). */
  sha512Into(out: Uint8Array, input: Uint8Array): void
}
