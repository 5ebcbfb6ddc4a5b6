import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fingerprint } from '../client/certificates.ts'
import { generateKey } from '../client/keys.ts'
import { certificatePem, createCertificate, privateKeyPem } from '../client/x509.ts'

export interface CredentialOptions {
  readonly alg?: 'ed25519' | 'ed448'
  /** Certificates above the identity: an operator's, a network's. */
  readonly above?: 0 | 1 | 2
}

/** Writes ca.crt, server.crt, server.key and fingerprint; returns the key hash of the address. */
export const writeCredentials = async (directory: string, options: CredentialOptions = {}): Promise<Buffer> => {
  const { alg = 'ed25519', above = 0 } = options
  const names = ['identity', 'network', 'operator'].slice(0, above + 1)
  const authorities = names.map((name) => ({ subject: `test ${name}`, key: generateKey(alg) }))
  const certificates = authorities.map((authority, index) =>
    createCertificate({ ...authority, authority: true, issuer: authorities[index + 1] }),
  )
  const key = generateKey(alg)
  const leaf = createCertificate({ subject: 'localhost', key, authority: false, issuer: authorities[0] })
  const keyHash = fingerprint(certificates[0] ?? leaf)
  const files: [string, string][] = [
    ['ca.crt', certificates.map(certificatePem).join('')],
    ['server.crt', certificatePem(leaf)],
    ['server.key', privateKeyPem(key)],
    ['fingerprint', `${keyHash.toString('base64').replaceAll('+', '-').replaceAll('/', '_')}\n`],
  ]
  await Promise.all(files.map(([name, text]) => writeFile(join(directory, name), text, { mode: 0o600 })))
  return keyHash
}
