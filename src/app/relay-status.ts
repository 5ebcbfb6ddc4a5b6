import * as v from 'valibot'
import type { Paths } from '../config/paths.ts'
import type { Settings } from '../config/settings.ts'
import type { ServingRelay } from '../server/serve.ts'
import type { SupervisorState } from '../tor/index.ts'
import { addressParts, addressText } from './address.ts'
import { askRelay } from './control-socket/client.ts'
import { readFingerprint } from './identity.ts'
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
  readonly startedAt: Date
}

/** The answer of the relay itself. */
export async function relayStatus({ settings, paths, relay, onion, startedAt }: StatusSource): Promise<RelayStatus> {
  const { transport, store } = settings
  const { queues, messages, notifications } = relay.core.store.counts()
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
  }
}
