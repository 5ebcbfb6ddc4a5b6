import { createPrivateKey, generateKeyPairSync, sign as signBytes, timingSafeEqual, type KeyObject } from 'node:crypto'
import { backend, type CryptoBackend } from './backend.ts'
import { privateKeyObject, rawPublicKey, type KeyAlg } from './key-objects.ts'
import { pooledRandom } from './random.ts'

const random = pooledRandom()

export type { KeyAlg }
export type SigningAlg = 'ed25519' | 'ed448'

/** A raw public key: 32 bytes (Ed25519, X25519), 57 (Ed448) or 56 (X448). */
export interface PublicKey<A extends KeyAlg = KeyAlg> {
  readonly alg: A
  readonly raw: Buffer
}

/** What may authorise commands of a queue: a signature key, or an X25519 key for authenticators. */
export type AuthKey = PublicKey<'ed25519'> | PublicKey<'ed448'> | PublicKey<'x25519'>
export type SignatureKey = PublicKey<'ed25519'> | PublicKey<'ed448'>
export type DhKey = PublicKey<'x25519'>

export interface DhKeyPair {
  readonly publicKey: DhKey
  /** 32 raw bytes; never refill this buffer with another key. */
  readonly privateKey: Buffer
}

/** A private Ed25519 or Ed448 key that can sign. */
export interface SigningKey {
  readonly alg: SigningAlg
  readonly publicKey: SignatureKey
  readonly keyObject: KeyObject
}

const rawLengths = { ed25519: 32, ed448: 57, x25519: 32, x448: 56 } as const

/** Bytes of a signature of each algorithm. */
export const signatureLengths = { ed25519: 64, ed448: 114 } as const

// SubjectPublicKeyInfo (RFC 8410 §4): everything before the raw key is constant for each algorithm.
const spkiPrefixes = {
  ed25519: Buffer.from('302a300506032b6570032100', 'hex'),
  ed448: Buffer.from('3043300506032b6571033a00', 'hex'),
  x25519: Buffer.from('302a300506032b656e032100', 'hex'),
  x448: Buffer.from('3042300506032b656f033900', 'hex'),
} as const
const prefixLength = 12

/** Takes a copy of `raw`; throws RangeError when its length is not that of the algorithm. */
export function publicKey<A extends KeyAlg>(alg: A, raw: Uint8Array): PublicKey<A> {
  if (raw.length !== rawLengths[alg]) throw new RangeError(`a raw ${alg} key is ${rawLengths[alg]} bytes`)
  return { alg, raw: Buffer.from(raw) }
}

/**
 * Reads exactly one DER SubjectPublicKeyInfo: 44 bytes (Ed25519, X25519), 69 (Ed448) or 68 (X448); undefined for
 * anything else, trailing bytes included. The key is a copy. (SMP wire format, public keys; RFC 8410)
 */
export function decodeSpki(der: Buffer): PublicKey | undefined {
  switch (der.length) {
    case 44:
      return keyAfterPrefix('ed25519', der) ?? keyAfterPrefix('x25519', der)
    case 69:
      return keyAfterPrefix('ed448', der)
    case 68:
      return keyAfterPrefix('x448', der)
    default:
      return undefined
  }
}

function keyAfterPrefix<A extends KeyAlg>(alg: A, der: Buffer): PublicKey<A> | undefined {
  if (spkiPrefixes[alg].compare(der, 0, prefixLength) !== 0) return undefined
  return { alg, raw: Buffer.from(der.subarray(prefixLength)) }
}

/** DER SubjectPublicKeyInfo of 44, 69 or 68 bytes. */
export function encodeSpki(key: PublicKey): Buffer {
  return Buffer.concat([spkiPrefixes[key.alg], key.raw])
}

/** Whether the two keys are of the same algorithm and equal, in constant time for keys of one algorithm. */
export function samePublicKey(a: PublicKey, b: PublicKey): boolean {
  return a.alg === b.alg && timingSafeEqual(a.raw, b.raw)
}

export function isAuthKey(key: PublicKey): key is AuthKey {
  return key.alg !== 'x448'
}

export function isDhKey(key: PublicKey): key is DhKey {
  return key.alg === 'x25519'
}

/** A fresh X25519 pair. */
export function generateDhKeyPair(using: CryptoBackend = backend): DhKeyPair {
  return dhKeyPair(random(32), using)
}

/** The pair of a known private key (32 bytes, not copied). */
export function dhKeyPair(privateKey: Buffer, using: CryptoBackend = backend): DhKeyPair {
  return { publicKey: { alg: 'x25519', raw: using.x25519PublicKey(privateKey) }, privateKey }
}

export function generateSigningKey(alg: SigningAlg): SigningKey {
  const { privateKey } = alg === 'ed25519' ? generateKeyPairSync('ed25519') : generateKeyPairSync('ed448')
  return requireSigningKey(privateKey)
}

/** The signing key with this raw private key (32 bytes Ed25519, 57 bytes Ed448). */
export function signingKeyFromRaw(alg: SigningAlg, raw: Uint8Array): SigningKey {
  return requireSigningKey(privateKeyObject(alg, raw))
}

/** Reads an unencrypted PKCS#8 PEM; undefined when it is not one or holds another kind of key. */
export function signingKeyFromPem(pem: string | Buffer): SigningKey | undefined {
  try {
    return signingKey(createPrivateKey({ key: pem, format: 'pem' }))
  } catch {
    return undefined
  }
}

/** PKCS#8 PEM, as `openssl genpkey` writes it: 119 bytes for Ed25519, 156 for Ed448. */
export function signingKeyToPem(key: SigningKey): string {
  return key.keyObject.export({ format: 'pem', type: 'pkcs8' }).toString()
}

/** Signature of 64 (Ed25519) or 114 bytes (Ed448, empty context). */
export function sign(key: SigningKey, message: Uint8Array): Buffer {
  return signBytes(null, message, key.keyObject)
}

function signingKey(keyObject: KeyObject): SigningKey | undefined {
  const key = rawPublicKey(keyObject)
  if (key === undefined) return undefined
  const { alg, raw } = key
  if (alg !== 'ed25519' && alg !== 'ed448') return undefined
  return { alg, publicKey: { alg, raw } as SignatureKey, keyObject }
}

function requireSigningKey(keyObject: KeyObject): SigningKey {
  const key = signingKey(keyObject)
  if (key === undefined) throw new TypeError('not an Ed25519 or Ed448 private key')
  return key
}
