import type { AutomaticBackups, AutomaticBackupStatus } from '../backup/automatic-backups.ts'
import * as v from 'valibot'
import type { AdjustableLogger, Logger, LogLevel } from '../config/log.ts'
import type { Paths } from '../config/paths.ts'
import type { Settings } from '../config/settings.ts'
import { removeAbandoned } from '../system/temporary-file.ts'
import type { RequestHandler } from '../transport/web-requests.ts'
import type { ConfiguredRelay } from '../server/relay.ts'
import { ConnectionLimits } from '../transport/connection-limits.ts'
import { liveSettings } from '../config/live-settings.ts'
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
import { requireNewPorts, withOpenPorts } from './port-check.ts'
import { relayStatus } from './relay-status.ts'
import { hasChanged, Reload, type Reloaded, reloadRequest } from './reload.ts'
import { makeSite } from './site.ts'
import type { TorParts } from './tor-parts.ts'
import { packageVersion } from './version.ts'
import type { Workers } from './workers/workers.ts'

export interface RunOptions {
  /** With the ports that can be opened. */
  readonly settings: Settings
  /** The text of the INI file. */
  readonly ini: string
  readonly paths: Paths
  readonly log: AdjustableLogger
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
  /** @throws AppError when nothing has changed */
  reload(): Promise<Reloaded>
  /** Ends what runs beside the relay, then the relay, once its effects are durable. */
  stop(): Promise<void>
}

/** @throws AppError when the relay cannot serve; nothing is left open then */
export async function runRelay(options: RunOptions): Promise<RunningRelay> {
  const { paths, log, ini } = options
  const live = liveSettings(options.settings)
  const { settings } = live
  const startedAt = new Date()
  for (const directory of [paths.configDir, paths.stateDir]) await removeAbandoned(directory)
  const workers = await workersFor(options)
  const limits = new ConnectionLimits(connectionLimits(settings, log))
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
    const { engine } = relay.core
    const takeTurns = engine.loads ? engine.takeTurns.bind(engine) : undefined
    const tor = TorParts.begin({ settings, paths, log, takeTurns })
    beside.tor = tor
    const onion = (): TorParts['onion'] => tor.onion
    const openBackups = async (): Promise<void> => {
      beside.backups = await startAutomaticBackups({ settings, paths, log })
    }
    await openBackups()
    const backups = (): AutomaticBackupStatus | undefined => beside.backups?.status()
    const health = (): Promise<HealthReport> => healthReport({ settings, paths, relay, onion, backups, workers })
    const openOutput = async (): Promise<void> => {
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
    }
    await openOutput()
    const lastHour = new LastHour(() => relay.stats.msgSent)
    beside.lastHour = lastHour.begin(log)
    const reload = new Reload({
      paths,
      log,
      ini,
      adapt: async ({ before, next: read, changed }) => {
        const next = { ...read, cluster: settings.cluster }
        await requireNewPorts(next, before)
        const site = next.web.staticPath === undefined ? undefined : await makeSite({ settings: next, paths, log })
        const hasNewCertificate = await (workers
          ? relay.adapt(withoutClientPorts(next), undefined)
          : relay.adapt(next, site))
        try {
          await workers?.adapt(next, site !== undefined)
        } catch (error) {
          await relay.revert()
          throw error
        }
        limits.change(connectionLimits(next, log))
        live.change(withOpenPorts(next, relay.ports()))
        if (hasChanged(changed, ...OUTPUT_KEYS)) {
          await beside.metrics?.close()
          await openOutput()
        }
        if (hasChanged(changed, '[BACKUP]')) {
          await beside.backups?.stop()
          await openBackups()
        }
        await tor.reload()
        return hasNewCertificate
      },
    })
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
        'POST /reload': (body) => {
          const { logLevel } = v.parse(reloadRequest, body)
          if (logLevel !== undefined) {
            log.setLevel(logLevel)
            workers?.setLevel(logLevel)
          }
          return reload.run()
        },
      },
    })
    return { reload: () => reload.run(), stop: () => beside.stop() }
  } catch (error) {
    await beside.stop()
    throw error
  }
}

/** Of the metrics and the dashboard. */
const OUTPUT_KEYS = ['[STORE_LOG] metrics_port', '[STORE_LOG] metrics_textfile', '[WEB] dashboard']

/** The processes that serve clients beside this one; undefined when this one serves them. */
async function workersFor({ settings, level, site, log }: RunOptions): Promise<Workers | undefined> {
  if (settings.cluster.workers < 2) return undefined
  const { Workers } = await import('./workers/workers.ts')
  return new Workers({ settings, level, hasSite: site !== undefined, log })
}

/** The relay in a process whose workers serve the clients. */
function withoutClients(options: RunOptions): RunOptions {
  return { ...options, settings: withoutClientPorts(options.settings), site: undefined }
}

function withoutClientPorts(settings: Settings): Settings {
  const { transport, tor } = settings
  return {
    ...settings,
    transport: { ...transport, ports: [], webSocketPorts: [] },
    tor: { ...tor, circuitPort: undefined },
  }
}

async function serve(
  { settings, paths, log, site, skipWarnings, migrate }: RunOptions,
  serving: { readonly connectionLimits?: ConnectionLimits; readonly workers?: Workers } = {},
): Promise<ConfiguredRelay> {
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
  readonly #relay: ConfiguredRelay
  readonly #log: Logger

  constructor(relay: ConfiguredRelay, log: Logger) {
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
