import { createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, type TlsOptions, type TLSSocket } from 'node:tls'
import { bind, errorCode } from './bind.ts'
import type { BlockChannel } from './channel.ts'
import type { RelayCredentials } from './credentials.ts'
import { MAX_CHAIN, peerChain } from './peer-certificates.ts'
import { Thrift } from './thrift.ts'
import { ThriftyStream } from './thrifty-stream.ts'
import { TlsChannel } from './tls-channel.ts'
import { ALPN_PROTOCOLS, TLS_PARAMETERS } from './tls-parameters.ts'

const TLS_TIMEOUT_MS = 60_000
/** Later than the 10 minutes after which clients with subscriptions PING, so that live ones are never probed. */
const KEEP_ALIVE_MS = 900_000

/** A connection that did not become a channel: TLS failed, or the client's chain is longer than SMP allows. */
export interface TlsFault {
  readonly code: string
}

export interface ListenOptions {
  /** One address to listen on; all of them, IPv6 and IPv4, when absent. */
  readonly host?: string
  /** 0 for any free one. */
  readonly port: number
  readonly credentials: RelayCredentials
  /** A connection whose TLS is complete; the SMP handshake has not begun. */
  readonly onChannel: (channel: BlockChannel) => void
  readonly onTlsError?: (fault: TlsFault) => void
  /** For TLS, from accepting the connection on; 60 s when absent. */
  readonly handshakeTimeoutMs?: number
}

export interface ListenerCounts {
  accepted: number
  closed: number
  readonly active: number
}

export interface Listener {
  readonly port: number
  /** Connections, those whose TLS is not complete included. */
  readonly counts: Readonly<ListenerCounts>
  /** New connections get these from now on. */
  useCredentials(credentials: RelayCredentials): void
  /** Stops listening and ends every connection. */
  close(): Promise<void>
}

/**
 * Accepts SMP connections (wire format §3). With an operator's fault, such as a port in use, the promise is rejected
 * with an AppError.
 */
export async function listen(options: ListenOptions): Promise<Listener> {
  const tls = createTlsServer(tlsOptions(options))
  const server = createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS })
  const sockets = new Set<Socket>()
  const counts = {
    accepted: 0,
    closed: 0,
    get active(): number {
      return sockets.size
    },
  }

  function forget(this: Socket): void {
    if (sockets.delete(this)) counts.closed++
  }
  server.on('connection', (socket: Socket) => {
    counts.accepted++
    sockets.add(socket)
    socket.on('close', forget)
    tls.emit('connection', new ThriftyStream(socket))
  })
  tls.on('secureConnection', (socket) => {
    if (server.listening) openChannel(socket, portOf(server), options)
    else socket.destroy()
  })
  tls.on('tlsClientError', (error, socket) => {
    options.onTlsError?.({ code: errorCode(error) })
    socket.destroy()
  })

  await bind(server, options.port, options.host)
  // A connection that cannot be accepted (no descriptor left, reset before accept) is no reason to stop listening.
  server.on('error', (error) => options.onTlsError?.({ code: errorCode(error) }))
  return {
    port: portOf(server),
    counts,
    useCredentials: (credentials) => tls.setSecureContext(certificateOptions(credentials)),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      }),
  }
}

function tlsOptions(options: ListenOptions): TlsOptions {
  return {
    ...certificateOptions(options.credentials),
    ALPNProtocols: [...ALPN_PROTOCOLS],
    // Asked of every client, given by services only, and verified in the SMP handshake by SMP's own rules.
    requestCert: true,
    rejectUnauthorized: false,
    handshakeTimeout: options.handshakeTimeoutMs ?? TLS_TIMEOUT_MS,
  }
}

function certificateOptions(credentials: RelayCredentials): TlsOptions {
  return { ...TLS_PARAMETERS, cert: credentials.certPem, key: credentials.keyPem }
}

function openChannel(socket: TLSSocket, port: number, options: ListenOptions): void {
  const sessionId = socket.getPeerFinished()
  const certificates = peerChain(socket)
  if (sessionId === undefined || certificates.length > MAX_CHAIN) {
    socket.on('error', () => undefined)
    socket.destroy()
    options.onTlsError?.({ code: sessionId === undefined ? 'NO_SESSION_ID' : 'CHAIN_TOO_LONG' })
    return
  }
  const channel = new TlsChannel(socket, sessionId, certificates, port, new Thrift())
  // What TLS has to say at the end of its handshake leaves first: together with a block it would need a larger buffer.
  setImmediate(() => setImmediate(() => options.onChannel(channel)))
}

function portOf(server: Server): number {
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('a TCP server without a port')
  return address.port
}
