import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { AppError } from '../errors/app-error.ts'
import type { Paths } from '../config/paths.ts'
import type { Settings } from '../config/settings.ts'
import { certificateFingerprint, fingerprintText } from '../crypto/fingerprint.ts'
import { samePublicKey, signingKeyFromPem } from '../crypto/keys.ts'
import { certificatesFromPem } from '../crypto/pem.ts'
import { certificateKey } from '../crypto/x509.ts'
import { isOnion } from '../protocol/host.ts'
import type { OnionKey } from '../crypto/onion-key.ts'
import { nextKeyFile, readOnionKey, readOnionRecord, torModeOf } from '../tor/index.ts'

export interface CheckedRelay {
  /** 44 characters. */
  readonly fingerprint: string
  /** The key of the onion service, if the relay has it and not Tor. */
  readonly onion: OnionKey | undefined
}

/**
 * Checks that the files of a relay belong together: its users know it by them. Dates do not matter: an old backup may
 * hold a certificate that has expired.
 *
 * @param names names of the files for messages, such as those in a backup
 * @throws AppError `RELAY_IDENTITY`, `RELAY_ONION`, and whatever `readOnionKey` throws
 */
export async function checkRelay(
  paths: Paths,
  settings: Settings,
  names: (path: string) => string = (path) => path,
): Promise<CheckedRelay> {
  return { fingerprint: await checkIdentity(paths, names), onion: await checkOnion(paths, settings, names) }
}

async function checkIdentity(paths: Paths, names: (path: string) => string): Promise<string> {
  const { caCertificate, serverCertificate, serverKey, fingerprint } = paths
  const fault = (message: string): AppError => {
    const remedy = 'Restore the files that belong together from an older backup.'
    return new AppError('RELAY_IDENTITY', message, remedy)
  }
  const ca = await firstCertificate(caCertificate)
  if (!ca) throw fault(`${names(caCertificate)} contains no readable certificate.`)
  const actual = fingerprintText(certificateFingerprint(ca.raw))
  const stored = (await readFile(fingerprint, 'utf8')).split(/\r?\n/, 1)[0]
  if (stored !== actual) throw fault(`${names(fingerprint)} is not the fingerprint of ${names(caCertificate)}.`)
  const server = await firstCertificate(serverCertificate)
  if (!server) throw fault(`${names(serverCertificate)} contains no readable certificate.`)
  if (!isSignedBy(server, ca)) throw fault(`${names(serverCertificate)} was not signed by ${names(caCertificate)}.`)
  const key = signingKeyFromPem(await readFile(serverKey))
  const certified = certificateKey(server.raw)
  if (!key || !certified || !samePublicKey(key.publicKey, certified)) {
    throw fault(`${names(serverKey)} is not the key of ${names(serverCertificate)}.`)
  }
  return actual
}

async function firstCertificate(path: string): Promise<X509Certificate | undefined> {
  const [first] = certificatesFromPem(await readFile(path, 'utf8')) ?? []
  try {
    return first && new X509Certificate(first)
  } catch {
    return undefined
  }
}

function isSignedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  try {
    return certificate.verify(issuer.publicKey)
  } catch {
    return false
  }
}

async function checkOnion(
  { onionKey, ini }: Paths,
  { transport, tor }: Settings,
  names: (path: string) => string,
): Promise<OnionKey | undefined> {
  const key = await readOnionKey(onionKey)
  const next = await readOnionKey(nextKeyFile(onionKey))
  const mode = torModeOf(tor.mode, await readOnionRecord(onionKey), key !== undefined)
  if (mode === undefined || mode === 'torrc') return undefined
  const kept = [key, next].map((one) => one?.hostname.toString())
  const stray = transport.hosts.filter(isOnion).find((host) => !kept.includes(host.toLowerCase()))
  if (stray === undefined) return key
  throw new AppError(
    'RELAY_ONION',
    `\`host\` in [TRANSPORT] of ${names(ini)} contains ${stray}, and ${names(onionKey)} is not its key.`,
    'Restore its key with `smp-server tor key restore FILE`, or remove the address from `host`.',
  )
}
