import { createHash } from 'node:crypto'
import forge from 'node-forge'
import { caName, checkCommonName } from './certificate-names.ts'
import { certificateFields, subjectKeyIdentifier } from './certificate-fields.ts'
import { encodeSpki, sign, type SignatureKey, type SigningAlg, type SigningKey } from './keys.ts'

// Certificates byte for byte as `openssl req -x509` and `openssl x509 -req` (3.x) make them from the configuration
// files of openssl-config.ts; only the ASN.1 layer of node-forge is used, since its X.509 layer knows RSA alone.

const { asn1 } = forge
const { Class, Type } = asn1
type Asn1 = forge.asn1.Asn1

// forge keeps the number of a context-specific tag where it keeps the universal type.
const tag0 = Type.NONE
const tag3 = Type.BITSTRING

/** Days that both certificates are valid, the same as in the reference server. */
export const validityDays = 999_999

const oids = {
  ed25519: '1.3.101.112',
  ed448: '1.3.101.113',
  commonName: '2.5.4.3',
  organization: '2.5.4.10',
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  basicConstraints: '2.5.29.19',
  authorityKeyIdentifier: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37',
  serverAuth: '1.3.6.1.5.5.7.3.1',
  extensionRequest: '1.2.840.113549.1.9.14',
} as const

export interface CaCertificateOptions {
  readonly key: SigningKey
  /** At most 20 bytes, positive: see serial.ts. */
  readonly serial: Buffer
  /** Whole seconds; fractions are dropped. */
  readonly notBefore: Date
}

export interface ServerCertificateOptions {
  /** The server's public key. */
  readonly key: SignatureKey
  /** Host name or IP address, 1 to 64 printable ASCII characters. */
  readonly commonName: string
  /** DER of the CA certificate, and the key that belongs to it: the caller compares them. */
  readonly ca: { readonly certificate: Buffer; readonly key: SigningKey }
  readonly serial: Buffer
  readonly notBefore: Date
}

/** DER of a self-signed CA certificate; its PEM is 554 bytes (Ed25519) or 656 (Ed448). */
export function createCaCertificate({ key, serial, notBefore }: CaCertificateOptions): Buffer {
  const name = distinguishedName([
    [oids.commonName, caName.commonName],
    [oids.organization, caName.organization],
  ])
  const keyIdentifier = keyIdentifierOf(key.publicKey)
  const extensions = [
    extension(oids.subjectKeyIdentifier, octetString(keyIdentifier)),
    extension(oids.authorityKeyIdentifier, authorityKeyIdentifier(keyIdentifier)),
    extension(oids.basicConstraints, sequence([boolean(true)]), true),
  ]
  return signedCertificate({
    key,
    issuer: name,
    subject: name,
    publicKey: key.publicKey,
    serial,
    notBefore,
    extensions,
  })
}

/** DER of a server certificate signed by the CA; throws RangeError when the certificate of the CA is not one. */
export function createServerCertificate({ key, commonName, ca, serial, notBefore }: ServerCertificateOptions): Buffer {
  const caFields = certificateFields(ca.certificate)
  if (caFields === undefined) throw new RangeError('the certificate of the CA is malformed')
  const caKeyIdentifier = subjectKeyIdentifier(caFields)
  const extensions = [
    ...serverExtensions(),
    extension(oids.subjectKeyIdentifier, octetString(keyIdentifierOf(key))),
    ...(caKeyIdentifier ? [extension(oids.authorityKeyIdentifier, authorityKeyIdentifier(caKeyIdentifier))] : []),
  ]
  return signedCertificate({
    key: ca.key,
    issuer: fromDer(caFields.subject),
    subject: serverName(commonName),
    publicKey: key,
    serial,
    notBefore,
    extensions,
  })
}

/** DER of a certificate request (PKCS#10) that asks for the extensions of a server certificate. */
export function createCertificateRequest(key: SigningKey, commonName: string): Buffer {
  const request = sequence([
    integer(Buffer.of(0)),
    serverName(commonName),
    fromDer(encodeSpki(key.publicKey)),
    contextSpecific(tag0, [sequence([oid(oids.extensionRequest), set([sequence(serverExtensions())])])]),
  ])
  return signed(request, key)
}

interface CertificateParts {
  key: SigningKey
  issuer: Asn1
  subject: Asn1
  publicKey: SignatureKey
  serial: Buffer
  notBefore: Date
  extensions: Asn1[]
}

function signedCertificate(parts: CertificateParts): Buffer {
  const { key, issuer, subject, publicKey, serial, notBefore, extensions } = parts
  const notAfter = new Date(notBefore.getTime() + validityDays * 86_400_000)
  const tbs = sequence([
    contextSpecific(tag0, [integer(Buffer.of(2))]),
    integer(serial),
    algorithm(key.alg),
    issuer,
    sequence([time(notBefore), time(notAfter)]),
    subject,
    fromDer(encodeSpki(publicKey)),
    contextSpecific(tag3, [sequence(extensions)]),
  ])
  return signed(tbs, key)
}

function signed(body: Asn1, key: SigningKey): Buffer {
  return toDer(sequence([body, algorithm(key.alg), bitString(0, sign(key, toDer(body)))]))
}

function serverExtensions(): Asn1[] {
  // digitalSignature, nonRepudiation and keyAgreement: bits 0, 1 and 4 of five.
  const keyUsage = bitString(3, Buffer.of(0b11001000))
  return [
    extension(oids.basicConstraints, sequence([])),
    extension(oids.keyUsage, keyUsage),
    extension(oids.extendedKeyUsage, sequence([oid(oids.serverAuth)])),
  ]
}

function extension(id: string, value: Asn1, critical = false): Asn1 {
  return sequence([oid(id), ...(critical ? [boolean(true)] : []), octetString(toDer(value))])
}

function authorityKeyIdentifier(keyIdentifier: Buffer): Asn1 {
  return sequence([asn1.create(Class.CONTEXT_SPECIFIC, tag0, false, binary(keyIdentifier))])
}

/** SHA-1 of the key's bits. (RFC 5280 §4.2.1.2, method 1) */
function keyIdentifierOf(key: SignatureKey): Buffer {
  return createHash('sha1').update(key.raw).digest()
}

function serverName(commonName: string): Asn1 {
  checkCommonName(commonName)
  return distinguishedName([[oids.commonName, commonName]])
}

function distinguishedName(attributes: [id: string, value: string][]): Asn1 {
  return sequence(attributes.map(([id, value]) => set([sequence([oid(id), universal(Type.UTF8, value)])])))
}

/** UTCTime before 2050, GeneralizedTime from then on. (RFC 5280 §4.1.2.5) */
function time(date: Date): Asn1 {
  const digits = date
    .toISOString()
    .replace(/\.\d+Z$/, 'Z')
    .replace(/[-:T]/g, '')
  return date.getUTCFullYear() < 2050
    ? universal(Type.UTCTIME, digits.slice(2))
    : universal(Type.GENERALIZEDTIME, digits)
}

function algorithm(alg: SigningAlg): Asn1 {
  return sequence([oid(oids[alg])])
}

function sequence(elements: Asn1[]): Asn1 {
  return asn1.create(Class.UNIVERSAL, Type.SEQUENCE, true, elements)
}

function set(elements: Asn1[]): Asn1 {
  return asn1.create(Class.UNIVERSAL, Type.SET, true, elements)
}

function contextSpecific(tag: forge.asn1.Type, elements: Asn1[]): Asn1 {
  return asn1.create(Class.CONTEXT_SPECIFIC, tag, true, elements)
}

function universal(type: forge.asn1.Type, value: string): Asn1 {
  return asn1.create(Class.UNIVERSAL, type, false, value)
}

function oid(id: string): Asn1 {
  return universal(Type.OID, asn1.oidToDer(id).getBytes())
}

function integer(positive: Buffer): Asn1 {
  const signByte = (positive[0] ?? 0) >= 0x80 ? '\0' : ''
  return universal(Type.INTEGER, signByte + binary(positive))
}

function boolean(value: boolean): Asn1 {
  return universal(Type.BOOLEAN, value ? '\xff' : '\0')
}

function octetString(bytes: Buffer): Asn1 {
  return universal(Type.OCTETSTRING, binary(bytes))
}

function bitString(unusedBits: number, bytes: Buffer): Asn1 {
  return universal(Type.BITSTRING, String.fromCharCode(unusedBits) + binary(bytes))
}

function binary(bytes: Buffer): string {
  return bytes.toString('latin1')
}

function toDer(element: Asn1): Buffer {
  return Buffer.from(asn1.toDer(element).getBytes(), 'latin1')
}

function fromDer(der: Buffer): Asn1 {
  return asn1.fromDer(binary(der))
}
