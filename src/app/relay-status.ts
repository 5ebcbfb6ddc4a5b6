import * as v from 'valibot'
import type { Paths } from '../config/paths.ts'
import type { Settings } from '../config/settings.ts'
import type { ServingRelay } from '../server/serve.ts'
import type { SupervisorState } from '../tor/index.ts'
import { addressParts, addressText } from './address.ts'
import type { AutomaticBackupStatus } from '../backup/automatic-backups.ts'
import { askRelay } from './control-socket/client.ts'
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
  queues: v.number(),
  /** Undelivered ones. */
  messages: v.number(),
  notifications: v.number(),
  /** Messages since the counters began. */
  sent: v.number(),
  received: v.number(),
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
}

/** The answer of the relay itself. */
export async function relayStatus(source: StatusSource): Promise<RelayStatus> {
  const { settings, paths, relay, onion, backups, startedAt } = source
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
    connections: relay.sessions.size,
    queues,
    messages,
    notifications,
    sent: relay.stats.msgSent,
    received: relay.stats.msgRecv,
    onion: onion === undefined ? null : { ...onion },
    backup: {
      lastAt: (await lastBackup(paths))?.toISOString() ?? null,
      automatic: backups === undefined ? null : automaticBackups(backups),
    },
  }
}

function automaticBackups({
  directory,
  isRunning,
  next,
  failure,
}: AutomaticBackupStatus): RelayStatus['backup']['automatic'] {
  return { directory, isRunning, nextAt: next?.toISOString() ?? null, failure: failure?.message ?? null }
}
