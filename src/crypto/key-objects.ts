import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'

export type KeyAlg = 'ed25519' | 'ed448' | 'x25519' | 'x448'

// From JWK, not from DER: Node imports a raw curve point about ten times faster that way.
const curveNames = { ed25519: 'Ed25519', ed448: 'Ed448', x25519: 'X25519', x448: 'X448' } as const

/** Node's handle on a raw public key (32, 57, 32 or 56 bytes). */
export function publicKeyObject(alg: KeyAlg, raw: Uint8Array): KeyObject {
  const key = { kty: 'OKP', crv: curveNames[alg], x: base64url(raw) }
  return createPublicKey({ key, format: 'jwk' })
}

/** Node's handle on a raw private key. Node derives the public half itself and ignores the `x` that JWK demands. */
export function privateKeyObject(alg: KeyAlg, raw: Uint8Array): KeyObject {
  const key = { kty: 'OKP', crv: curveNames[alg], x: '', d: base64url(raw) }
  return createPrivateKey({ key, format: 'jwk' })
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
