import { X509Certificate } from 'node:crypto'
import { certificateFields, extensionOids, type CertificateFields } from './certificate-fields.ts'
import { rawPublicKey } from './key-objects.ts'
import type { PublicKey } from './keys.ts'

/** What is wrong with a certificate chain: the first fault from the leaf on. */
export type ChainError =
  | 'empty'
  | 'too-long'
  | 'malformed'
  | 'not-v3'
  | 'not-yet-valid'
  | 'expired'
  | 'wrong-issuer'
  | 'not-a-ca'
  | 'bad-signature'

export const MAX_CHAIN_LENGTH = 4

interface Link {
  readonly x509: X509Certificate
  readonly fields: CertificateFields
}

/**
 * Validates a chain of 1 to 4 DER certificates, leaf first: the last one is the trust anchor, each of the others is
 * signed by the next one, a single one by itself. All must be valid at `now`, the leaf must be X.509 version 3, those
 * between leaf and anchor must be CAs, and the anchor must not say that it is none. Host names and purposes are not
 * checked. (SMP wire format, server and client certificates)
 *
 * An anchor without basicConstraints is accepted because the reference implementation makes such certificates for
 * services; a relay's own CA has it.
 */
export function verifyChain(chain: readonly Buffer[], now: Date): ChainError | undefined {
  if (chain.length === 0) return 'empty'
  if (chain.length > MAX_CHAIN_LENGTH) return 'too-long'
  const links: Link[] = []
  for (const der of chain) {
    const x509 = parseCertificate(der)
    const fields = certificateFields(der)
    if (x509 === undefined || fields === undefined) return 'malformed'
    links.push({ x509, fields })
  }
  const [leaf] = links
  if (leaf?.fields.version !== 3) return 'not-v3'
  const anchorIndex = links.length - 1
  for (const [index, link] of links.entries()) {
    const error = validityError(link.x509, now) ?? (index > 0 ? caError(link, index === anchorIndex) : undefined)
    if (error !== undefined) return error
    const issuer = links[index + 1] ?? (links.length === 1 ? link : undefined)
    if (issuer !== undefined) {
      const signedError = issuerError(link.x509, issuer.x509)
      if (signedError !== undefined) return signedError
    }
  }
  return undefined
}

function validityError(certificate: X509Certificate, now: Date): ChainError | undefined {
  const from = Date.parse(certificate.validFrom)
  const to = Date.parse(certificate.validTo)
  if (Number.isNaN(from) || Number.isNaN(to)) return 'malformed'
  if (now.getTime() < from) return 'not-yet-valid'
  return now.getTime() > to ? 'expired' : undefined
}

function caError({ x509, fields }: Link, isAnchor: boolean): ChainError | undefined {
  if (x509.ca) return undefined
  return isAnchor && !fields.extensions.has(extensionOids.basicConstraints) ? undefined : 'not-a-ca'
}

function issuerError(certificate: X509Certificate, issuer: X509Certificate): ChainError | undefined {
  if (certificate.issuer !== issuer.subject) return 'wrong-issuer'
  try {
    return certificate.verify(issuer.publicKey) ? undefined : 'bad-signature'
  } catch {
    // A key that OpenSSL does not know, or one of another kind than the signature.
    return 'bad-signature'
  }
}

/** The certificate that is the identity of a relay or service: the second one, or the only one. */
export function identityCertificate(chain: readonly Buffer[]): Buffer | undefined {
  if (chain.length > MAX_CHAIN_LENGTH) return undefined
  return chain.length === 1 ? chain[0] : chain[1]
}

/** The public key of a DER certificate; undefined when it is not one or has a key of another kind (RSA, NIST curves). */
export function certificateKey(der: Buffer): PublicKey | undefined {
  try {
    const certificate = parseCertificate(der)
    return certificate === undefined ? undefined : rawPublicKey(certificate.publicKey)
  } catch {
    return undefined
  }
}

/** Exactly one DER certificate: X509Certificate alone would take PEM too, and bytes after it. */
function parseCertificate(der: Buffer): X509Certificate | undefined {
  try {
    const certificate = new X509Certificate(der)
    return certificate.raw.equals(der) ? certificate : undefined
  } catch {
    return undefined
  }
}
