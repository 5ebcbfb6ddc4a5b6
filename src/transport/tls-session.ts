import type { TLSSocket } from 'node:tls'
import { MAX_CHAIN, peerChain } from './peer-certificates.ts'

/** What SMP needs from a TLS connection. */
export interface TlsSession {
  /** The client's Finished message ("tls-unique"): 12 bytes in TLS 1.2, 32 or 48 in 1.3. */
  readonly sessionId: Buffer
  /** DER, leaf first, at most 4; empty when the client sent none. */
  readonly certificates: readonly Buffer[]
}

/** Why a connection did not become a channel: TLS failed, or the client's chain is longer than SMP allows. */
export interface TlsFault {
  readonly code: string
}

/** The session of an accepted connection after its TLS handshake. */
export function tlsSession(socket: TLSSocket): TlsSession | TlsFault {
  const sessionId = socket.getPeerFinished()
  if (sessionId === undefined) return { code: 'NO_SESSION_ID' }
  const certificates = peerChain(socket)
  return certificates.length > MAX_CHAIN ? { code: 'CHAIN_TOO_LONG' } : { sessionId, certificates }
}
