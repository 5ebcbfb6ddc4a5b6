import type { Logger } from '../config/log.ts'
import type { Paths } from '../config/paths.ts'
import type { Settings } from '../config/settings.ts'
import type { ServingRelay } from '../server/serve.ts'
import type { SupervisorState } from '../tor/index.ts'
import type { ConnectionLimits } from '../transport/connection-limits.ts'
import type { RequestHandler } from '../transport/web-requests.ts'
import type { HealthReport } from '../web/health-report.ts'
import type { DashboardStatus } from '../web/dashboard/status.ts'
import { addressParts, addressText } from './address.ts'
import { storeBytes } from './health-facts.ts'
import { readFingerprint } from './identity.ts'
import { lastBackup } from './last-backup.ts'
import { type ProcessUsage, Sampler } from './sampler.ts'
import { packageVersion } from './version.ts'

export interface DashboardOptions {
  readonly settings: Settings
  readonly paths: Paths
  readonly relay: ServingRelay
  readonly onion: () => SupervisorState | undefined
  readonly connections: Pick<ConnectionLimits, 'rejected'>
  readonly health: () => Promise<HealthReport>
  readonly startedAt: Date
  /** Other processes of the relay. */
  readonly workers?: ProcessUsage | undefined
  readonly log: Logger
}

/** The dashboard with what feeds it. */
export interface Dashboard {
  readonly respond: (path: string) => RequestHandler | undefined
  close(): Promise<void>
}

/** Opens the dashboard where the INI file asks for one; one that cannot be opened does not keep the relay from serving. */
export async function openDashboard(options: DashboardOptions): Promise<Dashboard | undefined> {
  const { settings, paths, relay, onion, connections, workers, log } = options
  if (!settings.web.dashboard) return undefined
  if (settings.store.metricsPort === undefined) {
    log.warn('No dashboard: it is a page on the metrics port; set metrics_port in [STORE_LOG] too.')
    return undefined
  }
  try {
    const [{ SampleFile }, { dashboard }] = await Promise.all([
      import('../web/dashboard/sample-file.ts'),
      import('../web/dashboard/respond.ts'),
    ])
    const file = await SampleFile.open(paths.dashboardSamples)
    const sampling = new Sampler({ relay, onion, connections, storePath: paths.store, workers }).begin(file, log)
    return {
      respond: dashboard({
        status: () => dashboardStatus(options),
        samples: (range) => file.read(range, Math.floor(Date.now() / 1000)),
        onError: (error) => log.error('the dashboard failed', { error }),
      }),
      close: async () => {
        sampling.stop()
        await file.close()
      },
    }
  } catch (error) {
    log.warn(`No dashboard: cannot open ${paths.dashboardSamples}`, { error })
    return undefined
  }
}

async function dashboardStatus({
  settings,
  paths,
  relay,
  onion,
  health,
  startedAt,
}: DashboardOptions): Promise<DashboardStatus> {
  const { queues, messages } = await relay.core.engine.counts()
  const state = onion()
  const parts = addressParts(settings, await readFingerprint(paths))
  return {
    version: packageVersion(),
    startedAt: startedAt.toISOString(),
    address: addressText({ ...parts, password: undefined }),
    ports: relay.ports(),
    connections: relay.connections(),
    queues,
    messages,
    storeBytes: await storeBytes(paths.store),
    health: await health(),
    onion: state ? onionStatus(state) : null,
    lastBackup: (await lastBackup(paths))?.toISOString() ?? null,
  }
}

function onionStatus({ hostname, check, figures }: SupervisorState): DashboardStatus['onion'] {
  return {
    hostname: hostname ?? null,
    checkedAt: check?.last.at.toISOString() ?? null,
    latency: check && !check.last.fault ? check.last.ms : null,
    introPoints: figures?.introPoints ?? null,
    powEffort: figures?.powEffort ?? null,
  }
}
