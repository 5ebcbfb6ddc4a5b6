import { hsalsa, secretbox } from '@noble/ciphers/salsa.js'

/** 32 bytes after the HSalsa20 step, with which XSalsa20-Poly1305 is keyed. */
export type BoxKey = Buffer

const sigma = new Uint32Array(new Uint8Array(Buffer.from('expand 32-byte k')).buffer)
const zeros = new Uint32Array(4)

/** HSalsa20(secret, 0^16): SMP does this for DH secrets and for symmetric keys alike. */
export const boxKey = (secret32: Uint8Array): BoxKey => {
  const out = new Uint32Array(8)
  hsalsa(sigma, new Uint32Array(new Uint8Array(secret32).buffer), zeros, out)
  return Buffer.from(out.buffer)
}

interface Secretbox {
  seal(key: BoxKey, nonce: Uint8Array, plain: Uint8Array): Buffer
  open(key: BoxKey, nonce: Uint8Array, box: Uint8Array): Buffer
}

const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)

let implementation: Secretbox = {
  seal: (key, nonce, plain) => asBuffer(secretbox(key, nonce).seal(plain)),
  open: (key, nonce, box) => asBuffer(secretbox(key, nonce).open(box)),
}

/** For load generators: a faster XSalsa20-Poly1305 (tag first) than the portable one. */
export const useSecretbox = (faster: Secretbox): void => {
  implementation = faster
}

/** tag(16) ‖ ciphertext */
export const seal = (key: BoxKey, nonce: Uint8Array, plain: Uint8Array): Buffer =>
  implementation.seal(key, nonce, plain)

/** The plaintext; throws when the tag does not fit. */
export const open = (key: BoxKey, nonce: Uint8Array, box: Uint8Array): Buffer => implementation.open(key, nonce, box)

/** 24 bytes: cut, or filled with zeros. */
export const nonceOf = (bytes: Uint8Array): Buffer => {
  const nonce = Buffer.alloc(24)
  nonce.set(bytes.subarray(0, 24))
  return nonce
}

export const reversed = (nonce: Uint8Array): Buffer => Buffer.from(nonce).reverse()
