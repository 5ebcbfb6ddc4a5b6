import { isDeepStrictEqual } from 'node:util'
import { pooledRandom } from '../crypto/random.ts'
import type { Listener } from '../transport/listener.ts'
import { Background } from './background.ts'
import { Backlog } from './backlog.ts'
import type { Core, ProxyPolicy } from './core.ts'
import { CreationPassword } from './creation-password.ts'
import { Redelivery } from './delivery.ts'
import { Listening } from './listening.ts'
import { closeInactive, maintain } from './maintenance.ts'
import { NameResolver } from './name-resolver.ts'
import type { Observed } from './observe.ts'
import { answerOf, type Ask } from './process-answers.ts'
import { Recheck } from './recheck.ts'
import { RelayPool } from './relay-pool.ts'
import { Scheduler } from './scheduler.ts'
import type { ServeOptions, Timeouts } from './serve-options.ts'
import { serviceIdKey } from './service-session.ts'
import type { Session } from './session.ts'
import { Sessions } from './sessions.ts'
import { activeQueuesKey } from './statistics/active-queues.ts'
import { newStats, type Stats } from './statistics/counters.ts'
import { sumLive } from './statistics/live.ts'
import { Statistics } from './statistics/statistics.ts'
import { Subscriptions } from './subscriptions.ts'

const TIMEOUTS: Timeouts = {
  tls: 60_000,
  handshake: 120_000,
  stall: 120_000,
  expireMessages: 7_200_000,
  expireNotifications: 3_600_000,
  report: 60_000,
}

/** A relay that serves. */
export interface ServingRelay {
  readonly core: Core
  readonly listeners: readonly Listener[]
  readonly sessions: ReadonlySet<Session>
  readonly stats: Stats
  readonly statistics: Statistics
  /** Over all processes of the relay. */
  readonly ask: Ask
  /** That clients can connect to. */
  readonly ports: () => readonly number[]
  /** Of clients, after their handshake. */
  readonly connections: () => number
  /** Closes every connection, makes everything durable, and closes the store. */
  stop(): Promise<void>
}

export interface AdaptableRelay extends ServingRelay {
  /**
   * Serves with other options from now on, as far as they are about clients, other relays and ports. Connections stay.
   *
   * @throws the error of a new port that cannot be opened; nothing has changed then
   */
  adapt(options: ServeOptions): Promise<void>
}

/** Received bytes whose effects are not durable yet, over all connections, before commands wait for the disk. */
const MAX_UNFLUSHED_BYTES = 64 * 1024 * 1024

/** Opens the store, listens on every port, and serves until stopped. */
export async function serveRelay(options: ServeOptions): Promise<AdaptableRelay> {
  const { log } = options
  const timeouts = { ...TIMEOUTS, ...options.timeouts }
  const scheduler = new Scheduler()
  const background = new Background(scheduler)
  const core = await openCore(options, background)
  const sessions = new Sessions(core, { handshakeTimeoutMs: timeouts.handshake, scheduler, background })
  const listening = new Listening(options, timeouts.tls, sessions.accept)
  const { listeners } = listening
  const { workers } = options
  const observed: Observed = { core, sessions: sessions.all, listeners }
  const ask: Ask = async (question) => [
    await answerOf(observed, question),
    ...(workers === undefined ? [] : await workers.ask(question)),
  ]
  const statistics = new Statistics(
    {
      stats: core.stats,
      counts: async () => core.engine.counts(),
      live: async () => sumLive(await ask('live')),
      wrongPasswords: () => core.creationPassword.wrong + (workers?.wrongPasswords ?? 0),
      now: core.now,
      log,
    },
    options.statistics,
  )
  await statistics.restore()
  const timers = [...maintain(core, sessions.all, background, timeouts), ...statistics.begin()]
  let serving = options
  let inactive = options.inactiveClients && closeInactive(core, sessions.all, background, options.inactiveClients)
  const close = async (): Promise<void> => {
    for (const timer of timers) timer.stop()
    inactive?.stop()
    core.relays.close()
    await statistics.save().catch((error: unknown) => log.error('saving the statistics failed', { error }))
    await core.engine.close()
  }
  try {
    await listening.adapt(options)
    const adapt = async (next: ServeOptions): Promise<void> => {
      await listening.adapt(next)
      useOptions(core, next, serving)
      const { inactiveClients } = next
      if (!isDeepStrictEqual(inactiveClients, serving.inactiveClients)) {
        inactive?.stop()
        inactive = inactiveClients && closeInactive(core, sessions.all, background, inactiveClients)
      }
      serving = next
    }
    const stop = async (): Promise<void> => {
      await listening.close()
      await close()
    }
    return {
      core,
      listeners,
      sessions: sessions.all,
      stats: core.stats,
      statistics,
      ask,
      ports: () => [
        ...listeners.filter(({ withCircuits }) => !withCircuits).map(({ port }) => port),
        ...(workers?.ports ?? []),
      ],
      connections: () => sessions.all.size + (workers?.connections ?? 0),
      adapt,
      stop,
    }
  } catch (error) {
    await close()
    throw error
  }
}

/** @param before what has the same value there needs no change */
function useOptions(core: Core, { policy, proxying, names }: ServeOptions, before: ServeOptions): void {
  core.policy = policy
  core.creationPassword.require(policy.createPassword)
  core.proxying = proxyPolicy(proxying)
  if (names !== before.names) core.resolver = names && new NameResolver(names)
  if (proxying?.routing === undefined || proxying.routing === before.proxying?.routing) return
  core.relays.reroute({ routing: proxying.routing, allowPrivate: proxying.allowPrivate === true })
}

function proxyPolicy(proxying: ServeOptions['proxying']): ProxyPolicy {
  return { ownServerDomains: [], clientConcurrency: 32, ...proxying }
}

async function openCore(options: ServeOptions, background: Background): Promise<Core> {
  const now = options.now ?? Date.now
  const { log, names, policy, proxying, credentials } = options
  const opened: { redelivery?: Redelivery } = {}
  const engine = await options.openStore(() => opened.redelivery?.start())
  const core: Core = {
    store: engine.loads ? engine.nothing : engine,
    engine,
    subscriptions: new Subscriptions(),
    stats: newStats(now(), activeQueuesKey(credentials.keyPem)),
    policy,
    creationPassword: new CreationPassword(policy.createPassword),
    proxying: proxyPolicy(proxying),
    relays: new RelayPool({ routing: () => ({}), now, ...proxying }),
    resolver: names && new NameResolver(names),
    random: pooledRandom(),
    serviceIdKey: serviceIdKey(credentials.keyPem),
    backlog: new Backlog(MAX_UNFLUSHED_BYTES),
    now,
    log,
  }
  opened.redelivery = new Redelivery(core, background)
  if (engine.loads) engine.listen(new Recheck(core, engine))
  return core
}
