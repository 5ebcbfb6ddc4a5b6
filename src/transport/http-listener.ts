import { createServer } from 'node:http'
import { bind } from './bind.ts'
import { answerWith, type RequestHandler } from './web-requests.ts'

export interface HttpListenOptions {
  /** One address to listen on; all of them when absent. */
  readonly host?: string
  /** 0 for any free one. */
  readonly port: number
  readonly site: RequestHandler
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
const CHECKING_INTERVAL_MS = 5000
const MAX_HEADER_SIZE = 8192
const MAX_CONNECTIONS = 512
const MAX_REQUESTS_PER_CONNECTION = 100

/**
 * Serves the site over plain HTTP/1.1: behind a reverse proxy, or under the onion address.
 *
 * @throws whatever `bind` throws
 */
export async function listenHttp({ host, port, site }: HttpListenOptions): Promise<HttpListener> {
  const options = { ...LIMITS, maxHeaderSize: MAX_HEADER_SIZE, connectionsCheckingInterval: CHECKING_INTERVAL_MS }
  const server = createServer(options, answerWith(site))
  server.maxConnections = MAX_CONNECTIONS
  server.maxRequestsPerSocket = MAX_REQUESTS_PER_CONNECTION
  server.setTimeout(IDLE_TIMEOUT_MS)
  await bind(server, port, host, 'http', 'WEB')
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
