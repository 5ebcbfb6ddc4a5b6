import type { Logger } from '../config/log.ts'
import { listenHttp, type HttpListener } from '../transport/http-listener.ts'
import { bodyAnswer, pathOf, textAnswer, type RequestHandler } from '../transport/web-requests.ts'

export interface MetricsServerOptions {
  /** On 127.0.0.1; 0 for any free one. */
  readonly port: number
  /** The text of `/metrics`, made for every request. */
  readonly metrics: () => Promise<string>
  readonly log: Logger
}

const HOST = '127.0.0.1'
const SETTING = { key: 'metrics_port', section: 'STORE_LOG' } as const
const RESPONSE_TIMEOUT_MS = 10_000
const MAX_CONNECTIONS = 16

/**
 * `/metrics` for Prometheus and `/health` for whatever watches over the relay: plain HTTP for this machine alone, since
 * neither asks who reads it.
 *
 * @throws whatever `listenHttp` throws
 */
export async function serveMetrics(options: MetricsServerOptions): Promise<HttpListener> {
  return await listenHttp({
    host: HOST,
    port: options.port,
    setting: SETTING,
    respond: respondWith(options),
    maxConnections: MAX_CONNECTIONS,
    responseTimeoutMs: RESPONSE_TIMEOUT_MS,
  })
}

const NO_STORE = { 'Cache-Control': 'no-store' }

function respondWith({ metrics, log }: MetricsServerOptions): RequestHandler {
  return (request, response, gone) => {
    switch (pathOf(request)) {
      case '/metrics':
        metrics().then(
          (text) => {
            if (!gone.aborted) bodyAnswer(response, 200, text, { ...NO_STORE, 'Content-Type': EXPOSITION })
          },
          (error: unknown) => {
            log.error('cannot collect the metrics', { error })
            if (!gone.aborted)
              textAnswer(response, 500, 'Cannot collect the metrics; see the log of the relay.', NO_STORE)
          },
        )
        return
      case '/health':
        textAnswer(response, 200, 'ok', NO_STORE)
        return
      default:
        textAnswer(response, 404, 'There are /metrics and /health.', NO_STORE)
    }
  }
}

/** The text format of Prometheus. */
const EXPOSITION = 'text/plain; version=0.0.4; charset=utf-8'
