import type { Logger } from '../config/log.ts'
import type { Backlog } from './backlog.ts'
import type { CreationPassword } from './creation-password.ts'
import type { QueueRec } from '../store/store.ts'
import type { RelayStore, Work } from '../store/work.ts'
import type { RelayPool } from './relay-pool.ts'
import type { NameResolver } from './name-resolver.ts'
import type { RandomBytes } from '../crypto/random.ts'
import type { Stats } from './statistics/counters.ts'
import type { Subscriptions } from './subscriptions.ts'

/** What the operator allows. */
export interface Policy {
  readonly newQueues: boolean
  /** Needed to create queues and to use this relay as a proxy. */
  readonly createPassword: string | undefined
  /** Seconds after which an undelivered message may be dropped. */
  readonly messageTtl: number
  readonly expireOnSend: boolean
  /** Drop expired messages at start, instead of at the first regular time. */
  readonly expireOnStart?: boolean
  /** Seconds after which an undelivered notification may be dropped. */
  readonly notificationTtl: number
}

/** How this relay forwards commands to others. */
export interface ProxyPolicy {
  /** Domains of the operator's other relays, counted separately. */
  readonly ownServerDomains: readonly string[]
  /** Commands of one connection that may wait for other relays at once. */
  readonly clientConcurrency: number
}

/** What all sessions of one relay share. */
export interface Core {
  /** What the commands at hand may touch: everything, in an embedded store; what was loaded for them, in another one. */
  readonly store: Work
  /** The whole store. */
  readonly engine: RelayStore
  readonly subscriptions: Subscriptions
  readonly stats: Stats
  /** Like `proxying` and `resolver`, exchanged when the operator changes it. */
  policy: Policy
  readonly creationPassword: CreationPassword
  proxying: ProxyPolicy
  /** Connections to other relays, for clients that send through this one. */
  readonly relays: RelayPool
  /** Resolves public names; undefined when none is configured. */
  resolver: NameResolver | undefined
  readonly random: RandomBytes
  /** Secret that ids of new services are derived with, 32 bytes. */
  readonly serviceIdKey: Buffer
  /** Received blocks whose effects are not durable yet. */
  readonly backlog: Backlog
  /** Milliseconds since the epoch. */
  readonly now: () => number
  readonly log: Logger
}

/** Seconds since the epoch. */
export function seconds(core: Core): number {
  return Math.floor(core.now() / 1000)
}

const DAY_SECONDS = 86_400

/** The beginning of the present day, UTC: seconds since the epoch. */
export function today(core: Core): number {
  const now = seconds(core)
  return now - (now % DAY_SECONDS)
}

/** Records that a queue was used today; at most one write a day per queue. */
export function touch(core: Core, queue: QueueRec): void {
  const day = today(core)
  if (queue.updatedAt !== day) core.store.touchQueue(queue.rcvId, day)
}
