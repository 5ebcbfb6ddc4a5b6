import { describe, expect, it } from 'vitest'
import {
  decodeSpki,
  generateSigningKey,
  publicKey,
  signingKeyFromRaw,
  type PublicKey,
} from '../../../src/crypto/keys.ts'
import { decodeSignedKey, encodeSignedKey } from '../../../src/crypto/signed-key.ts'
import vectors from '../../vectors/vectors.json' with { type: 'json' }
import { hex } from './back-ends.ts'

const { signedKey, upstreamFixtures, authorization, blockEncryption } = vectors
const sessionKey = decodeSpki(hex(blockEncryption.serverPubSpki)) as PublicKey<'x25519'>
const signers = [
  {
    name: 'Ed448',
    signer: signingKeyFromRaw('ed448', hex(upstreamFixtures.serverKeyPkcs8Der).subarray(16)),
    der: hex(signedKey.ed448),
  },
  {
    name: 'Ed25519',
    signer: signingKeyFromRaw('ed25519', hex(authorization.ed25519.priv)),
    der: hex(signedKey.ed25519_signedWith_queueEd25519),
  },
]

describe.each(signers)('a session key signed with $name', ({ signer, der }) => {
  it('has the bytes of the reference', () => {
    expect(encodeSignedKey(sessionKey, signer)).toEqual(der)
  })

  it('is read and verified', () => {
    const signed = decodeSignedKey(der)
    expect(signed?.key).toEqual(sessionKey)
    expect(signed?.verify(signer.publicKey)).toBe(true)
  })

  it('is not verified by another key, nor by a key of another algorithm', () => {
    const signed = decodeSignedKey(der)
    expect(signed?.verify(generateSigningKey('ed25519').publicKey)).toBe(false)
    expect(signed?.verify(generateSigningKey('ed448').publicKey)).toBe(false)
    expect(signed?.verify(sessionKey)).toBe(false)
  })

  it('is refused when any bit changes', () => {
    for (let bit = 0; bit < der.length * 8; bit++) {
      const flipped = Buffer.from(der)
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      expect(decodeSignedKey(flipped)?.verify(signer.publicKey) ?? false).toBe(false)
    }
  })

  it('is refused when cut or extended', () => {
    for (let length = 0; length < der.length; length++) {
      expect(decodeSignedKey(der.subarray(0, length))).toBeUndefined()
    }
    expect(decodeSignedKey(Buffer.concat([der, Buffer.alloc(1)]))).toBeUndefined()
  })

  it('does not change with the buffer it was read from', () => {
    const bytes = Buffer.from(der)
    const signed = decodeSignedKey(bytes)
    bytes.fill(0)
    expect(signed?.verify(signer.publicKey)).toBe(true)
  })

  it('can hold the Ed25519 key of a service', () => {
    const service = publicKey('ed25519', Buffer.alloc(32, 7))
    expect(decodeSignedKey(encodeSignedKey(service, signer))?.key).toEqual(service)
  })
})
