import { sha256 } from './hash.ts'

/** Identity of a relay or service: SHA-256 (32 bytes) of the whole DER certificate, not of its key. */
export function certificateFingerprint(der: Uint8Array): Buffer {
  return sha256(der)
}

/** The text form in addresses and in the fingerprint file: 44 characters of base64url, padded. */
export function fingerprintText(fingerprint: Uint8Array): string {
  const text = Buffer.from(fingerprint).toString('base64url')
  return text.padEnd(Math.ceil(text.length / 4) * 4, '=')
}
