import { AppError } from '../errors/app-error.ts'
import type { Logger } from '../config/log.ts'
import type { HttpListener } from '../transport/http-listener.ts'
import type { HealthReport } from '../web/health-report.ts'
import type { OperationMetric } from '../web/operation-metrics.ts'
import { serveMetrics } from '../web/metrics-server.ts'
import { loadOnionMetrics, type OnionState } from '../tor/index.ts'

export interface MetricsEndpointOptions {
  /** `metrics_port` of [STORE_LOG]; nothing is served without it. */
  readonly port: number | undefined
  /** The metrics of the relay itself. */
  readonly relay: () => Promise<string>
  /** The state of the onion service; `undefined` while there is none. */
  readonly onion: () => OnionState | undefined
  readonly operation: readonly OperationMetric[]
  readonly health: () => Promise<HealthReport>
  readonly log: Logger
}

/**
 * Serves the metrics of the relay, of its onion service and of the process. A port that cannot be had is no reason not
 * to serve users: it is told in the log.
 */
export async function openMetricsEndpoint(options: MetricsEndpointOptions): Promise<HttpListener | undefined> {
  const { port, relay, onion, operation, health, log } = options
  if (port === undefined) return undefined
  // Loaded only where it is wanted: it would cost every relay two megabytes.
  const [{ collectDefaultMetrics, Registry }, { registerOnionMetrics }, { registerOperationMetrics }] =
    await Promise.all([import('prom-client'), loadOnionMetrics(), import('../web/operation-metrics.ts')])
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  registerOnionMetrics(registry, onion)
  registerOperationMetrics(registry, operation)
  const metrics = async (): Promise<string> => `${await relay()}\n${await registry.metrics()}`
  try {
    const server = await serveMetrics({ port, metrics, health, log })
    log.note(`Metrics on http://127.0.0.1:${server.port}/metrics`)
    return server
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    log.warn(`No metrics over HTTP: ${error.message} ${error.remedy ?? ''}`)
    return undefined
  }
}
