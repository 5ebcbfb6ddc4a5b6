import { X509Certificate } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { AppError } from '../errors/app-error.ts'
import type { Paths } from '../config/paths.ts'
import { checkCommonName } from '../crypto/certificate-names.ts'
import { certificateFingerprint, fingerprintText } from '../crypto/fingerprint.ts'
import {
  generateSigningKey,
  samePublicKey,
  type SigningAlg,
  type SigningKey,
  signingKeyFromPem,
  signingKeyToPem,
} from '../crypto/keys.ts'
import { opensslCaConfig, opensslServerConfig } from '../crypto/openssl-config.ts'
import { certificateRequestToPem, certificatesFromPem, certificateToPem } from '../crypto/pem.ts'
import { nextSerial, randomSerial, serialText } from '../crypto/serial.ts'
import { certificateKey } from '../crypto/x509.ts'
import { writeDurably } from '../system/durable-file.ts'
import { Refusal } from '../errors/refusal.ts'

// A relay that starts makes no certificate, and need not wait for the library.
const loadX509 = async (): Promise<typeof import('../crypto/x509-create.ts')> =>
  await import('../crypto/x509-create.ts')

interface NewFile {
  readonly path: string
  readonly content: string
  readonly mode: number
}

/** The files of a new identity, in the order in which they are written. */
export function identityPaths(paths: Paths): string[] {
  return [
    paths.caKey,
    paths.caCertificate,
    paths.caSerial,
    paths.serverKey,
    paths.serverRequest,
    paths.serverCertificate,
    paths.fingerprint,
    paths.opensslCaConf,
    paths.opensslServerConf,
  ]
}

/**
 * Creates a certificate authority and a server certificate, with all the files that openssl would leave.
 *
 * @returns the fingerprint, 44 characters
 */
export async function createIdentity(paths: Paths, alg: SigningAlg, commonName: string): Promise<string> {
  refuseCommonName(commonName)
  const notBefore = new Date()
  const caKey = generateSigningKey(alg)
  const { createCaCertificate } = await loadX509()
  const ca = createCaCertificate({ key: caKey, serial: randomSerial(), notBefore })
  const files = [
    { path: paths.caKey, content: signingKeyToPem(caKey), mode: 0o600 },
    { path: paths.caCertificate, content: certificateToPem(ca), mode: 0o644 },
    { path: paths.opensslCaConf, content: opensslCaConfig(), mode: 0o644 },
    ...(await serverFiles(paths, { alg, commonName, ca, caKey, serial: randomSerial(), notBefore })),
  ]
  for (const { path, content, mode } of files) await writeDurably(path, content, { mode, ifExists: 'fail' })
  return fingerprintText(certificateFingerprint(ca))
}

/**
 * Creates a new server certificate under the present certificate authority; the identity stays. Options that are not
 * given stay as in the present certificate. Writes nothing unless everything could be created.
 */
export async function renewServerCertificate(
  paths: Paths,
  wanted: { readonly alg?: SigningAlg | undefined; readonly commonName?: string | undefined },
): Promise<void> {
  const caKey = await readCaKey(paths)
  const ca = await readCertificate(paths.caCertificate)
  const caPublicKey = certificateKey(ca)
  if (!caPublicKey || !samePublicKey(caPublicKey, caKey.publicKey)) {
    throw new AppError(
      'CA_KEY',
      `${paths.caKey} is not the key of ${paths.caCertificate}.`,
      'Restore the key that was created together with this certificate.',
    )
  }
  const complete = wanted.alg !== undefined && wanted.commonName !== undefined
  const present = complete ? undefined : await readCertificate(paths.serverCertificate)
  const alg = wanted.alg ?? caKey.alg
  const commonName = wanted.commonName ?? presentCommonName(present)
  refuseCommonName(commonName)
  const lastSerial = existsSync(paths.caSerial) ? await readFile(paths.caSerial, 'utf8') : undefined
  const files = await serverFiles(paths, {
    alg,
    commonName,
    ca,
    caKey,
    serial: nextSerial(lastSerial),
    notBefore: new Date(),
  })
  for (const { path, content, mode } of files) await writeDurably(path, content, { mode, ifExists: 'replace' })
}

/**
 * The fingerprint, after checking that the certificates exist and that it belongs to them. An empty or missing file is
 * read as what it would hold: the fingerprint is only the hash of `ca.crt`.
 *
 * @throws Refusal in the words of upstream
 */
export async function readFingerprint(paths: Paths): Promise<string> {
  const needed = [paths.caCertificate, paths.serverCertificate, paths.serverKey]
  const missing = needed.filter((path) => !existsSync(path))
  if (missing.length > 0) {
    const rule = '----------'
    throw new Refusal(rule, `Error: no SMP credentials: ${missing.join(', ')}`, rule)
  }
  const actual = fingerprintText(certificateFingerprint(await readCertificate(paths.caCertificate)))
  const stored = await storedFingerprint(paths)
  if (stored === undefined || stored === actual) return actual
  throw new Refusal(
    'Stored fingerprint is invalid.',
    `${paths.fingerprint} contains ${stored.slice(0, 64)}, but the fingerprint of ${paths.caCertificate} is ${actual}.`,
    'Apps know the relay by its fingerprint. Restore the ca.crt that belongs to it, with `smp-server restore FILE`, or from another backup.',
    `If this ca.crt is the right one, remove ${paths.fingerprint}: it is then written again.`,
  )
}

/**
 * Writes the file with the fingerprint again if it is missing or empty.
 *
 * @returns a sentence when it was
 * @throws AppError `NO_FINGERPRINT` when it cannot be written
 */
export async function repairFingerprint(paths: Paths): Promise<string | undefined> {
  const fingerprint = await readFingerprint(paths)
  if ((await storedFingerprint(paths)) !== undefined) return undefined
  try {
    await writeDurably(paths.fingerprint, `${fingerprint}\n`, { mode: 0o644, ifExists: 'replace' })
  } catch (cause) {
    const message = `${paths.fingerprint} is missing or empty, and this user cannot write it.`
    const remedy = `Run as its owner: \`echo ${fingerprint} > ${paths.fingerprint}\``
    throw new AppError('NO_FINGERPRINT', message, remedy, { cause })
  }
  return `${paths.fingerprint} was missing or empty, and now contains the fingerprint of ca.crt again: ${fingerprint}`
}

async function storedFingerprint({ fingerprint }: Paths): Promise<string | undefined> {
  const text = existsSync(fingerprint) ? await readFile(fingerprint, 'utf8') : ''
  const [line = ''] = text.split(/\r?\n/, 1)
  return line.trim() === '' ? undefined : line.trim()
}

interface ServerParts {
  readonly alg: SigningAlg
  readonly commonName: string
  readonly ca: Buffer
  readonly caKey: SigningKey
  readonly serial: Buffer
  readonly notBefore: Date
}

/** The certificate comes last: until it is written, the next attempt starts from the old one. */
async function serverFiles(paths: Paths, parts: ServerParts): Promise<NewFile[]> {
  const { alg, commonName, ca, caKey, serial, notBefore } = parts
  const { createCertificateRequest, createServerCertificate } = await loadX509()
  const key = generateSigningKey(alg)
  const certificate = createServerCertificate({
    key: key.publicKey,
    commonName,
    ca: { certificate: ca, key: caKey },
    serial,
    notBefore,
  })
  const request = createCertificateRequest(key, commonName)
  const fingerprint = fingerprintText(certificateFingerprint(ca))
  return [
    { path: paths.opensslServerConf, content: opensslServerConfig(commonName), mode: 0o644 },
    { path: paths.fingerprint, content: `${fingerprint}\n`, mode: 0o644 },
    { path: paths.caSerial, content: serialText(serial), mode: 0o644 },
    { path: paths.serverRequest, content: certificateRequestToPem(request), mode: 0o644 },
    { path: paths.serverKey, content: signingKeyToPem(key), mode: 0o600 },
    { path: paths.serverCertificate, content: certificateToPem(certificate), mode: 0o644 },
  ]
}

async function readCaKey(paths: Paths): Promise<SigningKey> {
  if (!existsSync(paths.caKey)) {
    throw new AppError(
      'CA_KEY',
      `${paths.caKey} is missing, and only this key can sign a new certificate. Nothing was changed.`,
      'Copy it back from where you keep it, run the command again, and remove it afterwards.',
    )
  }
  const key = signingKeyFromPem(await readFile(paths.caKey))
  if (!key) throw new AppError('CA_KEY', `${paths.caKey} contains no Ed25519 or Ed448 key in PEM format.`)
  return key
}

async function readCertificate(path: string): Promise<Buffer> {
  const certificates = existsSync(path) ? certificatesFromPem(await readFile(path, 'utf8')) : []
  if (!certificates) throw new AppError('CERTIFICATE', `${path} contains no readable certificate.`)
  const [first, ...others] = certificates
  if (!first) throw new Refusal(`No certificate found at ${path}`)
  if (others.length > 0) throw new Refusal(`Too many certificates at ${path}`)
  return first
}

function presentCommonName(certificate: Buffer | undefined): string {
  const subject = certificate ? new X509Certificate(certificate).subject : ''
  const name = /^CN=(.*)$/m.exec(subject)?.[1]
  if (name === undefined) throw new Refusal('Certificate subject has no CN element')
  return name
}

function refuseCommonName(commonName: string): void {
  try {
    checkCommonName(commonName)
  } catch (cause) {
    throw new AppError(
      'COMMON_NAME',
      `"${commonName}" cannot be the name in a certificate: that has 1 to 64 printable ASCII characters.`,
      'Use a shorter one here, and set `host` in [TRANSPORT] of the INI file to the real one: apps use only that.',
      { cause },
    )
  }
}
