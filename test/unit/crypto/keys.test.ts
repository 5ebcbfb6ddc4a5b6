import { describe, expect, it } from 'vitest'
import { backend } from '../../../src/crypto/backend.ts'
import {
  decodeSpki,
  dhKeyPair,
  encodeSpki,
  generateDhKeyPair,
  generateSigningKey,
  isAuthKey,
  isDhKey,
  publicKey,
  samePublicKey,
  sign,
  signingKeyFromPem,
  signingKeyFromRaw,
  signingKeyToPem,
  type KeyAlg,
} from '../../../src/crypto/keys.ts'
import { dh } from '../../../src/crypto/box.ts'
import vectors from '../../vectors/vectors.json' with { type: 'json' }
import { backends, hex } from './back-ends.ts'

const { prefixes, totalLengths } = vectors.spki
const algs: KeyAlg[] = ['ed25519', 'ed448', 'x25519', 'x448']

describe('keys', () => {
  it.each(algs)('SubjectPublicKeyInfo reads and writes %s keys', (alg) => {
    const rawLength = totalLengths[alg] - 12
    const der = Buffer.concat([hex(prefixes[alg]), Buffer.alloc(rawLength, 0xa5)])
    const key = decodeSpki(der)
    expect(key).toEqual({ alg, raw: Buffer.alloc(rawLength, 0xa5) })
    expect(encodeSpki(publicKey(alg, Buffer.alloc(rawLength, 0xa5)))).toEqual(der)
  })

  it.each(algs)('SubjectPublicKeyInfo refuses %s keys that are cut, extended or have another prefix', (alg) => {
    const der = Buffer.concat([hex(prefixes[alg]), Buffer.alloc(totalLengths[alg] - 12, 0xa5)])
    for (let length = 0; length < der.length; length++) expect(decodeSpki(der.subarray(0, length))).toBeUndefined()
    expect(decodeSpki(Buffer.concat([der, Buffer.from([0])]))).toBeUndefined()
    for (let bit = 0; bit < 12 * 8; bit++) {
      const flipped = Buffer.from(der)
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      expect(decodeSpki(flipped)?.alg).not.toBe(alg)
    }
  })

  it('SubjectPublicKeyInfo copies the key out of the buffer it was read from', () => {
    const der = hex(vectors.upstreamKeys.samplePubKeyEd25519_spki)
    const key = decodeSpki(der)
    der.fill(0)
    expect(key && encodeSpki(key).toString('hex')).toBe(vectors.upstreamKeys.samplePubKeyEd25519_spki)
  })

  it('SubjectPublicKeyInfo distinguishes auth keys and DH keys from other keys', () => {
    const kinds = algs.map((alg) => publicKey(alg, Buffer.alloc(totalLengths[alg] - 12)))
    expect(kinds.filter(isAuthKey).map((key) => key.alg)).toEqual(['ed25519', 'ed448', 'x25519'])
    expect(kinds.filter(isDhKey).map((key) => key.alg)).toEqual(['x25519'])
  })

  it('SubjectPublicKeyInfo throws for a raw key of the wrong length', () => {
    expect(() => publicKey('ed448', Buffer.alloc(56))).toThrow(RangeError)
  })
})

describe('keys', () => {
  it('samePublicKey compares algorithm and bytes', () => {
    const key = publicKey('ed25519', Buffer.alloc(32, 1))
    expect(samePublicKey(key, publicKey('ed25519', Buffer.alloc(32, 1)))).toBe(true)
    expect(samePublicKey(key, publicKey('ed25519', Buffer.alloc(32, 2)))).toBe(false)
    expect(samePublicKey(key, publicKey('x25519', Buffer.alloc(32, 1)))).toBe(false)
    expect(samePublicKey(key, publicKey('ed448', Buffer.alloc(57, 1)))).toBe(false)
  })
})

describe.each(backends)('DH key pairs on the $name back end', (using) => {
  it('have the public key of their private key', () => {
    const { serverPrivRaw, serverPubSpki, clientPrivRaw, clientPubSpki } = vectors.blockEncryption
    expect(encodeSpki(dhKeyPair(hex(serverPrivRaw), using).publicKey).toString('hex')).toBe(serverPubSpki)
    expect(encodeSpki(dhKeyPair(hex(clientPrivRaw), using).publicKey).toString('hex')).toBe(clientPubSpki)
  })

  it('are fresh and agree on a secret', () => {
    const a = generateDhKeyPair(using)
    const b = generateDhKeyPair(using)
    expect(a.privateKey).not.toEqual(b.privateKey)
    expect(dh(a.privateKey, b.publicKey, using)).toEqual(dh(b.privateKey, a.publicKey, backend))
  })
})

describe('keys', () => {
  it.each(['ed25519', 'ed448'] as const)('signing keys survive PEM (%s)', (alg) => {
    const key = generateSigningKey(alg)
    const pem = signingKeyToPem(key)
    expect(pem.length).toBe(alg === 'ed25519' ? 119 : 156)
    expect(pem).toMatch(/^-----BEGIN PRIVATE KEY-----\n/)
    const again = signingKeyFromPem(pem)
    expect(again?.alg).toBe(alg)
    expect(again?.publicKey).toEqual(key.publicKey)
    expect(again && sign(again, Buffer.from('x'))).toEqual(sign(key, Buffer.from('x')))
  })

  it('signing keys come from a PKCS#8 key of another implementation', () => {
    const { storeLogTestPrivEd25519_pkcs8, storeLogTestPubEd25519_spki_selfDerived } = vectors.upstreamKeys
    const der = hex(storeLogTestPrivEd25519_pkcs8)
    const pem = `-----BEGIN PRIVATE KEY-----\n${der.toString('base64')}\n-----END PRIVATE KEY-----\n`
    const key = signingKeyFromPem(pem)
    expect(key && encodeSpki(key.publicKey).toString('hex')).toBe(storeLogTestPubEd25519_spki_selfDerived)
    expect(signingKeyFromRaw('ed25519', der.subarray(16)).publicKey).toEqual(key?.publicKey)
  })

  it('signing keys are not read from other text, other keys or encrypted keys', () => {
    expect(signingKeyFromPem('')).toBeUndefined()
    expect(signingKeyFromPem('not a key')).toBeUndefined()
    const x25519 = Buffer.concat([hex(vectors.spki.pkcs8Prefixes.x25519), Buffer.alloc(32, 1)]).toString('base64')
    expect(signingKeyFromPem(`-----BEGIN PRIVATE KEY-----\n${x25519}\n-----END PRIVATE KEY-----\n`)).toBeUndefined()
    const encrypted = generateSigningKey('ed25519').keyObject.export({
      type: 'pkcs8',
      format: 'pem',
      cipher: 'aes-256-cbc',
      passphrase: 'secret',
    })
    expect(signingKeyFromPem(encrypted.toString())).toBeUndefined()
  })

  it('signing keys sign as the reference does', () => {
    const { ed25519, ed448, authorizedBytes } = vectors.authorization
    const signed = hex(authorizedBytes)
    const key25519 = signingKeyFromRaw('ed25519', hex(ed25519.priv))
    expect(encodeSpki(key25519.publicKey).toString('hex')).toBe(ed25519.spki)
    expect(sign(key25519, signed).toString('hex')).toBe(ed25519.signature)
    const key448 = signingKeyFromRaw('ed448', hex(ed448.priv))
    expect(encodeSpki(key448.publicKey).toString('hex')).toBe(ed448.spki)
    expect(sign(key448, signed).toString('hex')).toBe(ed448.signature)
  })
})
