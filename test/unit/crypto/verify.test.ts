import { describe, expect, it } from 'vitest'
import { decodeSpki, type SignatureKey } from '../../../src/crypto/keys.ts'
import { verifySignature } from '../../../src/crypto/verify.ts'
import vectors from '../../vectors/vectors.json' with { type: 'json' }
import { backends, hex } from './back-ends.ts'

const vector = vectors.authorization
const signed = hex(vector.authorizedBytes)

function signatureKey(spki: string): SignatureKey {
  const key = decodeSpki(hex(spki))
  if (key?.alg !== 'ed25519' && key?.alg !== 'ed448') throw new Error('not a signature key')
  return key as SignatureKey
}

describe.each(backends)('signatures on the $name back end', (using) => {
  it.each([
    ['Ed25519', vector.ed25519],
    ['Ed448', vector.ed448],
  ])('verify with %s and refuse every changed bit', (_name, { spki, signature }) => {
    const key = signatureKey(spki)
    const sent = hex(signature)
    expect(verifySignature(key, signed, sent, using)).toBe(true)
    expect(verifySignature(key, signed.subarray(1), sent, using)).toBe(false)
    for (let bit = 0; bit < sent.length * 8; bit += 5) {
      const flipped = Buffer.from(sent)
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      expect(verifySignature(key, signed, flipped, using)).toBe(false)
    }
  })

  it('are refused at the wrong length without throwing', () => {
    const ed25519 = signatureKey(vector.ed25519.spki)
    const ed448 = signatureKey(vector.ed448.spki)
    for (const length of [0, 63, 65, 113, 114]) {
      expect(verifySignature(ed25519, signed, Buffer.alloc(length), using)).toBe(false)
    }
    for (const length of [0, 64, 113, 115]) {
      expect(verifySignature(ed448, signed, Buffer.alloc(length), using)).toBe(false)
    }
  })

  it('are refused by the dummy keys that stand in for missing queues', () => {
    const { dummyKeyEd25519_spki, dummyKeyEd448_spki } = vectors.upstreamKeys
    expect(verifySignature(signatureKey(dummyKeyEd25519_spki), signed, hex(vector.ed25519.signature), using)).toBe(
      false,
    )
    expect(verifySignature(signatureKey(dummyKeyEd448_spki), signed, hex(vector.ed448.signature), using)).toBe(false)
  })

  it('verify both signatures of a service session', () => {
    const { certHash, queueSignature, serviceSpki, serviceSignature } = vector.serviceSigned
    const queueKey = signatureKey(vector.ed25519.spki)
    expect(verifySignature(queueKey, Buffer.concat([hex(certHash), signed]), hex(queueSignature), using)).toBe(true)
    expect(verifySignature(signatureKey(serviceSpki), signed, hex(serviceSignature), using)).toBe(true)
  })

  it('are refused by a key that is not a point of the curve', () => {
    const key: SignatureKey = { alg: 'ed25519', raw: Buffer.alloc(32, 0xff) }
    expect(verifySignature(key, signed, hex(vector.ed25519.signature), using)).toBe(false)
    expect(verifySignature({ alg: 'ed448', raw: Buffer.alloc(57, 0xff) }, signed, hex(vector.ed448.signature))).toBe(
      false,
    )
  })
})
