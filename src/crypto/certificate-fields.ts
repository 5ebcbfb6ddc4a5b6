import { derElements } from './der.ts'

const sequenceTag = 0x30
const booleanTag = 0x01
const oidTag = 0x06
const octetStringTag = 0x04
const versionTag = 0xa0
const extensionsTag = 0xa3

/** The fields of a certificate that Node's X509Certificate does not show. */
export interface CertificateFields {
  /** 1, 2 or 3 */
  readonly version: number
  /** The whole DER of the subject's name. */
  readonly subject: Buffer
  /** The content of each extension by the hexadecimal DER of its OID. */
  readonly extensions: ReadonlyMap<string, Buffer>
}

/** OIDs as the hexadecimal of their DER content. (RFC 5280 §4.2.1) */
export const extensionOids = { subjectKeyIdentifier: '551d0e', basicConstraints: '551d13' } as const

/** Reads the fields of one DER certificate; undefined when it is not one. (RFC 5280 §4.1) */
export function certificateFields(der: Buffer): CertificateFields | undefined {
  const [certificate, ...rest] = derElements(der) ?? []
  if (certificate?.tag !== sequenceTag || rest.length > 0) return undefined
  const [tbs] = derElements(certificate.content) ?? []
  if (tbs?.tag !== sequenceTag) return undefined
  const fields = derElements(tbs.content) ?? []
  // A version 1 certificate has no version field; then the serial number comes first.
  const explicitVersion = fields[0]?.tag === versionTag ? fields.shift() : undefined
  const subject = fields[4]
  if (subject?.tag !== sequenceTag) return undefined
  const extensions = readExtensions(fields.find(({ tag }) => tag === extensionsTag)?.content)
  if (extensions === undefined) return undefined
  return { version: (explicitVersion?.content.at(-1) ?? 0) + 1, subject: subject.bytes, extensions }
}

function readExtensions(explicit: Buffer | undefined): Map<string, Buffer> | undefined {
  const extensions = new Map<string, Buffer>()
  if (explicit === undefined) return extensions
  const [list] = derElements(explicit) ?? []
  const elements = list === undefined ? undefined : derElements(list.content)
  if (elements === undefined) return undefined
  for (const extension of elements) {
    const parts = derElements(extension.content) ?? []
    const oid = parts[0]
    const value = parts[1]?.tag === booleanTag ? parts[2] : parts[1]
    if (oid?.tag !== oidTag || value?.tag !== octetStringTag) return undefined
    extensions.set(oid.content.toString('hex'), value.content)
  }
  return extensions
}

/** The key identifier (in general 20 bytes) of a subjectKeyIdentifier extension. */
export function subjectKeyIdentifier(fields: CertificateFields): Buffer | undefined {
  const value = fields.extensions.get(extensionOids.subjectKeyIdentifier)
  const [identifier] = value === undefined ? [] : (derElements(value) ?? [])
  return identifier?.tag === octetStringTag ? identifier.content : undefined
}
