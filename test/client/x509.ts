import { randomBytes, sign, X509Certificate } from 'node:crypto'
import {
  bitString,
  der,
  generalizedTime,
  integer,
  objectId,
  octetString,
  sequence,
  set,
  signatureAlgorithm,
  utf8,
} from './der.ts'
import type { AuthKey } from './keys.ts'

export interface CertificateRequest {
  readonly subject: string
  readonly key: AuthKey<'ed25519' | 'ed448'>
  readonly authority: boolean
  /** Without one the certificate signs itself. */
  readonly issuer?: { readonly subject: string; readonly key: AuthKey<'ed25519' | 'ed448'> } | undefined
  readonly notBefore?: Date
  readonly notAfter?: Date
}

const day = 86_400_000
const asn1True = der(0x01, Buffer.of(0xff))

const basicConstraints = (authority: boolean): Buffer =>
  sequence(objectId('551d13'), asn1True, octetString(authority ? sequence(asn1True) : sequence()))

const nameOf = (commonName: string): Buffer => sequence(set(sequence(objectId('550403'), utf8(commonName))))

/** An X.509 v3 certificate, DER; valid from yesterday for ten years unless told otherwise. */
export const createCertificate = (request: CertificateRequest): Buffer => {
  const { subject, key, authority, issuer = { subject, key } } = request
  const { notBefore = new Date(Date.now() - day), notAfter = new Date(Date.now() + 3650 * day) } = request
  const serial = randomBytes(16)
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40
  const algorithm = signatureAlgorithm[issuer.key.alg]
  const tbs = sequence(
    der(0xa0, integer(Buffer.of(2))),
    integer(serial),
    algorithm,
    nameOf(issuer.subject),
    sequence(generalizedTime(notBefore), generalizedTime(notAfter)),
    nameOf(subject),
    key.spki,
    der(0xa3, sequence(basicConstraints(authority))),
  )
  return sequence(tbs, algorithm, bitString(sign(null, tbs, issuer.key.privateKey)))
}

export const certificatePem = (certificate: Buffer): string => new X509Certificate(certificate).toString()

export const privateKeyPem = (key: AuthKey): string =>
  key.privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()
