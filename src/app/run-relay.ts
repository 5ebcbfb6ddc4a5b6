import type { AutomaticBackups, AutomaticBackupStatus } from '../backup/automatic-backups.ts'
import type { Logger, LogLevel } from '../config/log.ts'
import type { Paths } from '../config/paths.ts'
import type { Settings } from '../config/settings.ts'
import type { RequestHandler } from '../transport/web-requests.ts'
import type { ServingRelay } from '../server/serve.ts'
import type { ConnectionLimits } from '../transport/connection-limits.ts'
import { connectionLimits } from './connection-limits.ts'
import { startAutomaticBackups } from './automatic-backups.ts'
import { type ControlSocket, openControlSocket } from './control-socket/server.ts'
import type { HealthReport } from '../web/health-report.ts'
import { healthReport } from './health-facts.ts'
import { lastBackup } from './last-backup.ts'
import { LastHour } from './last-hour.ts'
import { operationMetrics } from './operation-metrics.ts'
import { openDashboard } from './dashboard.ts'
import { openMetrics } from './metrics-output.ts'
import { relayStatus } from './relay-status.ts'
import type { TorParts } from './tor-parts.ts'
import { packageVersion } from './version.ts'
import type { Workers } from './workers/workers.ts'

export interface RunOptions {
  /** With the ports that can be opened. */
  readonly settings: Settings
  readonly paths: Paths
  readonly log: Logger
  readonly level: LogLevel
  /** The pages about the relay. */
  readonly site?: RequestHandler | undefined
  /** Go on after damage in upstream's files that can be skipped. */
  readonly skipWarnings: boolean
  /** What the operator has agreed to: migrations of a database, or undoing the last one. */
  readonly migrate?: 'up' | 'down' | undefined
}

/**
 * Opens the store, expires old messages, and closes it again; opens no ports if `settings` has none.
 *
 * @throws whatever opening the store throws
 */
export async function maintainStore(options: RunOptions): Promise<void> {
  const relay = await serve(options)
  await relay.stop()
}

/** Seconds. */
const TEXTFILE_INTERVAL_S = 60

/** A relay with everything that runs beside it: onion service, metrics, control socket. */
export interface RunningRelay {
  /** Ends what runs beside the relay, then the relay, once its effects are durable. */
  stop(): Promise<void>
}

/** @throws AppError when the relay cannot serve; nothing is left open then */
export async function runRelay(options: RunOptions): Promise<RunningRelay> {
  const { settings, paths, log } = options
  const startedAt = new Date()
  const workers = await workersFor(options)
  const limits = connectionLimits(settings.transport, log)
  const connections = workers ?? limits
  // The other commands need not wait until all of the relay is loaded.
  const [relay, { TorParts }] = await Promise.all([
    workers ? serve(withoutClients(options), { workers }) : serve(options, { connectionLimits: limits }),
    import('./tor-parts.ts'),
  ])
  const beside = new Beside(relay, log)
  try {
    await workers?.start(relay.stats)
    beside.workers = workers
    const { ports, webSocketPorts } = settings.transport
    const by = workers === undefined ? '' : ` with ${workers.wanted} workers`
    log.note(`Listening on port ${[...ports, ...webSocketPorts].join(', ')}${by}`)
    const tor = TorParts.begin({ settings, paths, log })
    beside.tor = tor
    const onion = (): TorParts['onion'] => tor.onion
    beside.backups = await startAutomaticBackups(options)
    const backups = (): AutomaticBackupStatus | undefined => beside.backups?.status()
    const health = (): Promise<HealthReport> => healthReport({ settings, paths, relay, onion, backups })
    beside.metrics = await openMetrics({
      port: settings.store.metricsPort,
      textfile: {
        path: settings.store.metricsTextfile,
        everyMs: (settings.store.prometheusInterval ?? TEXTFILE_INTERVAL_S) * 1000,
      },
      relay: () => relay.statistics.metrics(),
      onion,
      operation: operationMetrics({
        settings,
        paths,
        connections,
        workers,
        health,
        lastBackup: () => lastBackup(paths),
      }),
      health,
      dashboard: await openDashboard({ settings, paths, relay, onion, connections, health, startedAt, workers, log }),
      log,
    })
    const lastHour = new LastHour(() => relay.stats.msgSent)
    beside.lastHour = lastHour.begin(log)
    beside.socket = await openControlSocket({
      path: paths.controlSocket,
      log,
      answers: {
        'GET /status': async () =>
          relayStatus({
            settings,
            paths,
            relay,
            onion: onion(),
            backups: backups(),
            startedAt,
            health: await health(),
            sentPerMinute: lastHour.perMinute,
            workers,
          }),
        'GET /tor': () => ({ onion: onion() ?? null }),
        'POST /tor/reload': () => tor.reload(),
      },
    })
  } catch (error) {
    await beside.stop()
    throw error
  }
  return { stop: () => beside.stop() }
}

/** The processes that serve clients beside this one; undefined when this one serves them. */
async function workersFor({ settings, level, site, log }: RunOptions): Promise<Workers | undefined> {
  if (settings.cluster.workers < 2) return undefined
  const { Workers } = await import('./workers/workers.ts')
  return new Workers({ settings, level, hasSite: site !== undefined, log })
}

/** The relay in a process whose workers serve the clients. */
function withoutClients(options: RunOptions): RunOptions {
  const { settings } = options
  const transport = { ...settings.transport, ports: [], webSocketPorts: [] }
  return { ...options, settings: { ...settings, transport }, site: undefined }
}

async function serve(
  { settings, paths, log, site, skipWarnings, migrate }: RunOptions,
  serving: { readonly connectionLimits?: ConnectionLimits; readonly workers?: Workers } = {},
): Promise<ServingRelay> {
  const { startRelay } = await import('../server/relay.ts')
  return await startRelay({
    settings,
    paths,
    log,
    version: packageVersion(),
    site,
    skipWarnings,
    migrate,
    ...serving,
  })
}

/** What has to be stopped, in this order; the relay itself comes last. */
class Beside {
  socket: ControlSocket | undefined
  metrics: { close(): Promise<void> } | undefined
  tor: TorParts | undefined
  backups: AutomaticBackups | undefined
  workers: Workers | undefined
  lastHour: { stop(): void } | undefined
  readonly #relay: ServingRelay
  readonly #log: Logger

  constructor(relay: ServingRelay, log: Logger) {
    this.#relay = relay
    this.#log = log
  }

  async stop(): Promise<void> {
    this.lastHour?.stop()
    await this.socket?.close()
    await this.backups?.stop()
    await this.metrics?.close()
    await this.tor?.stop()
    this.#log.note('Saving server state...')
    await this.workers?.stop()
    await this.#relay.stop()
    this.#log.note('Server stopped')
  }
}
