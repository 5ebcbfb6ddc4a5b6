import { createHash, createPublicKey, sign, verify, X509Certificate } from 'node:crypto'
import type { DetailedPeerCertificate, TLSSocket } from 'node:tls'
import { bitString, derSpan, sequence, signatureAlgorithm } from './der.ts'
import { generateKey, type AuthKey } from './keys.ts'
import { certificatePem, createCertificate, privateKeyPem } from './x509.ts'

export const fingerprint = (certificate: Uint8Array): Buffer => createHash('sha256').update(certificate).digest()

/** The certificates the peer sent in TLS, leaf first. */
export const peerChain = (socket: TLSSocket): Buffer[] => {
  const chain: Buffer[] = []
  let next: Partial<DetailedPeerCertificate> | undefined = socket.getPeerCertificate(true)
  while (next?.raw) {
    const { raw, issuerCertificate }: Partial<DetailedPeerCertificate> = next
    if (chain.some((seen) => raw.equals(seen))) break
    chain.push(raw)
    next = issuerCertificate
  }
  return chain
}

/** The certificate whose fingerprint is in the relay's address. */
export const identityOf = (chain: readonly Buffer[]): Buffer => {
  const identity = chain.length === 1 ? chain[0] : chain[1]
  if (!identity || chain.length > 4) throw new Error(`a chain of ${chain.length} certificates`)
  return identity
}

/** What an app checks before it trusts a relay's chain. */
export const checkChain = (chain: readonly Buffer[], keyHash: Buffer): void => {
  if (chain.length < 2) throw new Error(`a relay's chain has 2 to 4 certificates, not ${chain.length}`)
  if (!fingerprint(identityOf(chain)).equals(keyHash)) throw new Error('the identity is not the one of the address')
  const certificates = chain.map((one) => new X509Certificate(one))
  const now = new Date()
  certificates.forEach((certificate, index) => {
    const issuer = certificates[index + 1] ?? certificate
    if (!certificate.verify(issuer.publicKey)) throw new Error(`certificate ${index} is not signed by the next`)
    if (certificate.ca !== index > 0) throw new Error(`certificate ${index}: wrong CA constraint`)
    if (new Date(certificate.validFrom) > now || new Date(certificate.validTo) < now) throw new Error('not valid now')
  })
}

const signedObject = (spki: Buffer): Buffer => sequence(spki)

/** A public key signed by a certificate's key, in the form of an X.509 signed object. */
export const signKey = (spki: Buffer, signer: AuthKey<'ed25519' | 'ed448'>): Buffer => {
  const object = signedObject(spki)
  return sequence(object, signatureAlgorithm[signer.alg], bitString(sign(null, object, signer.privateKey)))
}

/** The SPKI of a signed key whose signature fits the leaf certificate; throws otherwise. */
export const openSignedKey = (signed: Buffer, leaf: Buffer): Buffer => {
  const outer = derSpan(signed, 0)
  const object = derSpan(signed, outer.content)
  const algorithm = derSpan(signed, object.end)
  const signature = derSpan(signed, algorithm.end)
  if (outer.end !== signed.length || signature.end !== signed.length) throw new Error('signed key: bytes left over')
  const signedBytes = signed.subarray(outer.content, object.end)
  const key = new X509Certificate(leaf).publicKey
  if (!verify(null, signedBytes, key, signed.subarray(signature.content + 1)))
    throw new Error('signed key: bad signature')
  const spki = signed.subarray(object.content, object.end)
  createPublicKey({ key: spki, format: 'der', type: 'spki' })
  return spki
}

/** A client certificate of its own authority, as services (notification servers, big bots) use. */
export interface ServiceCertificate {
  readonly chain: readonly Buffer[]
  readonly key: AuthKey<'ed25519'>
  readonly certPem: string
  readonly keyPem: string
}

/** Self-signed Ed25519 certificate, valid from yesterday for ten years. */
export const createServiceCertificate = (commonName = 'test service'): ServiceCertificate => {
  const key = generateKey('ed25519')
  const certificate = createCertificate({ subject: commonName, key, authority: true })
  return { chain: [certificate], key, certPem: certificatePem(certificate), keyPem: privateKeyPem(key) }
}
