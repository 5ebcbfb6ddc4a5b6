import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import { TLSSocket, type TlsOptions } from 'node:tls'
import { WebSocketServer } from 'ws'
import { BLOCK_SIZE } from '../protocol/limits.ts'
import type { BlockChannel } from './channel.ts'
import { HTTP_ALPN, SMP_ALPN } from './tls-parameters.ts'
import { tlsSession, type TlsFault } from './tls-session.ts'
import type { WebCertificate } from './web-certificate.ts'
import { WebSocketChannel } from './websocket-channel.ts'

export interface WebServerOptions {
  /** Certificate and TLS parameters for those that do not get `certificate`. */
  readonly tls: TlsOptions
  readonly certificate?: WebCertificate
  readonly port: () => number
  /**
   * @param channel speaks blocks in messages
   * @param challenge what the client wants a proof of identity over, 32 bytes; undefined when it wants none
   */
  readonly onChannel: (channel: BlockChannel, challenge?: Buffer) => void
  readonly onTlsError: (fault: TlsFault) => void
  /** From the end of TLS to the end of a response or the upgrade; 20 s when absent. */
  readonly requestTimeoutMs?: number
}

const REQUEST_TIMEOUT_MS = 20_000
const CLOSE_TIMEOUT_MS = 5000
const MAX_HEADER_SIZE = 8192

/** One message is one block, so there is no need for longer ones, or for compression: blocks are encrypted. */
const WEBSOCKET_OPTIONS = {
  noServer: true,
  clientTracking: false,
  perMessageDeflate: false,
  maxPayload: BLOCK_SIZE,
  maxFragments: 256,
  maxBufferedChunks: 1024,
  closeTimeout: CLOSE_TIMEOUT_MS,
}

/**
 * HTTPS for one port, not listening yet: WebSockets on every path, `/health`, and nothing else. It does as well when
 * connections are handed to it that were accepted elsewhere.
 */
export function createWebServer(options: WebServerOptions): Server {
  const { certificate, onChannel, onTlsError, requestTimeoutMs = REQUEST_TIMEOUT_MS } = options
  const webSockets = new WebSocketServer(WEBSOCKET_OPTIONS)
  const timers = new WeakMap<TLSSocket, NodeJS.Timeout>()
  const server = createServer(
    {
      ...options.tls,
      ALPNProtocols: [HTTP_ALPN, SMP_ALPN],
      maxHeaderSize: MAX_HEADER_SIZE,
      ...(certificate && {
        SNICallback: (_name, done) => {
          void certificate.context().then((context) => done(null, context))
        },
      }),
    },
    respond,
  )
  server.maxRequestsPerSocket = 1

  // node:http looks for slow requests only in servers that listen themselves.
  server.on('secureConnection', (socket) => {
    const timer = setTimeout(() => socket.destroy(), requestTimeoutMs)
    timers.set(socket, timer)
    socket.once('close', () => clearTimeout(timer))
  })
  server.on('tlsClientError', (error: NodeJS.ErrnoException, socket) => {
    onTlsError({ code: error.code ?? 'UNKNOWN' })
    socket.destroy()
  })
  // The answer of node:http itself would be lost with the socket that it destroys in the same moment.
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    if (!socket.writable) {
      socket.destroy()
      return
    }
    const status = error.code === 'HPE_HEADER_OVERFLOW' ? '431 Request Header Fields Too Large' : '400 Bad Request'
    socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\n\r\n`, () => socket.destroy())
  })
  server.on('upgrade', (request, socket, head) => {
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

/** `challenge` in the query: 43 characters that are 32 bytes in base64url without padding; else there is none. */
export function challengeIn(url: string): Buffer | undefined {
  const query = url.indexOf('?')
  const text = query < 0 ? null : new URLSearchParams(url.slice(query + 1)).get('challenge')
  return text !== null && /^[\w-]{43}$/.test(text) ? Buffer.from(text, 'base64url') : undefined
}

function respond(request: IncomingMessage, response: ServerResponse): void {
  const [status, text] = answerTo(request)
  response.writeHead(status, {
    'Content-Type': 'text/plain; charset=utf-8',
    'Content-Length': text.length,
    Connection: 'close',
    ...(status === 405 && { Allow: 'GET, HEAD' }),
  })
  response.end(text)
}

function answerTo({ method, url = '' }: IncomingMessage): [status: number, text: string] {
  if (method !== 'GET' && method !== 'HEAD') return [405, 'method not allowed']
  return url.split('?', 1)[0] === '/health' ? [200, 'ok'] : [404, 'not found']
}
