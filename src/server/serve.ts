import type { Logger } from '../config/log.ts'
import type { Store } from '../store/store.ts'
import type { BlockChannel } from '../transport/channel.ts'
import type { ConnectionLimits } from '../transport/connection-limits.ts'
import { listen, type Listener, type TlsFault, type WebOptions } from '../transport/listener.ts'
import type { RelayCredentials } from '../transport/credentials.ts'
import { acceptHandshake } from '../transport/server-handshake.ts'
import { listenHttp, type HttpListener } from '../transport/http-listener.ts'
import type { WebCertificate } from '../transport/web-certificate.ts'
import { answerWith, type RequestHandler } from '../transport/web-requests.ts'
import type { Core, Policy, ProxyPolicy } from './core.ts'
import { redeliverAll } from './delivery.ts'
import { NameResolver, type NameResolverOptions } from './name-resolver.ts'
import { readLive } from './observe.ts'
import { pooledRandom } from '../crypto/random.ts'
import { RelayPool, type RelayPoolOptions } from './relay-pool.ts'
import { Scheduler } from './scheduler.ts'
import { lookupService } from './service-session.ts'
import { Session } from './session.ts'
import { activeQueuesKey } from './statistics/active-queues.ts'
import { newStats, type Stats } from './statistics/counters.ts'
import { Statistics, type StatisticsOptions } from './statistics/statistics.ts'
import { Subscriptions } from './subscriptions.ts'
import { every } from './timer.ts'

/** Everything that a relay needs to serve, without where it came from. */
export interface ServeOptions {
  readonly credentials: RelayCredentials
  /** Opens the store; `onRollback` must be called when effects that were visible are lost. */
  readonly openStore: (onRollback: () => void) => Promise<Store> | Store
  readonly policy: Policy
  /** Ports to listen on; 0 for any free one. */
  readonly ports: readonly number[]
  /** Ports for WebSockets alone; on `ports` they are accepted as well. */
  readonly webSocketPorts?: readonly number[]
  /**
   * What browsers trust, and the port that it is for: one of `ports`, or another one when there is a site.
   */
  readonly web?: { readonly port: number; readonly certificate: WebCertificate }
  /** The pages, for the port of `web` and over plain HTTP. */
  readonly site?: { readonly respond: RequestHandler; readonly httpPort?: number }
  /** One address to listen on; all when absent. */
  readonly host?: string
  /** Connections without subscriptions are closed after `ttl` seconds without traffic, looked at every `checkInterval`. */
  readonly inactiveClients?: { readonly ttl: number; readonly checkInterval: number }
  readonly log: Logger
  readonly logTlsErrors?: boolean
  /** For the ports of clients together. */
  readonly connectionLimits?: ConnectionLimits
  /** What happens with a port that cannot be bound; throws when that is fatal. */
  readonly onPortError?: (port: number, error: Error) => void
  readonly now?: () => number
  /** Passing commands on to other relays, and how those are reached. */
  readonly proxying?: Partial<ProxyPolicy & Omit<RelayPoolOptions, 'now'>>
  /** Looking up public names for clients; off when absent. */
  readonly names?: NameResolverOptions
  readonly timeouts?: Partial<Timeouts>
  /** Files in which the statistics are kept; they are in memory alone when absent. */
  readonly statistics?: StatisticsOptions
}

/** Milliseconds. */
export interface Timeouts {
  readonly tls: number
  readonly handshake: number
  /** How long a client may leave what waits for it unread. */
  readonly stall: number
  readonly expireMessages: number
  readonly expireNotifications: number
}

const TIMEOUTS: Timeouts = {
  tls: 60_000,
  handshake: 120_000,
  stall: 120_000,
  expireMessages: 7_200_000,
  expireNotifications: 3_600_000,
}

/** A relay that serves. */
export interface ServingRelay {
  readonly core: Core
  readonly listeners: readonly Listener[]
  /** The site over plain HTTP. */
  readonly http: HttpListener | undefined
  readonly sessions: ReadonlySet<Session>
  readonly stats: Stats
  readonly statistics: Statistics
  /** Closes every connection, makes everything durable, and closes the store. */
  stop(): Promise<void>
}

/** Plain HTTP is for a proxy or the onion service on this machine, unless `listen_host` says otherwise. */
const LOOPBACK = '127.0.0.1'

/** Received bytes whose effects are not durable yet, over all connections, before work waits for the disk. */
const MAX_UNFLUSHED_BYTES = 64 * 1024 * 1024

/** Opens the store, listens on every port, and serves until stopped. */
export async function serveRelay(options: ServeOptions): Promise<ServingRelay> {
  const { log } = options
  const timeouts = { ...TIMEOUTS, ...options.timeouts }
  const now = options.now ?? Date.now
  const state: { core?: Core } = {}
  const store = await options.openStore(() => {
    if (state.core) redeliverAll(state.core)
  })
  const core: Core = {
    store,
    subscriptions: new Subscriptions(),
    stats: newStats(now(), activeQueuesKey(options.credentials.keyPem)),
    policy: options.policy,
    proxying: { ownServerDomains: [], clientConcurrency: 32, ...options.proxying },
    relays: new RelayPool({ routing: () => ({}), now, ...options.proxying }),
    resolver: options.names && new NameResolver(options.names),
    random: pooledRandom(),
    backlog: { bytes: 0 },
    now,
    log,
  }
  state.core = core
  const sessions = new Set<Session>()
  const listeners: Listener[] = []
  const statistics = new Statistics(
    { stats: core.stats, counts: () => store.counts(), live: () => readLive({ core, sessions, listeners }), now, log },
    options.statistics,
  )
  try {
    await statistics.restore()
  } catch (error) {
    await store.close()
    throw error
  }
  const scheduler = new Scheduler(() => (core.backlog.bytes > MAX_UNFLUSHED_BYTES ? store.flushed() : undefined))
  let lastSessionId = 0

  const onChannel = (channel: BlockChannel, challenge?: Buffer): void => {
    void serve(channel, challenge).catch((error: unknown) => {
      log.error('a connection ended with an error in this relay', { error })
      channel.close()
    })
  }

  const serve = async (channel: BlockChannel, challenge: Buffer | undefined): Promise<void> => {
    const link = await acceptHandshake(channel, {
      credentials: options.credentials,
      timeoutMs: timeouts.handshake,
      ...(challenge && { challenge }),
      lookupService: (service) => lookupService(core, service),
    })
    if (link === undefined) return
    sessions.add(new Session(core, ++lastSessionId, link, scheduler, (session) => endSession(session)))
  }

  const endSession = (session: Session): void => {
    sessions.delete(session)
    const { subscriptions } = core
    for (const subscription of session.subscriptions.values()) subscriptions.unsubscribe(subscription)
    for (const notifierId of session.notifiers) subscriptions.unsubscribeNotifier(notifierId, session)
    const { service } = session.link
    if (service === undefined) return
    subscriptions.unsubscribeService('R', service.serviceId, session)
    subscriptions.unsubscribeService('N', service.serviceId, session)
  }

  let http: HttpListener | undefined
  const timers = [...maintenance(core, sessions, timeouts, options), ...statistics.begin()]
  const stop = async (): Promise<void> => {
    for (const timer of timers) timer.stop()
    await Promise.all([...listeners, ...(http ? [http] : [])].map((listener) => listener.close()))
    core.relays.close()
    await statistics.save().catch((error: unknown) => log.error('the statistics could not be saved', { error }))
    await store.close()
  }
  const opened = async <T>(port: number, opening: Promise<T>): Promise<T | undefined> => {
    try {
      return await opening
    } catch (error) {
      if (options.onPortError === undefined || !(error instanceof Error)) throw error
      options.onPortError(port, error)
      return undefined
    }
  }
  const place = options.host === undefined ? {} : { host: options.host }
  const onTlsError = (fault: TlsFault): void => {
    if (options.logTlsErrors === true) log.info(`TLS error: ${fault.code}`)
  }
  const { credentials, site } = options
  try {
    for (const { port, web, setting } of openings(options)) {
      const listening = listen({
        ...place,
        port,
        credentials,
        onChannel,
        onTlsError,
        ...(options.connectionLimits && { limits: options.connectionLimits }),
        handshakeTimeoutMs: timeouts.tls,
        web,
        ...(setting !== undefined && { setting }),
      })
      const listener = await opened(port, listening)
      if (listener === undefined) continue
      listeners.push(listener)
      if (setting !== undefined) log.info(`Serving static site on port ${listener.port} (TLS)`)
    }
    if (site?.httpPort !== undefined) {
      http = await opened(
        site.httpPort,
        listenHttp({ host: options.host ?? LOOPBACK, port: site.httpPort, respond: answerWith(site.respond) }),
      )
      if (http) log.info(`Serving static site on port ${http.port}`)
    }
  } catch (error) {
    await stop()
    throw error
  }
  return { core, listeners, http, sessions, stats: core.stats, statistics, stop }
}

interface Opening {
  readonly port: number
  readonly web: WebOptions
  /** Of a port for the site alone: what an operator sets to have another one. */
  readonly setting?: { readonly key: string; readonly section: string }
}

function openings({ ports, webSocketPorts = [], web, site }: ServeOptions): Opening[] {
  const pages = web && { certificate: web.certificate, ...(site && { site: site.respond }) }
  const hasOwnPort = web !== undefined && site !== undefined && !ports.includes(web.port)
  return [
    ...ports.map((port): Opening => ({ port, web: { on: 'shared port', ...(port === web?.port && pages) } })),
    // The site's own port takes WebSockets as well.
    ...webSocketPorts
      .filter((port) => !(hasOwnPort && port === web.port))
      .map((port): Opening => ({ port, web: { on: 'own port' } })),
    ...(hasOwnPort
      ? [{ port: web.port, web: { on: 'own port', ...pages }, setting: { key: 'https', section: 'WEB' } } as const]
      : []),
  ]
}

/** What a relay does without being asked: expiry, and closing connections that are of no use. */
function maintenance(
  core: Core,
  sessions: ReadonlySet<Session>,
  timeouts: Timeouts,
  options: ServeOptions,
): { stop(): void }[] {
  const { policy, store, stats, log } = core
  const expireMessages = async (): Promise<void> => {
    const result = await store.expireQueues(Math.floor(core.now() / 1000) - policy.messageTtl)
    stats.msgExpired += result.expired
    log.info(`messages stored: ${result.stored}, expired: ${result.expired}, queues: ${result.queues}`)
  }
  const expireNotifications = async (): Promise<void> => {
    stats.msgNtfExpired += await store.expireNotifications(Math.floor(core.now() / 1000) - policy.notificationTtl)
  }
  const closeStalled = (): void => {
    const before = core.now() - timeouts.stall
    for (const session of sessions) if (session.stalledAt !== undefined && session.stalledAt < before) session.close()
  }
  if (policy.expireOnStart === true) {
    expireMessages().catch((error: unknown) => log.error('old messages could not be removed at the start', { error }))
  }
  const timers = [
    every(timeouts.expireMessages, log, expireMessages),
    every(timeouts.expireNotifications, log, expireNotifications),
    every(Math.max(1000, timeouts.stall / 4), log, closeStalled),
    every(60_000, log, () => core.relays.expire()),
  ]
  const { inactiveClients } = options
  if (inactiveClients !== undefined) {
    const closeInactive = (): void => {
      const before = core.now() - inactiveClients.ttl * 1000
      for (const session of sessions) if (!session.hasSubscriptions && session.activeAt < before) session.close()
    }
    timers.push(every(inactiveClients.checkInterval * 1000, log, closeInactive))
  }
  return timers
}
