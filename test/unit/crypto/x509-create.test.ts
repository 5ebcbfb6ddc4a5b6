import { X509Certificate } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { certificateFields } from '../../../src/crypto/certificate-fields.ts'
import { derElements } from '../../../src/crypto/der.ts'
import { generateSigningKey, signingKeyFromRaw, type SigningAlg } from '../../../src/crypto/keys.ts'
import { certificateToPem } from '../../../src/crypto/pem.ts'
import { randomSerial } from '../../../src/crypto/serial.ts'
import { certificateKey } from '../../../src/crypto/x509.ts'
import {
  createCaCertificate,
  createCertificateRequest,
  createServerCertificate,
} from '../../../src/crypto/x509-create.ts'
import vectors from '../../vectors/vectors.json' with { type: 'json' }
import { hex } from './back-ends.ts'
import { testCertificate } from './test-certificate.ts'

const fixtures = vectors.upstreamFixtures
const notBefore = new Date('2022-01-01T18:16:39.999Z')

/** The to-be-signed part of a certificate. */
function tbs(der: Buffer): Buffer | undefined {
  const [certificate] = derElements(der) ?? []
  return certificate && derElements(certificate.content)?.[0]?.bytes
}

describe.each<[SigningAlg, number]>([
  ['ed25519', 554],
  ['ed448', 656],
])('a CA certificate with an %s key', (alg, pemLength) => {
  const key = generateSigningKey(alg)
  const der = createCaCertificate({ key, serial: randomSerial(), notBefore })
  const certificate = new X509Certificate(der)

  it(`takes ${pemLength} bytes as PEM`, () => {
    expect(certificateToPem(der).length).toBe(pemLength)
  })

  it('names itself as subject and issuer, common name first', () => {
    expect(certificate.subject).toBe('CN=SMP server CA\nO=SimpleX')
    expect(certificate.issuer).toBe(certificate.subject)
  })

  it('is valid for 999999 days from the given second', () => {
    expect(certificate.validFrom).toBe('Jan  1 18:16:39 2022 GMT')
    expect(certificate.validTo).toBe('Nov 28 18:16:39 4759 GMT')
  })

  it('is a CA with the key that signed it', () => {
    expect(certificate.ca).toBe(true)
    expect(certificate.verify(certificate.publicKey)).toBe(true)
    expect(certificateKey(der)).toEqual(key.publicKey)
  })
})

describe('x509-create', () => {
  const caKey = generateSigningKey('ed448')
  const key = signingKeyFromRaw('ed448', hex(fixtures.serverKeyPkcs8Der).subarray(16))

  it('a server certificate has the signed bytes of a real one', () => {
    const der = createServerCertificate({
      key: key.publicKey,
      commonName: 'localhost',
      ca: { certificate: hex(fixtures.caCrtDer), key: caKey },
      serial: hex('520aa1b7789b109f63a7926eae830be416b16bf2'),
      notBefore: new Date('2022-01-11T16:39:46Z'),
    })
    const expected = hex(fixtures.serverCrtDer)
    expect(tbs(der)?.toString('hex')).toBe(tbs(expected)?.toString('hex'))
  })

  it('a server certificate is signed with the key and algorithm of the CA, whatever algorithm its own key has', () => {
    const ca = createCaCertificate({ key: caKey, serial: randomSerial(), notBefore })
    const own = generateSigningKey('ed25519').publicKey
    const der = createServerCertificate({
      key: own,
      commonName: '127.0.0.1',
      ca: { certificate: ca, key: caKey },
      serial: randomSerial(),
      notBefore,
    })
    const certificate = new X509Certificate(der)
    expect(certificate.verify(new X509Certificate(ca).publicKey)).toBe(true)
    expect(certificate.ca).toBe(false)
    expect(certificate.subject).toBe('CN=127.0.0.1')
    expect(certificateKey(der)).toEqual(own)
  })

  it('a server certificate names the key of its CA only where the CA has a key identifier', () => {
    const extensionsUnder = (certificate: Buffer): string[] => {
      const der = createServerCertificate({
        key: key.publicKey,
        commonName: 'a',
        ca: { certificate, key: caKey },
        serial: randomSerial(),
        notBefore,
      })
      return [...(certificateFields(der)?.extensions.keys() ?? [])]
    }
    const always = ['551d13', '551d0f', '551d25', '551d0e']
    expect(extensionsUnder(hex(fixtures.caCrtDer))).toEqual([...always, '551d23'])
    expect(extensionsUnder(testCertificate({ subject: 'no identifier', ca: true }).der)).toEqual(always)
  })

  it('a server certificate is not made with an impossible name or a malformed CA', () => {
    const make = (commonName: string, certificate = hex(fixtures.caCrtDer)): Buffer =>
      createServerCertificate({
        key: key.publicKey,
        commonName,
        ca: { certificate, key: caKey },
        serial: randomSerial(),
        notBefore,
      })
    for (const name of ['', ' a', 'a ', 'a\nb', 'ä.example', 'x'.repeat(65)])
      expect(() => make(name)).toThrow(RangeError)
    expect(() => make('x'.repeat(64))).not.toThrow()
    expect(() => make('a', Buffer.from('not a certificate'))).toThrow(RangeError)
  })
})

it('writes the serial number as a positive integer in its shortest form', () => {
  const key = generateSigningKey('ed25519')
  const serialOf = (serial: Buffer): string =>
    new X509Certificate(createCaCertificate({ key, serial, notBefore })).serialNumber
  expect(serialOf(hex('01'))).toBe('01')
  expect(serialOf(hex('ff'))).toBe('FF')
  expect(serialOf(hex(`7f${'ff'.repeat(19)}`))).toBe(`7F${'FF'.repeat(19)}`)
})

it('writes years before 2050 in two digits and later ones in four', () => {
  const key = generateSigningKey('ed25519')
  const from = (date: string): string =>
    new X509Certificate(createCaCertificate({ key, serial: hex('01'), notBefore: new Date(date) })).validFrom
  expect(from('2049-12-31T23:59:59Z')).toBe('Dec 31 23:59:59 2049 GMT')
  expect(from('2050-01-01T00:00:00Z')).toBe('Jan  1 00:00:00 2050 GMT')
})

it('makes the same request for the same key', () => {
  const key = generateSigningKey('ed448')
  expect(createCertificateRequest(key, 'a.example')).toEqual(createCertificateRequest(key, 'a.example'))
  expect(() => createCertificateRequest(key, '')).toThrow(RangeError)
})
