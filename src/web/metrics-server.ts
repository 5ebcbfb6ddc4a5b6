import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Logger } from '../config/log.ts'
import { bind } from '../transport/bind.ts'

export interface MetricsServerOptions {
  /** On 127.0.0.1; 0 for any free one. */
  readonly port: number
  /** The text of `/metrics`, made whenever somebody asks. */
  readonly metrics: () => Promise<string>
  readonly log: Logger
}

export interface MetricsServer {
  readonly port: number
  close(): Promise<void>
}

const HOST = '127.0.0.1'
const REQUEST_TIMEOUT_MS = 10_000
const MAX_CONNECTIONS = 16

/**
 * `/metrics` for Prometheus and `/health` for whatever watches over the relay: plain HTTP for this machine alone, since
 * neither asks who reads it.
 *
 * @throws whatever `bind` throws
 */
export async function serveMetrics(options: MetricsServerOptions): Promise<MetricsServer> {
  const server = createServer({ requestTimeout: REQUEST_TIMEOUT_MS, headersTimeout: REQUEST_TIMEOUT_MS })
  server.maxConnections = MAX_CONNECTIONS
  server.on('request', (request, response) => void answer(request, response, options))
  await bind(server, options.port, HOST)
  const { port } = server.address() as AddressInfo
  return {
    port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

async function answer(
  { method, url = '' }: IncomingMessage,
  response: ServerResponse,
  { metrics, log }: MetricsServerOptions,
): Promise<void> {
  if (method !== 'GET' && method !== 'HEAD') {
    reply(response, 405, 'Only GET and HEAD.\n', { allow: 'GET, HEAD' })
    return
  }
  switch (url.split('?', 1)[0]) {
    case '/metrics':
      try {
        reply(response, 200, await metrics(), { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' })
      } catch (error) {
        log.error('cannot collect the metrics', { error })
        reply(response, 500, 'Cannot collect the metrics; see the log of the relay.\n')
      }
      return
    case '/health':
      reply(response, 200, 'ok\n')
      return
    default:
      reply(response, 404, 'There are /metrics and /health.\n')
  }
}

function reply(response: ServerResponse, status: number, body: string, headers: Record<string, string> = {}): void {
  response.writeHead(status, {
    'content-type': 'text/plain; charset=utf-8',
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    ...headers,
  })
  // For HEAD Node leaves the body out.
  response.end(body)
}
