import type { Logger } from '../config/log.ts'
import { listenHttp, type HttpListener } from '../transport/http-listener.ts'
import { healthStatus, type HealthReport } from './health-report.ts'
import { bodyAnswer, pathOf, type RequestHandler } from '../transport/web-requests.ts'

export interface MetricsServerOptions {
  /** On 127.0.0.1; 0 for any free one. */
  readonly port: number
  /** The text of `/metrics`, made for every request. */
  readonly metrics: () => Promise<string>
  /** What `/health` answers, made for every request. */
  readonly health: () => Promise<HealthReport>
  /** Answers the paths of the dashboard, if there is one. */
  readonly dashboard?: ((path: string) => RequestHandler | undefined) | undefined
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

function respondWith({ metrics, health, dashboard, log }: MetricsServerOptions): RequestHandler {
  return (request, response, gone) => {
    const page = dashboard?.(pathOf(request))
    if (page !== undefined) {
      page(request, response, gone)
      return
    }
    const answered = answerTo(pathOf(request), { metrics, health }).catch((error: unknown): Answer => {
      log.error('cannot answer at the metrics port', { error })
      return { status: 500, type: PLAIN, body: 'This failed; see the log of the relay.\n' }
    })
    void answered.then(({ status, type, body }) => {
      if (!gone.aborted) bodyAnswer(response, status, body, { ...NO_STORE, 'Content-Type': type })
    })
  }
}

interface Answer {
  readonly status: number
  readonly type: string
  readonly body: string
}

async function answerTo(
  path: string,
  { metrics, health }: Pick<MetricsServerOptions, 'metrics' | 'health'>,
): Promise<Answer> {
  switch (path) {
    case '/metrics':
      return { status: 200, type: EXPOSITION, body: await metrics() }
    case '/health': {
      const report = await health()
      return { status: healthStatus(report), type: JSON_TYPE, body: `${JSON.stringify(report)}\n` }
    }
    default:
      return { status: 404, type: PLAIN, body: 'There are /metrics and /health.\n' }
  }
}

const PLAIN = 'text/plain; charset=utf-8'
const JSON_TYPE = 'application/json'
/** The text format of Prometheus. */
const EXPOSITION = 'text/plain; version=0.0.4; charset=utf-8'
