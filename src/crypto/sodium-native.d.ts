// sodium-native ships no types; these are the functions that the sodium back end calls.
declare module 'sodium-native' {
  interface Sodium {
    crypto_secretbox_easy(box: Uint8Array, plain: Uint8Array, nonce: Uint8Array, key: Uint8Array): void
    crypto_secretbox_open_easy(plain: Uint8Array, box: Uint8Array, nonce: Uint8Array, key: Uint8Array): boolean
    crypto_scalarmult(secret: Uint8Array, privateKey: Uint8Array, publicKey: Uint8Array): void
    crypto_scalarmult_base(publicKey: Uint8Array, privateKey: Uint8Array): void
    crypto_sign_verify_detached(signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array): boolean
    crypto_hash_sha512(hash: Uint8Array, input: Uint8Array): void
  }
  const sodium: Sodium
  export default sodium
}
