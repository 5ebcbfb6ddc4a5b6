import * as v from 'valibot'
import type { Paths } from '../config/paths.ts'
import type { Settings } from '../config/settings.ts'
import type { ServingRelay } from '../server/serve.ts'
import type { SupervisorState } from '../tor/index.ts'
import type { HealthReport } from '../web/health-report.ts'
import { addressParts, addressText } from './address.ts'
import type { AutomaticBackupStatus } from '../backup/automatic-backups.ts'
import { askRelay } from './control-socket/client.ts'
import { storeBytes } from './health-facts.ts'
import { readFingerprint } from './identity.ts'
import { lastBackup } from './last-backup.ts'
import { buildCommit, packageVersion } from './version.ts'

const port = v.number()

/** What a running relay says of itself at `GET /status`. Times are ISO 8601, UTC. */
export const relayStatusSchema = v.object({
  version: v.string(),
  /** Of the source; empty when it is not known. */
  commit: v.string(),
  pid: v.number(),
  startedAt: v.string(),
  /** With the password, as the relay uses it at this moment. */
  address: v.string(),
  ports: v.object({
    smp: v.array(port),
    webSockets: v.array(port),
    control: v.nullable(port),
    metrics: v.nullable(port),
  }),
  /** Of clients, after their handshake. */
  connections: v.number(),
  /** Processes that serve clients; `null` when the relay is one process. */
  workers: v.nullable(v.object({ running: v.number(), wanted: v.number() })),
  queues: v.number(),
  /** Undelivered ones. */
  messages: v.number(),
  notifications: v.number(),
  /** Messages since the counters began. */
  sent: v.number(),
  received: v.number(),
  /** Messages sent in each of the last 60 minutes, the oldest first; fewer after a start. */
  sentPerMinute: v.array(v.number()),
  /** Bytes on the disk; 0 where the queues are in PostgreSQL. */
  storeBytes: v.number(),
  health: v.object({
    status: v.picklist(['ok', 'degraded', 'failing']),
    /** What is wrong, a sentence each. */
    problems: v.array(v.string()),
    /** `null` when it cannot be told. */
    freeBytes: v.nullable(v.number()),
    /** Until the certificate of the relay expires. */
    certificateDays: v.nullable(v.number()),
    /** `null` until the first check from outside, or without an onion service. */
    onionReachable: v.nullable(v.boolean()),
  }),
  /** `null` while there is no onion service. */
  onion: v.nullable(v.looseObject({ phase: v.string(), hostname: v.optional(v.string()) })),
  backup: v.object({
    /** When the last one was completed, however it was made; `null` when none is known. */
    lastAt: v.nullable(v.string()),
    /** `null` without a directory for them. */
    automatic: v.nullable(
      v.object({
        directory: v.string(),
        isRunning: v.boolean(),
        nextAt: v.nullable(v.string()),
        /** Why the last attempt failed. */
        failure: v.nullable(v.string()),
      }),
    ),
  }),
})

export type RelayStatus = v.InferOutput<typeof relayStatusSchema>

/**
 * Asks the running relay.
 *
 * @returns undefined when none runs on this state directory
 * @throws AppError `RELAY_SOCKET`
 */
export async function askStatus({ controlSocket }: Paths): Promise<RelayStatus | undefined> {
  const answer = await askRelay(controlSocket, 'GET /status')
  return answer === undefined ? undefined : v.parse(relayStatusSchema, answer)
}

export interface StatusSource {
  readonly settings: Settings
  readonly paths: Paths
  readonly relay: ServingRelay
  readonly onion: SupervisorState | undefined
  readonly backups: AutomaticBackupStatus | undefined
  readonly startedAt: Date
  readonly health: HealthReport
  readonly sentPerMinute: readonly number[]
  readonly workers: { readonly running: number; readonly wanted: number } | undefined
}

/** The answer of the relay itself. */
export async function relayStatus(source: StatusSource): Promise<RelayStatus> {
  const { settings, paths, relay, onion, backups, startedAt, health, sentPerMinute, workers } = source
  const { transport, store } = settings
  const { queues, messages, notifications } = await relay.core.engine.counts()
  return {
    version: packageVersion(),
    commit: buildCommit(),
    pid: process.pid,
    startedAt: startedAt.toISOString(),
    address: addressText(addressParts(settings, await readFingerprint(paths))),
    ports: {
      smp: [...transport.ports],
      webSockets: [...transport.webSocketPorts],
      control: transport.controlPort ?? null,
      metrics: store.metricsPort ?? null,
    },
    connections: relay.connections(),
    workers: workers === undefined ? null : { running: workers.running, wanted: workers.wanted },
    queues,
    messages,
    notifications,
    sent: relay.stats.msgSent,
    received: relay.stats.msgRecv,
    sentPerMinute: [...sentPerMinute],
    storeBytes: await storeBytes(paths.store),
    health: {
      status: health.status,
      problems: problemsOf(health),
      freeBytes: health.disk?.freeBytes ?? null,
      certificateDays: health.certificates.relay?.days ?? null,
      onionReachable: health.onion?.reachable ?? null,
    },
    onion: onion === undefined ? null : { ...onion },
    backup: {
      lastAt: (await lastBackup(paths))?.toISOString() ?? null,
      automatic: backups === undefined ? null : automaticBackups(backups),
    },
  }
}

function problemsOf({ relay, store, disk, onion, workers, backup, certificates }: HealthReport): string[] {
  const parts = [relay, store, disk, onion, workers, backup, certificates.relay, certificates.web]
  return parts.flatMap((part) => part?.problem ?? [])
}

function automaticBackups({
  directory,
  isRunning,
  next,
  failure,
}: AutomaticBackupStatus): RelayStatus['backup']['automatic'] {
  return { directory, isRunning, nextAt: next?.toISOString() ?? null, failure: failure?.message ?? null }
}
