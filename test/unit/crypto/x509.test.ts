import forge from 'node-forge'
import { generateKeyPairSync, sign as signBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { generateSigningKey, type SigningKey } from '../../../src/crypto/keys.ts'
import { certificateToPem } from '../../../src/crypto/pem.ts'
import { randomSerial } from '../../../src/crypto/serial.ts'
import { certificateKey, identityCertificate, verifyChain } from '../../../src/crypto/x509.ts'
import { createCaCertificate, createServerCertificate } from '../../../src/crypto/x509-create.ts'
import vectors from '../../vectors/vectors.json' with { type: 'json' }
import { hex } from './back-ends.ts'
import { testCertificate } from './test-certificate.ts'

const now = new Date('2026-01-01T00:00:00Z')
const notBefore = new Date('2025-01-01T00:00:00Z')

const caKey = generateSigningKey('ed25519')
const ca = createCaCertificate({ key: caKey, serial: randomSerial(), notBefore })
const leafKey = generateSigningKey('ed25519')

function leafOf(issuer: Buffer, issuerKey: SigningKey, from = notBefore): Buffer {
  return createServerCertificate({
    key: leafKey.publicKey,
    commonName: 'relay.example',
    ca: { certificate: issuer, key: issuerKey },
    serial: randomSerial(),
    notBefore: from,
  })
}

describe('x509', () => {
  it('verifyChain accepts the normal deployment: server certificate and CA', () => {
    expect(verifyChain([leafOf(ca, caKey), ca], now)).toBeUndefined()
    const { serverCrtDer, caCrtDer } = vectors.upstreamFixtures
    expect(verifyChain([hex(serverCrtDer), hex(caCrtDer)], now)).toBeUndefined()
  })

  it('verifyChain accepts one self-signed certificate', () => {
    expect(verifyChain([ca], now)).toBeUndefined()
    expect(verifyChain([testCertificate({ subject: 'own' }).der], now)).toBeUndefined()
  })

  it('verifyChain accepts chains of three and four', () => {
    const root = testCertificate({ subject: 'root', ca: true })
    const network = testCertificate({ subject: 'network', issuer: root, ca: true })
    const identity = testCertificate({ subject: 'identity', issuer: network, ca: true })
    const leaf = testCertificate({ subject: 'leaf', issuer: identity, ca: false })
    expect(verifyChain([identity.der, network.der, root.der], now)).toBeUndefined()
    expect(verifyChain([leaf.der, identity.der, network.der, root.der], now)).toBeUndefined()
    expect(verifyChain([leaf.der, identity.der, network.der], now)).toBeUndefined()
  })

  it('verifyChain accepts an anchor without extensions, as services make them', () => {
    const anchor = testCertificate({ subject: 'anchor' })
    const leaf = testCertificate({ subject: 'leaf', issuer: anchor })
    expect(verifyChain([leaf.der, anchor.der], now)).toBeUndefined()
  })

  it('verifyChain refuses no certificates and more than four', () => {
    expect(verifyChain([], now)).toBe('empty')
    expect(verifyChain([ca, ca, ca, ca, ca], now)).toBe('too-long')
  })

  it('verifyChain refuses bytes that are not exactly one certificate', () => {
    const leaf = leafOf(ca, caKey)
    expect(verifyChain([Buffer.alloc(0)], now)).toBe('malformed')
    expect(verifyChain([leaf, Buffer.concat([ca, Buffer.alloc(1)])], now)).toBe('malformed')
    expect(verifyChain([leaf.subarray(0, -1), ca], now)).toBe('malformed')
    expect(verifyChain([Buffer.from(`-----BEGIN CERTIFICATE-----\n${ca.toString('base64')}\n`)], now)).toBe('malformed')
  })

  it('verifyChain refuses certificates outside their time, at both ends to the second', () => {
    const day = 86_400_000
    const short = testCertificate({ subject: 'short', notBefore, notAfter: new Date(notBefore.getTime() + day) })
    const at = (time: number): unknown => verifyChain([short.der], new Date(notBefore.getTime() + time))
    expect([at(-1000), at(0), at(day), at(day + 1000)]).toEqual(['not-yet-valid', undefined, undefined, 'expired'])
  })

  it('verifyChain refuses an expired CA above a valid leaf', () => {
    const old = testCertificate({ subject: 'old', ca: true, notAfter: new Date('2025-12-31T00:00:00Z') })
    const leaf = testCertificate({ subject: 'leaf', issuer: old })
    expect(verifyChain([leaf.der, old.der], now)).toBe('expired')
  })

  it('verifyChain refuses a leaf that another key of the same name signed', () => {
    const impostor = generateSigningKey('ed25519')
    const otherCa = createCaCertificate({ key: impostor, serial: randomSerial(), notBefore })
    expect(verifyChain([leafOf(otherCa, impostor), ca], now)).toBe('bad-signature')
  })

  it('verifyChain refuses a self-signed certificate that is not signed by itself', () => {
    const key = generateSigningKey('ed25519')
    const forged = testCertificate({ subject: 'same', issuer: testCertificate({ subject: 'same' }), key })
    expect(verifyChain([forged.der], now)).toBe('bad-signature')
    expect(verifyChain([leafOf(ca, caKey)], now)).toBe('wrong-issuer')
  })

  it('verifyChain refuses certificates in another order or of another issuer', () => {
    const stranger = testCertificate({ subject: 'stranger', ca: true })
    expect(verifyChain([leafOf(ca, caKey), stranger.der], now)).toBe('wrong-issuer')
    expect(verifyChain([ca, leafOf(ca, caKey)], now)).toBe('wrong-issuer')
  })

  it('verifyChain refuses issuers that say they are no CA, and intermediates that do not say they are one', () => {
    const leafAsCa = leafOf(ca, caKey)
    const below = testCertificate({
      subject: 'below',
      issuer: { der: leafAsCa, key: leafKey, subject: 'relay.example' },
    })
    expect(verifyChain([below.der, leafAsCa, ca], now)).toBe('not-a-ca')
    const denying = testCertificate({ subject: 'denying', ca: false })
    expect(verifyChain([testCertificate({ subject: 'leaf', issuer: denying }).der, denying.der], now)).toBe('not-a-ca')
    const root = testCertificate({ subject: 'root', ca: true })
    const silent = testCertificate({ subject: 'silent', issuer: root })
    const leaf = testCertificate({ subject: 'leaf', issuer: silent })
    expect(verifyChain([leaf.der, silent.der, root.der], now)).toBe('not-a-ca')
  })

  it('verifyChain refuses a leaf of version 1', () => {
    expect(verifyChain([testCertificate({ subject: 'old', version: 1 }).der], now)).toBe('not-v3')
  })

  it('verifyChain refuses every changed bit of a server certificate', () => {
    const leaf = leafOf(ca, caKey)
    for (let bit = 0; bit < leaf.length * 8; bit++) {
      const flipped = Buffer.from(leaf)
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      expect(verifyChain([flipped, ca], now)).toBeDefined()
    }
  })
})

describe('x509', () => {
  it('identityCertificate is the second certificate, or the only one', () => {
    const [a, b, c, d] = [Buffer.of(1), Buffer.of(2), Buffer.of(3), Buffer.of(4)]
    expect(identityCertificate([])).toBeUndefined()
    expect(identityCertificate([a])).toBe(a)
    expect(identityCertificate([a, b])).toBe(b)
    expect(identityCertificate([a, b, c, d])).toBe(b)
    expect(identityCertificate([a, b, c, d, a])).toBeUndefined()
  })
})

describe('x509', () => {
  it('certificateKey reads Ed25519 and Ed448 keys', () => {
    expect(certificateKey(ca)).toEqual(caKey.publicKey)
    expect(certificateKey(hex(vectors.upstreamFixtures.caCrtDer))?.alg).toBe('ed448')
  })

  it('certificateKey returns undefined for RSA certificates and other bytes', () => {
    expect(certificateKey(rsaCertificate())).toBeUndefined()
    expect(certificateKey(Buffer.from('no'))).toBeUndefined()
    expect(certificateKey(Buffer.from(certificateToPem(ca)))).toBeUndefined()
    expect(certificateKey(Buffer.concat([ca, Buffer.alloc(1)]))).toBeUndefined()
  })
})

function rsaCertificate(): Buffer {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const template = testCertificate({ subject: 'rsa' }).der
  const tree = forge.asn1.fromDer(template.toString('latin1'))
  const [tbs, , signature] = tree.value as forge.asn1.Asn1[]
  const fields = tbs?.value as forge.asn1.Asn1[]
  fields[6] = forge.asn1.fromDer(publicKey.export({ type: 'spki', format: 'der' }).toString('latin1'))
  if (signature) signature.value = `\0${signBytes('sha256', Buffer.alloc(1), privateKey).toString('latin1')}`
  return Buffer.from(forge.asn1.toDer(tree).getBytes(), 'latin1')
}
