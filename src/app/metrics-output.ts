import { AppError } from '../errors/app-error.ts'
import type { Logger } from '../config/log.ts'
import type { HttpListener } from '../transport/http-listener.ts'
import type { HealthReport } from '../web/health-report.ts'
import type { OperationMetric } from '../web/operation-metrics.ts'
import { serveMetrics, type MetricsServerOptions } from '../web/metrics-server.ts'
import type { Dashboard } from './dashboard.ts'
import { writeMetricsTextfile } from './metrics-textfile.ts'
import { loadOnionMetrics, type OnionState } from '../tor/index.ts'

export interface MetricsOptions {
  /** `metrics_port` of [STORE_LOG]; nothing is served without it. */
  readonly port: number | undefined
  /** `metrics_textfile` of [STORE_LOG], and how often it is written. */
  readonly textfile: { readonly path: string | undefined; readonly everyMs: number }
  /** The metrics of the relay itself. */
  readonly relay: () => Promise<string>
  /** The state of the onion service; `undefined` while there is none. */
  readonly onion: () => OnionState | undefined
  readonly operation: readonly OperationMetric[]
  readonly health: () => Promise<HealthReport>
  readonly dashboard?: Dashboard | undefined
  readonly log: Logger
}

/** Whatever gives the metrics out. */
export interface MetricsOutput {
  close(): Promise<void>
}

/**
 * Gives out the metrics of the relay, of its onion service and of what the operator looks after: over HTTP, with those of
 * the process, and in a text file. A port or file that cannot be opened does not keep the relay from serving: the log says
 * so.
 */
export async function openMetrics(options: MetricsOptions): Promise<MetricsOutput | undefined> {
  const { port, textfile, relay, onion, operation, health, dashboard, log } = options
  if (port === undefined && textfile.path === undefined) return undefined
  // Loaded only where it is wanted: it would cost every relay two megabytes.
  const [{ collectDefaultMetrics, Registry }, { registerOnionMetrics }, { registerOperationMetrics }] =
    await Promise.all([import('prom-client'), loadOnionMetrics(), import('../web/operation-metrics.ts')])
  const registry = new Registry()
  registerOnionMetrics(registry, onion)
  registerOperationMetrics(registry, operation)
  const metrics = async (): Promise<string> => `${await relay()}\n${await registry.metrics()}`
  const file = writeMetricsTextfile({ ...textfile, metrics, log })
  const ofProcess = new Registry()
  if (port !== undefined) collectDefaultMetrics({ register: ofProcess })
  const all = async (): Promise<string> => `${await metrics()}\n${await ofProcess.metrics()}`
  const server =
    port === undefined
      ? undefined
      : await servedMetrics({ port, metrics: all, health, dashboard: dashboard?.respond, log })
  return {
    close: async () => {
      file.stop()
      await server?.close()
      await dashboard?.close()
    },
  }
}

async function servedMetrics(options: MetricsServerOptions): Promise<HttpListener | undefined> {
  const { log } = options
  try {
    const server = await serveMetrics(options)
    log.note(`Metrics on http://127.0.0.1:${server.port}/metrics`)
    if (options.dashboard) log.note(`Dashboard on http://127.0.0.1:${server.port}/`)
    return server
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    log.warn(`No metrics over HTTP: ${error.message} ${error.remedy ?? ''}`)
    return undefined
  }
}
