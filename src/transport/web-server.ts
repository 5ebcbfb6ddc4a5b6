import { ServerResponse, type IncomingMessage } from 'node:http'
import { createSecureServer } from 'node:http2'
import { createServer } from 'node:https'
import type { Duplex } from 'node:stream'
import { TLSSocket, type Server, type TlsOptions } from 'node:tls'
import { WebSocketServer } from 'ws'
import { BLOCK_SIZE } from '../protocol/limits.ts'
import type { BlockChannel } from './channel.ts'
import { HTTP2_ALPN, HTTP_ALPN, SMP_ALPN } from './tls-parameters.ts'
import { tlsSession, type TlsFault } from './tls-session.ts'
import type { WebCertificate } from './web-certificate.ts'
import { answerWith, type RequestHandler } from './web-requests.ts'
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
  /** From the end of TLS to a request or the upgrade, and without anything sent or received after it; 20 s when absent. */
  readonly requestTimeoutMs?: number
}

const REQUEST_TIMEOUT_MS = 20_000
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
  settings: { enablePush: false, maxConcurrentStreams: 32, maxHeaderListSize: MAX_HEADER_SIZE },
}
const HTTP1_LIMITS = { maxHeaderSize: MAX_HEADER_SIZE, maxRequestsPerSocket: 1 }

/**
 * HTTPS for one port, not listening: WebSockets on every path, `/health`, and the site where there is one. Connections
 * that were accepted elsewhere can be passed to it.
 */
export function createWebServer(options: WebServerOptions): Server {
  const { onChannel, onTlsError, requestTimeoutMs = REQUEST_TIMEOUT_MS } = options
  const webSockets = new WebSocketServer(WEBSOCKET_OPTIONS)
  const timers = new WeakMap<TLSSocket, NodeJS.Timeout>()
  const server = httpServer(options, requestTimeoutMs)

  // node:http looks for slow requests only in servers that listen themselves.
  server.on('secureConnection', (socket) => {
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
    const session = tlsSession(socket)
    if ('code' in session) {
      onTlsError(session)
      socket.destroy()
      return
    }
    webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      clearTimeout(timers.get(socket))
      onChannel(new WebSocketChannel(webSocket, socket, session, options.port()), challengeIn(request.url ?? ''))
    })
  })
  return server
}

/** HTTP/1.1, and HTTP/2 where there are pages. */
function httpServer(options: WebServerOptions, idleMs: number): Server {
  const { certificate, site } = options
  const tls: TlsOptions = {
    ...options.tls,
    ...(certificate && {
      SNICallback: (_name, done) => {
        void certificate.context().then((context) => done(null, context))
      },
    }),
  }
  const answer = oncePerConnection(answerWith(site))
  if (site === undefined) {
    const server = createServer({ ...tls, ALPNProtocols: [HTTP_ALPN, SMP_ALPN] }, answer)
    return Object.assign(server, HTTP1_LIMITS)
  }
  const server = createSecureServer({ ...tls, ...HTTP2_OPTIONS }, answer)
  server.on('session', (session) => session.setTimeout(idleMs, () => session.destroy()))
  return Object.assign(server, HTTP1_LIMITS)
}

/** Clients that want several requests per connection use HTTP/2. */
function oncePerConnection(answer: RequestHandler): RequestHandler {
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
