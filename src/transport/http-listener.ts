import { createServer } from 'node:http'
import { bind } from './bind.ts'
import { ConnectionCap } from './connection-cap.ts'
import { listenerFor, type RequestHandler } from './web-requests.ts'

export interface HttpListenOptions {
  /** One address to listen on; all of them when absent. */
  readonly host?: string
  /** 0 for any free one. */
  readonly port: number
  /** The key that sets the port, named in the error of a port in use; `http` of [WEB] when absent. */
  readonly setting?: { readonly key: string; readonly section: string }
  readonly respond: RequestHandler
  /** At a time; a further connection closes the oldest one. 512 when absent. */
  readonly maxConnections?: number
  /** Milliseconds for a whole response; 120 s when absent. */
  readonly responseTimeoutMs?: number
}

export interface HttpListener {
  readonly port: number
  /** Stops listening and ends every connection. */
  close(): Promise<void>
}

/** Milliseconds. */
const LIMITS = { headersTimeout: 10_000, requestTimeout: 20_000, keepAliveTimeout: 10_000 }
/** Milliseconds without anything sent or received. */
const IDLE_TIMEOUT_MS = 30_000
const RESPONSE_TIMEOUT_MS = 120_000
const CHECKING_INTERVAL_MS = 5000
const MAX_HEADER_SIZE = 8192
const MAX_CONNECTIONS = 512
const MAX_REQUESTS_PER_CONNECTION = 100

/**
 * Serves plain HTTP/1.1: the site behind a reverse proxy or under the onion address, and the metrics.
 *
 * @throws whatever `bind` throws
 */
export async function listenHttp(options: HttpListenOptions): Promise<HttpListener> {
  const { host, port, setting = { key: 'http', section: 'WEB' }, respond } = options
  const { maxConnections = MAX_CONNECTIONS, responseTimeoutMs = RESPONSE_TIMEOUT_MS } = options
  const connections = new ConnectionCap(maxConnections)
  const server = createServer(
    { ...LIMITS, maxHeaderSize: MAX_HEADER_SIZE, connectionsCheckingInterval: CHECKING_INTERVAL_MS },
    listenerFor(respond, responseTimeoutMs),
  )
  server.maxRequestsPerSocket = MAX_REQUESTS_PER_CONNECTION
  server.setTimeout(IDLE_TIMEOUT_MS)
  server.on('connection', (socket) => connections.add(socket))
  await bind(server, port, host, setting.key, setting.section)
  // A connection that cannot be accepted is no reason to stop listening.
  server.on('error', () => undefined)
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('a TCP server without a port')
  return {
    port: address.port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
