import { ServerResponse, type IncomingMessage } from 'node:http'
import { createSecureServer, type ServerHttp2Session } from 'node:http2'
import { createServer } from 'node:https'
import type { Duplex } from 'node:stream'
import { TLSSocket, type Server, type TlsOptions } from 'node:tls'
import { WebSocketServer } from 'ws'
import { BLOCK_SIZE } from '../protocol/limits.ts'
import type { BlockChannel } from './channel.ts'
import { ConnectionCap } from './connection-cap.ts'
import { HTTP2_ALPN, HTTP_ALPN, SMP_ALPN } from './tls-parameters.ts'
import { sessionIdOf, type TlsFault } from './tls-session.ts'
import type { WebCertificate } from './web-certificate.ts'
import { answerWith, listenerFor, type RequestHandler, type RequestListener } from './web-requests.ts'
import { WebSocketChannel } from './websocket-channel.ts'

export interface WebServerOptions {
  /** Certificate and TLS parameters for clients that do not get `certificate`. */
  readonly tls: TlsOptions
  readonly certificate?: WebCertificate
  /** The pages, also over HTTP/2; without them only `/health` is found. */
  readonly site?: RequestHandler
  readonly port: () => number
  /**
   * @param channel carries blocks in messages
   * @param challenge what the client wants the relay to sign with its identity, 32 bytes; undefined when it wants nothing
   */
  readonly onChannel: (channel: BlockChannel, challenge?: Buffer) => void
  readonly onTlsError: (fault: TlsFault) => void
  readonly limits?: Partial<WebLimits>
}

/** What one client of the web may use; times in milliseconds. */
export interface WebLimits {
  /** From the end of TLS to a request or the upgrade, and without anything sent or received after it. */
  readonly requestTimeoutMs: number
  /** For a whole response. */
  readonly responseTimeoutMs: number
  /** For a connection of HTTP/2, however busy it is. */
  readonly sessionTimeoutMs: number
  /** Connections that are not WebSockets; a further one closes the oldest. */
  readonly maxConnections: number
}

const LIMITS: WebLimits = {
  requestTimeoutMs: 20_000,
  responseTimeoutMs: 120_000,
  sessionTimeoutMs: 300_000,
  maxConnections: 256,
}

/** Milliseconds in which the responses of an ended HTTP/2 session may still be completed. */
const SESSION_GRACE_MS = 5000
const CLOSE_TIMEOUT_MS = 5000
const MAX_HEADER_SIZE = 8192

/** One message is one block, so none may be longer; and blocks are encrypted, so compression is useless. */
const WEBSOCKET_OPTIONS = {
  noServer: true,
  clientTracking: false,
  perMessageDeflate: false,
  maxPayload: BLOCK_SIZE,
  maxFragments: 256,
  maxBufferedChunks: 1024,
  closeTimeout: CLOSE_TIMEOUT_MS,
}

/** Pages are small, and a browser asks for a few files at a time. */
const HTTP2_OPTIONS = {
  allowHTTP1: true,
  maxSessionMemory: 2,
  streamResetBurst: 100,
  streamResetRate: 10,
  settings: { enablePush: false, maxConcurrentStreams: 32, maxHeaderListSize: MAX_HEADER_SIZE },
}
const HTTP1_LIMITS = { maxHeaderSize: MAX_HEADER_SIZE, maxRequestsPerSocket: 1 }

/**
 * HTTPS for one port, not listening: WebSockets on every path, `/health`, and the site where there is one. Connections
 * that were accepted elsewhere can be passed to it.
 */
export function createWebServer(options: WebServerOptions): Server {
  const { onChannel, onTlsError } = options
  const limits = { ...LIMITS, ...options.limits }
  const { requestTimeoutMs } = limits
  const webSockets = new WebSocketServer(WEBSOCKET_OPTIONS)
  const timers = new WeakMap<TLSSocket, NodeJS.Timeout>()
  const connections = new ConnectionCap(limits.maxConnections)
  const server = httpServer(options, limits)

  // node:http looks for slow requests only in servers that listen themselves.
  server.on('secureConnection', (socket) => {
    connections.add(socket)
    if (socket.alpnProtocol === HTTP2_ALPN) return
    const timer = setTimeout(() => socket.destroy(), requestTimeoutMs)
    timers.set(socket, timer)
    socket.once('close', () => clearTimeout(timer))
  })
  server.on('request', ({ socket }: IncomingMessage) => {
    if (!(socket instanceof TLSSocket)) return
    const timer = timers.get(socket)
    if (timer === undefined) return
    clearTimeout(timer)
    socket.setTimeout(requestTimeoutMs)
  })
  server.on('tlsClientError', (error: NodeJS.ErrnoException, socket) => {
    onTlsError({ code: error.code ?? 'UNKNOWN' })
    socket.destroy()
  })
  // The answer of node:http itself would be lost, because it destroys the socket in the same moment.
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) => {
    if (!socket.writable) {
      socket.destroy()
      return
    }
    const status = error.code === 'HPE_HEADER_OVERFLOW' ? '431 Request Header Fields Too Large' : '400 Bad Request'
    socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\n\r\n`, () => socket.destroy())
  })
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    if (!(socket instanceof TLSSocket)) throw new TypeError('an upgrade without TLS')
    const sessionId = sessionIdOf(socket)
    if (!Buffer.isBuffer(sessionId)) {
      onTlsError(sessionId)
      socket.destroy()
      return
    }
    webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      clearTimeout(timers.get(socket))
      connections.release(socket)
      onChannel(new WebSocketChannel(webSocket, socket, sessionId, options.port()), challengeIn(request.url ?? ''))
    })
  })
  return server
}

/** HTTP/1.1, and HTTP/2 where there are pages. */
function httpServer(options: WebServerOptions, limits: WebLimits): Server {
  const { certificate, site } = options
  const tls: TlsOptions = {
    ...options.tls,
    ...(certificate && {
      SNICallback: (_name, done) => {
        void certificate.context().then((context) => done(null, context))
      },
    }),
  }
  const answer = oncePerConnection(listenerFor(answerWith(site), limits.responseTimeoutMs))
  if (site === undefined) {
    const server = createServer({ ...tls, ALPNProtocols: [HTTP_ALPN, SMP_ALPN] }, answer)
    return Object.assign(server, HTTP1_LIMITS)
  }
  const server = createSecureServer({ ...tls, ...HTTP2_OPTIONS }, answer)
  server.on('session', (session) => limitSession(session, limits))
  return Object.assign(server, HTTP1_LIMITS)
}

/** Ends a session that is idle, or that lasts too long: PING frames alone keep it busy. */
function limitSession(session: ServerHttp2Session, { requestTimeoutMs, sessionTimeoutMs }: WebLimits): void {
  const end = (): void => session.destroy()
  session.setTimeout(requestTimeoutMs, end)
  let timer = setTimeout(() => {
    session.close()
    timer = setTimeout(end, Math.min(SESSION_GRACE_MS, sessionTimeoutMs))
  }, sessionTimeoutMs)
  session.once('close', () => clearTimeout(timer))
}

/** Clients that want several requests per connection use HTTP/2. */
function oncePerConnection(answer: RequestListener): RequestListener {
  return (request, response) => {
    if (response instanceof ServerResponse) response.shouldKeepAlive = false
    answer(request, response)
  }
}

/** The `challenge` of the query: 43 characters of unpadded base64url for 32 bytes; undefined for anything else. */
export function challengeIn(url: string): Buffer | undefined {
  const query = url.indexOf('?')
  const text = query < 0 ? null : new URLSearchParams(url.slice(query + 1)).get('challenge')
  return text !== null && /^[\w-]{43}$/.test(text) ? Buffer.from(text, 'base64url') : undefined
}
