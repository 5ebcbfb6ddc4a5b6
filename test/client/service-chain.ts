import type { ServiceCertificate } from './certificates.ts'
import { generateKey, type AuthKey } from './keys.ts'
import { certificatePem, createCertificate, privateKeyPem, type CertificateRequest } from './x509.ts'

export interface Authority {
  readonly subject: string
  readonly key: AuthKey<'ed25519'>
  readonly certificate: Buffer
}

type Change = Partial<Pick<CertificateRequest, 'authority' | 'notBefore' | 'notAfter' | 'issuer'>>

/** A certificate that may sign others; self-signed without an issuer. */
export const createAuthority = (subject: string, issuer?: Authority, change: Change = {}): Authority => {
  const key = generateKey('ed25519')
  const request = { subject, key, authority: true, ...(issuer && { issuer }), ...change }
  return { subject, key, certificate: createCertificate(request) }
}

/** The chain of authorities above a leaf, the identity first, the anchor last. */
export const createAuthorities = (count: number): Authority[] => {
  const authorities: Authority[] = []
  for (let index = count; index > 0; index--)
    authorities.unshift(createAuthority(`test authority ${index}`, authorities[0]))
  return authorities
}

/** A service's certificate below its authorities. */
export const createServiceChain = (authorities: readonly Authority[], change: Change = {}): ServiceCertificate => {
  const [issuer] = authorities
  const key = generateKey('ed25519')
  const leaf = createCertificate({ subject: 'test leaf', key, authority: false, ...(issuer && { issuer }), ...change })
  const chain = [leaf, ...authorities.map(({ certificate }) => certificate)]
  return { chain, key, certPem: chain.map(certificatePem).join(''), keyPem: privateKeyPem(key) }
}
