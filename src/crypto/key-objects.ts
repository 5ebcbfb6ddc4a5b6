import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'

export type KeyAlg = 'ed25519' | 'ed448' | 'x25519' | 'x448'

// From JWK, not from DER: Node imports a raw public point several times faster that way.
const curveNames = { ed25519: 'Ed25519', ed448: 'Ed448', x25519: 'X25519', x448: 'X448' } as const

/** Node's handle on a raw public key (32, 57, 32 or 56 bytes). */
export function publicKeyObject(alg: KeyAlg, raw: Uint8Array): KeyObject {
  const key = { kty: 'OKP', crv: curveNames[alg], x: base64url(raw) }
  return createPublicKey({ key, format: 'jwk' })
}

// PrivateKeyInfo without the public half (RFC 8410 §7): everything before the raw key is constant for each algorithm.
const pkcs8Prefixes = {
  ed25519: Buffer.from('302e020100300506032b657004220420', 'hex'),
  ed448: Buffer.from('3047020100300506032b6571043b0439', 'hex'),
  x25519: Buffer.from('302e020100300506032b656e04220420', 'hex'),
  x448: Buffer.from('3046020100300506032b656f043a0438', 'hex'),
} as const

/** Node's handle on a raw private key (32, 57, 32 or 56 bytes). Node derives the public half, which JWK would demand. */
export function privateKeyObject(alg: KeyAlg, raw: Uint8Array): KeyObject {
  const key = Buffer.concat([pkcs8Prefixes[alg], raw])
  return createPrivateKey({ key, format: 'der', type: 'pkcs8' })
}

/** The raw public key of a public or private handle, undefined for other kinds of keys (RSA, NIST curves). */
export function rawPublicKey(key: KeyObject): { alg: KeyAlg; raw: Buffer } | undefined {
  const alg = key.asymmetricKeyType
  if (alg !== 'ed25519' && alg !== 'ed448' && alg !== 'x25519' && alg !== 'x448') return undefined
  const { x } = (key.type === 'private' ? createPublicKey(key) : key).export({ format: 'jwk' })
  return x === undefined ? undefined : { alg, raw: Buffer.from(x, 'base64url') }
}

function base64url(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64url')
}
