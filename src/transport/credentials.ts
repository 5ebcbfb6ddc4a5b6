import { timingSafeEqual, X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { AppError } from '../errors/app-error.ts'
import { certificateFingerprint, fingerprintText } from '../crypto/fingerprint.ts'
import { samePublicKey, signingKeyFromPem, type SigningKey } from '../crypto/keys.ts'
import { certificateKey, verifyChain } from '../crypto/x509.ts'
import { errorCode } from '../system/error-code.ts'
import { MAX_CHAIN } from './peer-certificates.ts'

/** What the relay authenticates itself to clients with. */
export interface RelayCredentials {
  /** DER, leaf first, then the identity certificate and what the operator has above it: 2..4. */
  readonly chain: readonly Buffer[]
  /** Of the leaf certificate. */
  readonly signingKey: SigningKey
  /** SHA-256 of the identity certificate, 32 bytes: the fingerprint in the relay's address. */
  readonly identityHash: Buffer
  /** The whole chain. */
  readonly certPem: string
  readonly keyPem: string
}

const CA = 'ca.crt'
const LEAF = 'server.crt'
const KEY = 'server.key'
const FINGERPRINT = 'fingerprint'

const RENEW = 'Make a new online certificate with `smp-server cert` (it needs ca.key in the same directory).'
const RESTORE =
  'Copy it back from a backup of this directory, or make new ones with `smp-server init`, which gives the relay a new address.'

const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g

/**
 * Reads ca.crt, server.crt, server.key and fingerprint from the configuration directory and checks that they belong
 * together and are valid `now`. Every fault is an AppError with its remedy.
 */
export async function loadCredentials(directory: string, now = new Date()): Promise<RelayCredentials> {
  const [ca, leaf, keyPem, fingerprint] = await Promise.all(
    [CA, LEAF, KEY, FINGERPRINT].map((name) => readText(join(directory, name))),
  )
  if (ca === undefined || leaf === undefined || keyPem === undefined) {
    const missing = [
      ...(ca === undefined ? [CA] : []),
      ...(leaf === undefined ? [LEAF] : []),
      ...(keyPem === undefined ? [KEY] : []),
    ]
    const paths = missing.map((name) => join(directory, name)).join(', ')
    throw new AppError('NO_CREDENTIALS', `Error: no SMP credentials: ${paths}`, RESTORE)
  }

  const identities = certificatesOf(ca, join(directory, CA))
  const chain = [...certificatesOf(leaf, join(directory, LEAF)), ...identities]
  const identityHash = certificateFingerprint(first(identities))
  checkFingerprint(fingerprint, identityHash, join(directory, FINGERPRINT))

  const signingKey = signingKeyFromPem(keyPem)
  if (signingKey === undefined) {
    throw new AppError(
      'BAD_CREDENTIALS',
      `${join(directory, KEY)} does not hold an Ed25519 or Ed448 private key.`,
      RENEW,
    )
  }
  const leafKey = certificateKey(first(chain))
  if (leafKey === undefined || !samePublicKey(leafKey, signingKey.publicKey)) {
    throw new AppError(
      'KEY_MISMATCH',
      `The key in ${join(directory, KEY)} does not belong to the certificate in ${join(directory, LEAF)}.`,
      `Put the two files of one pair there. ${RENEW}`,
    )
  }
  checkChain(chain, identityHash, directory, now)
  return { chain, signingKey, identityHash, certPem: chain.map(pemOf).join(''), keyPem }
}

/** undefined when there is no such file. */
async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    const code = errorCode(error)
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    const [why, remedy] =
      code === 'EACCES' || code === 'EPERM'
        ? ['this user may not read it', 'Give the file to the user that runs the relay (chown), or start as that user.']
        : [error instanceof Error ? error.message : String(error), 'Check the file and the disk that it is on.']
    throw new AppError('UNREADABLE', `Cannot read ${path}: ${why}.`, remedy, { cause: error })
  }
}

function certificatesOf(pem: string, path: string): Buffer[] {
  try {
    const certificates = (pem.match(PEM_CERTIFICATE) ?? []).map((text) => new X509Certificate(text).raw)
    if (certificates.length > 0) return certificates
  } catch {
    // Told below, as for a file without certificates.
  }
  throw new AppError('BAD_CREDENTIALS', `${path} does not hold a certificate in PEM form.`, RESTORE)
}

function checkFingerprint(stored: string | undefined, identityHash: Buffer, path: string): void {
  if (stored === undefined) {
    throw new AppError(
      'NO_FINGERPRINT',
      `No fingerprint of the relay's identity: ${path} is missing.`,
      `If ca.crt is the relay's own, write ${fingerprintText(identityHash)} into that file.`,
    )
  }
  const line = Buffer.from(stored.split(/\r?\n/, 1).join(''))
  const expected = Buffer.from(fingerprintText(identityHash))
  if (line.length === expected.length && timingSafeEqual(line, expected)) return
  throw new AppError(
    'BAD_FINGERPRINT',
    'Stored fingerprint is invalid.',
    `${path} is not the fingerprint of ca.crt beside it: clients know the relay by this fingerprint, so put the ca.crt back that belongs to it. If ca.crt is the right one, write ${fingerprintText(identityHash)} into ${path}.`,
  )
}

function checkChain(chain: readonly Buffer[], identityHash: Buffer, directory: string, now: Date): void {
  const leaf = join(directory, LEAF)
  // Clients take the second certificate for the identity (wire format §3.1), so server.crt may hold only the leaf.
  const second = chain[1]
  if (second === undefined || chain.length > MAX_CHAIN || !certificateFingerprint(second).equals(identityHash)) {
    throw new AppError(
      'BAD_CHAIN',
      `${leaf} and ${join(directory, CA)} do not make a chain that clients accept: the online certificate, then the identity, 2 to ${MAX_CHAIN} in all.`,
      `Leave only the first certificate in ${leaf}, and only the identity and what is above it in ca.crt.`,
    )
  }
  const certificates = chain.map((der) => new X509Certificate(der))
  for (const certificate of certificates) requireUnexpired(certificate, now)
  // A clock that is slow keeps no relay from starting: clients check the dates by their own.
  const begin = Math.max(now.getTime(), ...certificates.map(({ validFrom }) => Date.parse(validFrom)))
  const error = verifyChain(chain, new Date(begin))
  if (error === undefined) return
  throw new AppError('BAD_CHAIN', `The certificates in ${directory} are not valid: ${error}.`, RENEW)
}

function requireUnexpired(certificate: X509Certificate, now: Date): void {
  if (now <= new Date(certificate.validTo)) return
  const subject = certificate.subject.replaceAll('\n', ', ')
  throw new AppError('EXPIRED', `The certificate of ${subject} expired on ${certificate.validTo}.`, RENEW)
}

function pemOf(der: Buffer): string {
  return new X509Certificate(der).toString()
}

function first(certificates: readonly Buffer[]): Buffer {
  const [certificate] = certificates
  if (certificate === undefined) throw new Error('an empty chain')
  return certificate
}
