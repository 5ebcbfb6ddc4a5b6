import type { Server, Socket } from 'node:net'
import { createServer, type TlsOptions, type TLSSocket } from 'node:tls'
import { AppError } from '../config/app-error.ts'
import type { BlockChannel } from './channel.ts'
import type { RelayCredentials } from './credentials.ts'
import { MAX_CHAIN, peerChain } from './peer-certificates.ts'
import { portHolder } from './port-holder.ts'
import { TlsChannel } from './tls-channel.ts'
import { ALPN_PROTOCOLS, TLS_PARAMETERS } from './tls-parameters.ts'

const BACKLOG = 1024
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
  const server = createServer(serverOptions(options))
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
  })
  server.on('secureConnection', (socket) => openChannel(socket, options))
  server.on('tlsClientError', (error, socket) => {
    options.onTlsError?.({ code: errorCode(error) })
    socket.destroy()
  })

  await bind(server, options.port, options.host)
  // A connection that cannot be accepted (no descriptor left, reset before accept) is no reason to stop listening.
  server.on('error', (error) => options.onTlsError?.({ code: errorCode(error) }))
  return {
    port: portOf(server),
    counts,
    useCredentials: (credentials) => server.setSecureContext(certificateOptions(credentials)),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      }),
  }
}

function serverOptions(options: ListenOptions): TlsOptions {
  return {
    ...certificateOptions(options.credentials),
    ALPNProtocols: [...ALPN_PROTOCOLS],
    // Asked of every client, given by services only, and verified in the SMP handshake by SMP's own rules.
    requestCert: true,
    rejectUnauthorized: false,
    handshakeTimeout: options.handshakeTimeoutMs ?? TLS_TIMEOUT_MS,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: KEEP_ALIVE_MS,
  }
}

function certificateOptions(credentials: RelayCredentials): TlsOptions {
  return { ...TLS_PARAMETERS, cert: credentials.certPem, key: credentials.keyPem }
}

function openChannel(socket: TLSSocket, options: ListenOptions): void {
  const sessionId = socket.getPeerFinished()
  const certificates = peerChain(socket)
  if (sessionId === undefined || certificates.length > MAX_CHAIN) {
    socket.on('error', () => undefined)
    socket.destroy()
    options.onTlsError?.({ code: sessionId === undefined ? 'NO_SESSION_ID' : 'CHAIN_TOO_LONG' })
    return
  }
  options.onChannel(new TlsChannel(socket, sessionId, certificates))
}

/** Listens on every address, dual-stack, or on IPv4 alone where the system has no IPv6. */
async function bind(server: Server, port: number, host: string | undefined): Promise<void> {
  try {
    await (host === undefined
      ? listenOn(server, port, '::').catch((error: unknown) => {
          if (!['EAFNOSUPPORT', 'EADDRNOTAVAIL', 'EINVAL'].includes(errorCode(error))) throw error
          return listenOn(server, port, '0.0.0.0')
        })
      : listenOn(server, port, host))
  } catch (error) {
    throw await bindFault(error, port, host)
  }
}

function listenOn(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ port, host, backlog: BACKLOG, ipv6Only: false }, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

async function bindFault(error: unknown, port: number, host: string | undefined): Promise<unknown> {
  const place = host === undefined ? `port ${port}` : `port ${port} of ${host}`
  switch (errorCode(error)) {
    case 'EADDRINUSE': {
      const holder = await portHolder(port)
      const by = holder ? `by ${holder.name} (process ${holder.pid})` : 'by another process'
      const stop = holder ? `Stop process ${holder.pid}` : `Find it with \`ss -ltnp 'sport = :${port}'\` and stop it`
      return new AppError(
        'PORT_IN_USE',
        `Cannot listen on ${place}: it is in use ${by}.`,
        `${stop}, or choose another \`port\` in section [TRANSPORT] of smp-server.ini.`,
        { cause: error },
      )
    }
    case 'EACCES':
      return new AppError(
        'PORT_FORBIDDEN',
        `Cannot listen on ${place}: this user may not use ports below 1024.`,
        'Give the service the capability CAP_NET_BIND_SERVICE (systemd: AmbientCapabilities=CAP_NET_BIND_SERVICE), or choose a `port` from 1024 up in section [TRANSPORT] of smp-server.ini.',
        { cause: error },
      )
    case 'EADDRNOTAVAIL':
      return new AppError(
        'ADDRESS_NOT_LOCAL',
        `Cannot listen on ${place}: this machine does not have that address.`,
        'Choose an address of this machine.',
        { cause: error },
      )
    default:
      return error
  }
}

function portOf(server: Server): number {
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('a TCP server without a port')
  return address.port
}

function errorCode(error: unknown): string {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code
  return 'UNKNOWN'
}
