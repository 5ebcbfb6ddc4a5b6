import { X509Certificate } from 'node:crypto'
import { connect as connectTcp, isIP } from 'node:net'
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls'
import { certificateFingerprint } from '../crypto/fingerprint.ts'
import { identityCertificate } from '../crypto/x509.ts'
import { guardedLookup } from './dns-guard.ts'
import { PROXY_HEADER_REFUSAL } from './not-tls.ts'
import { peerChain } from './peer-certificates.ts'
import { SMP_ALPN, TLS_PARAMETERS } from './tls-parameters.ts'

/**
 * What stands between apps and the relay: something that wants a server name before it passes the connection on, that puts
 * a PROXY header in front of it, or that ends TLS with a certificate of its own, for these names.
 */
export type Front =
  | { readonly type: 'server name' }
  | { readonly type: 'PROXY header' }
  | { readonly type: 'ends TLS'; readonly names: string }

export interface FrontProbeOptions {
  readonly host: string
  readonly port: number
  /** SHA-256 of the relay's identity certificate, 32 bytes. */
  readonly keyHash: Buffer
  /** Milliseconds for each connection; 5000 when absent. */
  readonly timeoutMs?: number
}

const TIMEOUT_MS = 5000

/**
 * Finds out why apps do not get through to a relay whose host answers: connects as they do not, with a server name, and
 * with the TLS of browsers. undefined when nothing in front of the relay is recognised.
 */
export async function probeFront(options: FrontProbeOptions): Promise<Front | undefined> {
  if (await answersProxyHeader(options)) return { type: 'PROXY header' }
  if (await isRelayWithServerName(options)) return { type: 'server name' }
  const names = (await certificateNames(options, false)) ?? (await certificateNames(options, true))
  return names === undefined ? undefined : { type: 'ends TLS', names }
}

/** The relay refuses a PROXY header with a line of text, which comes back through the proxy that sent it. */
function answersProxyHeader({ host, port, timeoutMs = TIMEOUT_MS }: FrontProbeOptions): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connectTcp({ host, port, lookup: guardedLookup() })
    let text = ''
    const end = (): void => {
      clearTimeout(timer)
      socket.destroy()
      resolve(text.includes(PROXY_HEADER_REFUSAL.trim()))
    }
    const timer = setTimeout(end, timeoutMs)
    socket.setEncoding('latin1')
    // The beginning of a TLS record: a proxy that waits for the client to speak first connects to the relay now.
    socket.on('connect', () => socket.write(Buffer.of(22, 3, 1, 0, 0)))
    socket.on('data', (chunk: string) => {
      text += chunk
      if (text.length > PROXY_HEADER_REFUSAL.length) end()
    })
    socket.on('error', end).on('close', end)
  })
}

async function isRelayWithServerName(options: FrontProbeOptions): Promise<boolean> {
  const { host, keyHash } = options
  if (isIP(host) !== 0) return false
  const chain = await withTls(options, { ...TLS_PARAMETERS, ALPNProtocols: [SMP_ALPN], servername: host }, peerChain)
  const identity = chain && identityCertificate(chain)
  return identity !== undefined && certificateFingerprint(identity).equals(keyHash)
}

/** The names of a certificate that is not the relay's, for a client with the TLS of browsers. */
function certificateNames(options: FrontProbeOptions, named: boolean): Promise<string | undefined> {
  const { host, keyHash } = options
  if (named && isIP(host) !== 0) return Promise.resolve(undefined)
  const tls = { ALPNProtocols: ['http/1.1'], ...(named && { servername: host }) }
  return withTls(options, tls, (socket) => {
    const chain = peerChain(socket)
    const identity = identityCertificate(chain)
    if (identity !== undefined && certificateFingerprint(identity).equals(keyHash)) return undefined
    const leaf = chain[0] && new X509Certificate(chain[0])
    // That of another relay is not for browsers.
    if (leaf?.publicKey.asymmetricKeyType?.startsWith('ed') === true) return undefined
    return leaf && (leaf.subjectAltName?.replaceAll('DNS:', '') ?? leaf.subject.replaceAll('\n', ', '))
  })
}

/** What `look` sees in a TLS connection; undefined when there is none in time. */
function withTls<T>(
  { host, port, timeoutMs = TIMEOUT_MS }: FrontProbeOptions,
  options: ConnectionOptions,
  look: (socket: TLSSocket) => T,
): Promise<T | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, lookup: guardedLookup(), rejectUnauthorized: false, ...options })
    const end = (seen: T | undefined): void => {
      clearTimeout(timer)
      socket.destroy()
      resolve(seen)
    }
    const timer = setTimeout(() => end(undefined), timeoutMs)
    socket.once('secureConnect', () => end(look(socket)))
    socket.on('error', () => end(undefined)).on('close', () => end(undefined))
  })
}
