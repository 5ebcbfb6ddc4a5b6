import { generateSigningKey, encodeSpki, sign, type SigningKey } from '../../../src/crypto/keys.ts'

/** A certificate with its key, to issue others with. */
export interface TestCertificate {
  readonly der: Buffer
  readonly key: SigningKey
  readonly subject: string
}

export interface TestCertificateOptions {
  readonly subject: string
  /** Self-signed without one. */
  readonly issuer?: TestCertificate
  readonly key?: SigningKey
  /** basicConstraints with this value; no extensions at all without it. */
  readonly ca?: boolean
  readonly version?: 1 | 3
  readonly notBefore?: Date
  readonly notAfter?: Date
}

/** A certificate built by hand, independently of the code under test, so that it may be an odd one. */
export function testCertificate(options: TestCertificateOptions): TestCertificate {
  const { subject, ca, version = 3 } = options
  const { notBefore = new Date('2020-01-01T00:00:00Z'), notAfter = new Date('2040-01-01T00:00:00Z') } = options
  const key = options.key ?? generateSigningKey('ed25519')
  const signer = options.issuer?.key ?? key
  const algorithm = tlv(0x30, Buffer.from('06032b6570', 'hex'))
  const constraints = tlv(0x30, ca ? Buffer.from('0101ff', 'hex') : Buffer.alloc(0))
  const extension = tlv(0x30, Buffer.from('0603551d13', 'hex'), tlv(0x04, constraints))
  const tbs = tlv(
    0x30,
    version === 3 ? Buffer.from('a003020102', 'hex') : Buffer.alloc(0),
    Buffer.from('020101', 'hex'),
    algorithm,
    name(options.issuer?.subject ?? subject),
    tlv(0x30, generalizedTime(notBefore), generalizedTime(notAfter)),
    name(subject),
    encodeSpki(key.publicKey),
    ca === undefined ? Buffer.alloc(0) : tlv(0xa3, tlv(0x30, extension)),
  )
  const der = tlv(0x30, tbs, algorithm, tlv(0x03, Buffer.of(0), sign(signer, tbs)))
  return { der, key, subject }
}

function name(commonName: string): Buffer {
  return tlv(0x30, tlv(0x31, tlv(0x30, Buffer.from('0603550403', 'hex'), tlv(0x0c, Buffer.from(commonName)))))
}

function generalizedTime(date: Date): Buffer {
  return tlv(0x18, Buffer.from(`${date.toISOString().replace(/\D/g, '').slice(0, 14)}Z`))
}

function tlv(tag: number, ...parts: Buffer[]): Buffer {
  const content = Buffer.concat(parts)
  if (content.length < 0x80) return Buffer.concat([Buffer.of(tag, content.length), content])
  if (content.length < 0x100) return Buffer.concat([Buffer.of(tag, 0x81, content.length), content])
  return Buffer.concat([Buffer.of(tag, 0x82, content.length >> 8, content.length & 0xff), content])
}
