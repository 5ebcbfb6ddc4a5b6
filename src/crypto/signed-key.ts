import {
  decodeSpki,
  encodeSpki,
  sign,
  signatureLengths,
  type PublicKey,
  type SignatureKey,
  type SigningAlg,
  type SigningKey,
} from './keys.ts'
import { verifySignature } from './verify.ts'

// SMP wire format, signed key:
//   SEQUENCE { SEQUENCE { SubjectPublicKeyInfo }, SEQUENCE { OID of the signer's algorithm }, BIT STRING signature }
// The key stands in one more SEQUENCE than in a certificate; the signature is over that outer SEQUENCE.

const spkiLength = 44
const wrappedPrefix = Buffer.from([0x30, spkiLength])
const wrappedLength = wrappedPrefix.length + spkiLength

// Everything around the wrapped key is constant for each signer: a prefix before it, the OID and bit string after it.
const shapes: Record<SigningAlg, { before: Buffer; after: Buffer }> = {
  ed25519: { before: Buffer.from('3078', 'hex'), after: Buffer.from('300506032b6570034100', 'hex') },
  ed448: { before: Buffer.from('3081aa', 'hex'), after: Buffer.from('300506032b6571037300', 'hex') },
}

export interface SignedKey {
  /** The key inside, X25519 or Ed25519. */
  readonly key: PublicKey<'x25519'> | PublicKey<'ed25519'>
  /** Whether the signature is by this key, in general that of the leaf certificate. */
  verify(signer: PublicKey): boolean
}

/** DER of 122 bytes (Ed25519 signer) or 173 bytes (Ed448 signer). */
export function encodeSignedKey(key: PublicKey<'x25519'> | PublicKey<'ed25519'>, signer: SigningKey): Buffer {
  const { before, after } = shapes[signer.alg]
  const wrapped = Buffer.concat([wrappedPrefix, encodeSpki(key)])
  return Buffer.concat([before, wrapped, after, sign(signer, wrapped)])
}

/** Reads exactly one signed key; undefined for anything else. The signature is not checked until `verify`. */
export function decodeSignedKey(der: Buffer): SignedKey | undefined {
  return decodeWithShape('ed25519', der) ?? decodeWithShape('ed448', der)
}

function decodeWithShape(alg: SigningAlg, der: Buffer): SignedKey | undefined {
  const { before, after } = shapes[alg]
  const afterAt = before.length + wrappedLength
  const signatureAt = afterAt + after.length
  if (der.length !== signatureAt + signatureLengths[alg]) return undefined
  const wrapped = Buffer.from(der.subarray(before.length, afterAt))
  const constantsMatch =
    der.subarray(0, before.length).equals(before) &&
    der.subarray(afterAt, signatureAt).equals(after) &&
    wrapped.subarray(0, wrappedPrefix.length).equals(wrappedPrefix)
  if (!constantsMatch) return undefined
  const key = decodeSpki(wrapped.subarray(wrappedPrefix.length))
  if (key === undefined || !isSessionKey(key)) return undefined
  const signature = Buffer.from(der.subarray(signatureAt))
  return {
    key,
    verify: (signer) => isSignerOf(alg, signer) && verifySignature(signer, wrapped, signature),
  }
}

function isSessionKey(key: PublicKey): key is PublicKey<'x25519'> | PublicKey<'ed25519'> {
  return key.alg === 'x25519' || key.alg === 'ed25519'
}

function isSignerOf(alg: SigningAlg, signer: PublicKey): signer is SignatureKey {
  return signer.alg === alg
}
