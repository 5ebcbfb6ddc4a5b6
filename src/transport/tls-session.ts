import type { TLSSocket } from 'node:tls'

/** A connection that did not become a channel. */
export interface TlsFault {
  readonly code: string
  /** What it means for the operator, without a final stop, where that is known. */
  readonly detail?: string
}

/** For the log. */
export function tlsFaultText({ code, detail }: TlsFault): string {
  return `TLS error: ${code}${detail === undefined ? '' : `: ${detail}`}`
}

/**
 * The session id of an accepted connection after its TLS handshake: the client's Finished message ("tls-unique"),
 * 12 bytes in TLS 1.2, 32 or 48 in 1.3.
 */
export function sessionIdOf(socket: TLSSocket): Buffer | TlsFault {
  // Node leaves what OpenSSL found wrong with a client's certificates in OpenSSL's error queue, where the next write takes
  // it for a failure of its own and sends nothing. This call empties the queue, and reads one certificate only.
  socket.getPeerCertificate()
  return socket.getPeerFinished() ?? { code: 'NO_SESSION_ID' }
}
