import type { Paths } from '../config/paths.ts'
import type { Settings } from '../config/settings.ts'
import type { ConnectionLimits } from '../transport/connection-limits.ts'
import type { HealthReport } from '../web/health-report.ts'
import type { OperationMetric, Reading } from '../web/operation-metrics.ts'
import { certificateExpiry, diskSpace, storeBytes } from './health-facts.ts'

export interface OperationSource {
  readonly settings: Settings
  readonly paths: Paths
  readonly connections: Pick<ConnectionLimits, 'rejected'>
  /** The processes that serve clients, where there are several. */
  readonly workers?: { readonly running: number; readonly restarts: number } | undefined
  readonly health: () => Promise<HealthReport>
  /** When the last backup was made; undefined when none is known. */
  readonly lastBackup: () => Promise<Date | undefined>
}

/** What an operator wants to be warned of, for Prometheus. */
export function operationMetrics({
  settings,
  paths,
  connections,
  workers,
  health,
  lastBackup,
}: OperationSource): OperationMetric[] {
  return [
    {
      name: 'smp_healthy',
      help: 'Whether each part of the relay is in order (1) or needs the operator (0); all: whether users are served.',
      type: 'gauge',
      read: async () => healthReadings(await health()),
    },
    {
      name: 'smp_certificate_expires_timestamp_seconds',
      help: 'When the certificate expires, in Unix seconds.',
      type: 'gauge',
      read: async () => {
        const web = settings.web.https?.certificate
        return [
          await expiry('relay', paths.serverCertificate),
          ...(web === undefined ? [] : [await expiry('web', web)]),
        ]
      },
    },
    {
      name: 'smp_disk_free_bytes',
      help: 'Free space on the file system of the state directory.',
      type: 'gauge',
      read: async () => [{ value: (await diskSpace(paths.stateDir))?.freeBytes }],
    },
    {
      name: 'smp_disk_size_bytes',
      help: 'Size of the file system of the state directory.',
      type: 'gauge',
      read: async () => [{ value: (await diskSpace(paths.stateDir))?.sizeBytes }],
    },
    {
      name: 'smp_store_size_bytes',
      help: 'Space that the store takes on the disk.',
      type: 'gauge',
      read: async () => [{ value: await storeBytes(paths.store) }],
    },
    {
      name: 'smp_last_backup_timestamp_seconds',
      help: 'When the last backup was made, in Unix seconds; absent when none is known.',
      type: 'gauge',
      read: async () => [{ value: seconds(await lastBackup()) }],
    },
    {
      name: 'smp_connections_rejected_total',
      help: 'Connections that were refused because of a limit.',
      type: 'counter',
      read: () => [
        { labels: { limit: 'total' }, value: connections.rejected.total },
        { labels: { limit: 'address' }, value: connections.rejected.perAddress },
        { labels: { limit: 'circuit' }, value: connections.rejected.perCircuit },
      ],
    },
    ...(workers === undefined ? [] : workerMetrics(workers)),
  ]
}

function workerMetrics(workers: NonNullable<OperationSource['workers']>): OperationMetric[] {
  return [
    {
      name: 'smp_workers',
      help: 'Processes that serve clients.',
      type: 'gauge',
      read: () => [{ value: workers.running }],
    },
    {
      name: 'smp_worker_restarts_total',
      help: 'How often a process that serves clients ended and was started again.',
      type: 'counter',
      read: () => [{ value: workers.restarts }],
    },
  ]
}

async function expiry(certificate: string, path: string): Promise<Reading> {
  return { labels: { certificate }, value: seconds(await certificateExpiry(path)) }
}

function seconds(date: Date | undefined): number | undefined {
  return date && Math.floor(date.getTime() / 1000)
}

function healthReadings({ status, relay, store, disk, onion, workers, backup, certificates }: HealthReport): Reading[] {
  const part = (name: string, ok: boolean | undefined): Reading => ({
    labels: { part: name },
    value: ok === undefined ? undefined : Number(ok),
  })
  return [
    part('all', status !== 'failing'),
    part('relay', relay.ok),
    part('store', store.ok),
    part('disk', disk?.ok),
    part('onion', onion?.ok),
    part('workers', workers?.ok),
    part('backup', backup?.ok),
    part('relay certificate', certificates.relay?.ok),
    part('web certificate', certificates.web?.ok),
  ]
}
