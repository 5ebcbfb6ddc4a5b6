import { createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, type Server as TlsServer, type TlsOptions, type TLSSocket } from 'node:tls'
import { errorCode } from '../system/error-code.ts'
import { bind } from './bind.ts'
import { takeCircuitHeader } from './circuit-header.ts'
import type { BlockChannel } from './channel.ts'
import type { ConnectionLimits } from './connection-limits.ts'
import type { RelayCredentials } from './credentials.ts'
import { NOT_TLS_ANSWERS, NOT_TLS_DETAILS, notTls, type NotTls } from './not-tls.ts'
import { LowMemory, ROOMY_CONNECTIONS } from './low-memory.ts'
import { LowMemoryStream } from './low-memory-stream.ts'
import { TlsChannel } from './tls-channel.ts'
import { ALPN_PROTOCOLS, TLS_PARAMETERS, WEB_TLS_PARAMETERS } from './tls-parameters.ts'
import { sessionIdOf, type TlsFault } from './tls-session.ts'
import type { WebCertificate } from './web-certificate.ts'
import { peekClientHello, protocolOf, type Protocol } from './web-dispatch.ts'
import type { RequestHandler } from './web-requests.ts'
import { createWebServer, type WebLimits } from './web-server.ts'

export type { TlsFault } from './tls-session.ts'

const TLS_TIMEOUT_MS = 60_000
/** Longer than the 10 minutes after which clients with subscriptions send PING, so that live ones are never probed. */
const KEEP_ALIVE_MS = 900_000
/**
 * Bytes of a client's TLS handshake where certificates are requested, enough for four of them: OpenSSL verifies every
 * certificate that a client sends before anybody can refuse them.
 */
const MAX_HANDSHAKE = 8192
/** A request may follow the handshake at once. */
const MAX_WEB_HANDSHAKE = 2 * MAX_HANDSHAKE
/** For the answer to a client that does not speak TLS. */
const REFUSAL_MS = 1000
/** For the first TLS message alone, which clients send at once. */
const HELLO_TIMEOUT_MS = 20_000

/** HTTP with or without pages, and SMP over WebSockets. */
export interface WebOptions {
  /** Beside SMP blocks, told apart by the client's first message; or alone, for every client. */
  readonly on: 'shared port' | 'own port'
  /**
   * For clients that send a server name (SNI), as browsers do. Other clients get the relay's own certificate, and so does
   * everybody while there is none.
   */
  readonly certificate?: WebCertificate
  /** The pages, served with the web certificate. */
  readonly site?: RequestHandler
  readonly limits?: Partial<WebLimits>
}

/**
 * A connection after its TLS handshake and before its SMP handshake.
 *
 * @param credentials those of its TLS handshake
 * @param challenge what a WebSocket client wants a proof of identity over, 32 bytes
 */
export type OnChannel = (channel: BlockChannel, credentials: RelayCredentials, challenge?: Buffer) => void

export interface ListenOptions {
  /** One address to listen on; all of them, IPv6 and IPv4, when absent. */
  readonly host?: string
  /** 0 for any free one. */
  readonly port: number
  readonly credentials: RelayCredentials
  readonly onChannel: OnChannel
  readonly onTlsError?: (fault: TlsFault) => void
  /** Shared by all listeners; none when absent. */
  readonly limits?: ConnectionLimits
  /** For TLS, from accepting the connection; 60 s when absent. */
  readonly handshakeTimeoutMs?: number
  /** What a client may send before the relay's first block, where certificates are requested; 8 KiB when absent. */
  readonly maxHandshakeBytes?: number
  /** Connections that need not save memory; 1000 when absent. */
  readonly roomyConnections?: number
  /** SMP blocks alone when absent. */
  readonly web?: WebOptions
  /** For an own tor that sends a header with the circuit before the client's bytes; nobody else gets through then. */
  readonly withCircuits?: boolean
  /** The key that sets the port, named in the error of a port in use. */
  readonly setting?: { readonly key: string; readonly section: string }
}

export interface ListenerCounts {
  accepted: number
  closed: number
  readonly active: number
}

export interface Listener {
  readonly port: number
  /** As in the options. */
  readonly withCircuits: boolean
  /** Connections, including those whose TLS handshake is not complete. */
  readonly counts: Readonly<ListenerCounts>
  /** Uses these for new connections. */
  use(changed: Pick<ListenOptions, 'credentials' | 'web'>): void
  /** Stops listening, and resolves when the last of its connections has ended. */
  retire(): Promise<void>
  /** Stops listening and ends every connection. */
  close(): Promise<void>
}

/**
 * Accepts SMP connections (wire format §3), and those of the web where configured.
 *
 * @throws whatever `bind` throws
 */
export async function listen(options: ListenOptions): Promise<Listener> {
  const server = createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS })
  let current = options
  const sockets = new Set<Socket>()
  const counts = {
    accepted: 0,
    closed: 0,
    get active(): number {
      return sockets.size
    },
  }

  const open: OpenPort = {
    port: options.port,
    get isCrowded(): boolean {
      return sockets.size > (options.roomyConnections ?? ROOMY_CONNECTIONS)
    },
  }
  let accept = acceptorFor(current, open)

  function forget(this: Socket): void {
    if (sockets.delete(this)) counts.closed++
  }
  server.on('connection', (socket: Socket) => {
    counts.accepted++
    if (options.limits?.admit(socket) === false) {
      counts.closed++
      return
    }
    sockets.add(socket)
    socket.on('close', forget)
    if (options.withCircuits === true) acceptFromTor(socket, options, accept)
    else accept(socket)
  })

  await bind(server, options.port, options.host, options.setting?.key, options.setting?.section)
  open.port = portOf(server)
  // A connection that cannot be accepted (out of descriptors, reset before accept) is no reason to stop listening.
  server.on('error', (error) => options.onTlsError?.({ code: errorCode(error) ?? 'UNKNOWN' }))
  const retired = new Promise<void>((resolve) => server.once('close', resolve))
  const retire = (): Promise<void> => {
    server.close()
    return retired
  }
  return {
    port: open.port,
    withCircuits: options.withCircuits === true,
    counts,
    use: (changed) => {
      current = { ...current, ...changed }
      accept = acceptorFor(current, open)
    },
    retire,
    close: () => {
      const closed = retire()
      for (const socket of sockets) socket.destroy()
      return closed
    },
  }
}

/** A port as it is now: the number that was asked for may be 0 until it is bound. */
interface OpenPort {
  port: number
  /** Whether the newest connection has to save memory. */
  readonly isCrowded: boolean
}

/** What takes the TCP connections of one port; its second argument hears when a TLS handshake is complete. */
type Acceptor = (socket: Socket, established?: () => void) => void

/** Passes on what is within the limits of its circuit. */
function acceptFromTor(socket: Socket, { limits, onTlsError }: ListenOptions, accept: Acceptor): void {
  takeCircuitHeader(
    socket,
    HELLO_TIMEOUT_MS,
    (circuit) => {
      const admitted = limits?.admitCircuit(socket, circuit)
      if (limits === undefined || admitted) accept(socket, admitted?.established)
    },
    (code) => onTlsError?.({ code }),
  )
}

function acceptorFor(options: ListenOptions, open: OpenPort): Acceptor {
  const { web } = options
  if (web === undefined) return smpAcceptor(options, open)
  const http = webServer(options, web, open)
  const maxHandshake = asksForCertificates(web) ? (options.maxHandshakeBytes ?? MAX_WEB_HANDSHAKE) : Infinity
  const webAcceptor: Acceptor = (socket, established) => start(socket, http, open, maxHandshake, established)
  return web.on === 'own port' ? webAcceptor : sharedAcceptor(options, smpAcceptor(options, open), webAcceptor)
}

function smpAcceptor(options: ListenOptions, open: OpenPort): Acceptor {
  const server = smpServer(options, open)
  return (socket, established) => start(socket, server, open, options.maxHandshakeBytes ?? MAX_HANDSHAKE, established)
}

/** Passes each connection to the acceptor of the protocol that its client will speak. */
function sharedAcceptor(options: ListenOptions, smp: Acceptor, web: Acceptor): Acceptor {
  const timeoutMs = Math.min(options.handshakeTimeoutMs ?? TLS_TIMEOUT_MS, HELLO_TIMEOUT_MS)
  const isWebPort = options.web?.certificate !== undefined
  const acceptors: Record<Protocol, Acceptor> = { smp, web }
  return (socket, established) =>
    peekClientHello(
      socket,
      timeoutMs,
      (hello, start) => {
        const fault = hello === undefined ? notTls(start) : undefined
        if (fault === undefined) acceptors[protocolOf(hello, isWebPort)](socket, established)
        else refuseNotTls(socket, fault, options)
      },
      (code) => options.onTlsError?.({ code }),
    )
}

/** Answers in plain text, so that whoever looks sees why, and closes. */
function refuseNotTls(socket: Socket, fault: NotTls, { onTlsError }: ListenOptions): void {
  onTlsError?.({ code: fault, detail: NOT_TLS_DETAILS[fault] })
  socket.on('error', () => undefined)
  // What is left to read must be read, or closing resets the connection before the answer arrives.
  socket.resume()
  socket.end(NOT_TLS_ANSWERS[fault])
  const timer = setTimeout(() => socket.destroy(), REFUSAL_MS)
  socket.once('close', () => clearTimeout(timer))
}

function start(
  socket: Socket,
  server: TlsServer,
  { isCrowded }: OpenPort,
  maxHandshake: number,
  established?: () => void,
): void {
  server.emit('connection', new LowMemoryStream(socket, new LowMemory(isCrowded), maxHandshake, established))
}

/** A browser would ask its user for one, so they are requested only where there are no browsers. */
function asksForCertificates(web: WebOptions): boolean {
  return web.on === 'own port' && web.site === undefined
}

function smpServer(options: ListenOptions, open: OpenPort): TlsServer {
  const { handshakeTimeoutMs = TLS_TIMEOUT_MS } = options
  const server = createTlsServer({
    ...smpContext(options.credentials),
    ALPNProtocols: [...ALPN_PROTOCOLS],
    // Requested from every client, sent by services only, and verified in the SMP handshake by SMP's own rules.
    requestCert: true,
    rejectUnauthorized: false,
    handshakeTimeout: handshakeTimeoutMs,
  })
  server.on('secureConnection', (socket) => openChannel(socket, open, options))
  server.on('tlsClientError', (error, socket) => {
    options.onTlsError?.({ code: errorCode(error) ?? 'UNKNOWN' })
    socket.destroy()
  })
  return server
}

function webServer(options: ListenOptions, web: WebOptions, open: OpenPort): TlsServer {
  const { certificate, site, limits } = web
  const { handshakeTimeoutMs = TLS_TIMEOUT_MS } = options
  return createWebServer({
    tls: {
      ...webContext(options.credentials),
      requestCert: asksForCertificates(web),
      rejectUnauthorized: false,
      handshakeTimeout: handshakeTimeoutMs,
    },
    port: () => open.port,
    onChannel: (channel, challenge) => options.onChannel(channel, options.credentials, challenge),
    onTlsError: (fault) => options.onTlsError?.(fault),
    ...(certificate && { certificate }),
    ...(site && { site }),
    ...(limits && { limits }),
  })
}

function smpContext({ certPem, keyPem }: RelayCredentials): TlsOptions {
  return { ...TLS_PARAMETERS, cert: certPem, key: keyPem }
}

function webContext({ certPem, keyPem }: RelayCredentials): TlsOptions {
  return { ...WEB_TLS_PARAMETERS, cert: certPem, key: keyPem }
}

function openChannel(socket: TLSSocket, { port, isCrowded }: OpenPort, options: ListenOptions): void {
  const sessionId = sessionIdOf(socket)
  if (!Buffer.isBuffer(sessionId)) {
    socket.on('error', () => undefined)
    socket.destroy()
    options.onTlsError?.(sessionId)
    return
  }
  const channel = new TlsChannel(socket, sessionId, port, new LowMemory(isCrowded))
  // The last messages of the TLS handshake leave first: together with a block they would need a larger buffer.
  setImmediate(() => setImmediate(() => options.onChannel(channel, options.credentials)))
}

function portOf(server: Server): number {
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('a TCP server without a port')
  return address.port
}
