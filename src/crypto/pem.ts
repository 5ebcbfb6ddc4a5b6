import { X509Certificate } from 'node:crypto'

/** PEM of a DER certificate, in lines of 64 characters, as openssl writes it. */
export function certificateToPem(der: Buffer): string {
  return toPem('CERTIFICATE', der)
}

/** PEM of a DER certificate request. */
export function certificateRequestToPem(der: Buffer): string {
  return toPem('CERTIFICATE REQUEST', der)
}

/**
 * The DER of each certificate of a PEM file, in file order; text around them is ignored. undefined when one of them
 * is not a certificate.
 */
export function certificatesFromPem(pem: string): Buffer[] | undefined {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? []
  try {
    return blocks.map((block) => new X509Certificate(block).raw)
  } catch {
    return undefined
  }
}

function toPem(label: string, der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? []
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n')
}
