import { xsalsa20poly1305 } from '@noble/ciphers/salsa.js'
import { createPublicKey, diffieHellman, hash, verify, type KeyObject } from 'node:crypto'
import { privateKeyObject, publicKeyObject, rawPublicKey } from './key-objects.ts'
import type { CryptoBackend } from './primitives.ts'

/** The back end for machines without libsodium: @noble/ciphers for boxes, Node's OpenSSL for the rest. */
export const portableBackend: CryptoBackend = {
  name: 'portable',
  secretboxInto: (out, plain, nonce, key) => {
    if (out.length !== plain.length + 16) throw new RangeError('a box is 16 bytes longer than its plaintext')
    out.set(xsalsa20poly1305(key, nonce).encrypt(plain))
  },
  secretboxOpenInto: (out, box, nonce, key) => {
    if (out.length !== box.length - 16) throw new RangeError('a plaintext is 16 bytes shorter than its box')
    checkBoxKey(key, nonce)
    let plain
    try {
      plain = xsalsa20poly1305(key, nonce).decrypt(box)
    } catch {
      // With lengths checked, the only failure left is the tag.
      return false
    }
    out.set(plain)
    return true
  },
  x25519: (privateKey, publicKey) => {
    if (privateKey.length !== 32 || publicKey.length !== 32) throw new RangeError('X25519 keys are 32 bytes')
    const keys = { privateKey: x25519PrivateKey(privateKey), publicKey: publicKeyObject('x25519', publicKey) }
    try {
      return diffieHellman(keys)
    } catch {
      // OpenSSL refuses the all-zero result of a low-order point.
      return undefined
    }
  },
  x25519PublicKey: (privateKey) => {
    const key = rawPublicKey(createPublicKey(privateKeyObject('x25519', privateKey)))
    if (key === undefined) throw new TypeError('an X25519 private key has a public key')
    return key.raw
  },
  ed25519Verify: (publicKey, message, signature) =>
    verify(null, message, publicKeyObject('ed25519', publicKey), signature),
  sha512Into: (out, input) => out.set(hash('sha512', input, 'buffer')),
}

// A session key serves every authenticator of its connection. The map is keyed by the Buffer itself, so the imported
// key goes when its owner does; the buffer of a private key must therefore never be refilled with another key.
const privateKeys = new WeakMap<Uint8Array, KeyObject>()

function x25519PrivateKey(raw: Uint8Array): KeyObject {
  const known = privateKeys.get(raw)
  if (known !== undefined) return known
  const key = privateKeyObject('x25519', raw)
  privateKeys.set(raw, key)
  return key
}

function checkBoxKey(key: Uint8Array, nonce: Uint8Array): void {
  if (key.length !== 32 || nonce.length !== 24) throw new RangeError('a box takes a 32 byte key and a 24 byte nonce')
}
