import { randomBytes } from 'node:crypto'
import { AppError } from '../errors/app-error.ts'
import { fingerprintText } from '../crypto/fingerprint.ts'
import type { Logger } from '../config/log.ts'
import type { Paths } from '../config/paths.ts'
import type { Settings } from '../config/settings.ts'
import type { Routing } from '../transport/route.ts'
import type { ConnectionLimits } from '../transport/connection-limits.ts'
import { loadCredentials } from '../transport/credentials.ts'
import { WebCertificate } from '../transport/web-certificate.ts'
import type { RequestHandler } from '../transport/web-requests.ts'
import type { NameResolverOptions } from './name-resolver.ts'
import { openControlPort } from './control-port/control-port.ts'
import { openStore } from '../store/open-store.ts'
import type { ServeOptions, ServingWorkers } from './serve-options.ts'
import { serveRelay, type ServingRelay } from './serve.ts'
import type { StatisticsOptions } from './statistics/statistics.ts'

export interface RelayOptions {
  readonly settings: Settings
  readonly paths: Paths
  readonly log: Logger
  /** Of this program, for the metrics. */
  readonly version?: string
  /** The pages about the relay. */
  readonly site?: RequestHandler | undefined
  /** Go on after damage in another server's files that can be skipped. */
  readonly skipWarnings?: boolean
  /** What the operator has agreed to: migrations of a database, or undoing the last one. */
  readonly migrate?: 'up' | 'down' | undefined
  readonly connectionLimits?: ConnectionLimits
  /** Other processes that serve the clients of this relay. */
  readonly workers?: ServingWorkers | undefined
}

/** Starts the relay that the INI file describes, with its store under the state directory. */
export async function startRelay(options: RelayOptions): Promise<ServingRelay> {
  const { settings, paths, log, skipWarnings, migrate } = options
  const { ports, webSocketPorts } = settings.transport
  const credentials = await loadCredentials(paths.configDir)
  const relay = await serveRelay({
    credentials,
    openStore: (onRollback) =>
      openStore(
        {
          settings: settings.store,
          paths,
          log,
          skipWarnings: skipWarnings === true,
          fingerprint: fingerprintText(credentials.identityHash),
          migrate,
          now: () => new Date(),
        },
        onRollback,
      ),
    policy: {
      newQueues: settings.auth.newQueues,
      createPassword: settings.auth.createPassword,
      messageTtl: settings.store.messageTtl,
      expireOnSend: settings.store.expireOnSend,
      expireOnStart: settings.store.expireOnStart,
      notificationTtl: settings.store.notificationTtl,
    },
    ports,
    webSocketPorts,
    ...(await webOptions(options)),
    proxying: {
      ownServerDomains: settings.proxy.ownServerDomains,
      clientConcurrency: settings.proxy.clientConcurrency,
      allowPrivate: settings.proxy.allowPrivate,
      routing: () => routing(settings.proxy),
    },
    ...(settings.transport.listenHost !== undefined && { host: settings.transport.listenHost }),
    ...(settings.names && { names: resolverOptions(settings.names) }),
    ...(settings.inactiveClients && { inactiveClients: settings.inactiveClients }),
    statistics: statisticsOptions(options),
    log,
    logTlsErrors: settings.transport.logTlsErrors,
    ...(options.connectionLimits && { connectionLimits: options.connectionLimits }),
    ...(options.workers && { workers: options.workers }),
    onPortError: (port, error) => {
      if (ports.includes(port) && (port >= 1024 || ports.length === 1)) throw error
      const remedy = error instanceof AppError && error.remedy !== undefined ? ` ${error.remedy}` : ''
      log.warn(`not listening on port ${port}: ${error.message}${remedy}`)
    },
  })
  return withControlPort(relay, settings)
}

async function withControlPort(relay: ServingRelay, { transport, auth }: Settings): Promise<ServingRelay> {
  if (transport.controlPort === undefined) return relay
  const control = await openControlPort(relay, {
    port: transport.controlPort,
    passwords: { admin: auth.controlPortAdminPassword, user: auth.controlPortUserPassword },
    dailyBlockQuota: auth.dailyBlockQueueQuota,
  })
  return {
    ...relay,
    stop: async () => {
      await control?.close()
      await relay.stop()
    },
  }
}

function statisticsOptions({ settings, paths, version }: RelayOptions): StatisticsOptions {
  const { logStats, prometheusInterval } = settings.store
  return {
    ...(logStats && { daily: { lines: paths.dailyStats, snapshot: paths.stats } }),
    ...(prometheusInterval !== undefined && { metrics: { file: paths.metrics, everyMs: prometheusInterval * 1000 } }),
    ...(version !== undefined && { version }),
  }
}

/** The certificate is looked at already, so that the log says at the start when it cannot be used. */
async function webOptions({ settings, log, site }: RelayOptions): Promise<Pick<ServeOptions, 'web' | 'site'>> {
  const { https, httpPort } = settings.web
  const pages = site && { site: { respond: site, ...(httpPort !== undefined && { httpPort }) } }
  if (https === undefined || (pages === undefined && !settings.transport.ports.includes(https.port)))
    return { ...pages }
  const certificate = new WebCertificate(https, log)
  await certificate.context()
  return { ...pages, web: { port: https.port, certificate } }
}

/** The routing to other relays; with Tor, each connection gets a circuit of its own unless the operator set a login. */
function routing({ hostMode, requiredHostMode, socksMode, socksProxy }: Settings['proxy']): Routing {
  if (socksProxy === undefined) return { hostMode, requiredHostMode, socksMode }
  const { host, port, login } = socksProxy
  const server = { host, port }
  switch (login.type) {
    case 'none':
      return { hostMode, requiredHostMode, socksMode, socks: server }
    case 'password':
      return {
        hostMode,
        requiredHostMode,
        socksMode,
        socks: { ...server, username: login.user, password: login.password },
      }
    case 'isolate': {
      const username = randomBytes(24).toString('base64')
      return { hostMode, requiredHostMode, socksMode, socks: { ...server, username, password: '' } }
    }
  }
}

function resolverOptions(names: NonNullable<Settings['names']>): NameResolverOptions {
  const { auth, ...options } = names
  if (auth === undefined) return options
  const credentials =
    auth.type === 'bearer'
      ? `Bearer ${auth.token}`
      : `Basic ${Buffer.from(`${auth.user}:${auth.password}`).toString('base64')}`
  return { ...options, authorization: credentials }
}
