import { randomBytes } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import { AppError } from '../errors/app-error.ts'
import { fingerprintText } from '../crypto/fingerprint.ts'
import type { Logger } from '../config/log.ts'
import type { Paths } from '../config/paths.ts'
import type { Settings } from '../config/settings.ts'
import type { Routing } from '../transport/route.ts'
import type { ConnectionLimits } from '../transport/connection-limits.ts'
import { loadCredentials, type RelayCredentials } from '../transport/credentials.ts'
import type { LineServer } from '../transport/line-server.ts'
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

/** A relay that takes over changes of its settings. */
export interface ConfiguredRelay extends ServingRelay {
  /**
   * Uses other settings from now on, as far as they are read while the relay runs, and renewed certificates. A new port
   * that cannot be opened is left out, and the log says so.
   *
   * @returns whether there is a new certificate
   * @throws AppError for certificates that cannot be used; nothing has changed then
   */
  adapt(settings: Settings, site: RequestHandler | undefined): Promise<boolean>
  /** Goes back to what it had before the last {@link adapt} that succeeded. Reads no file, which may be the fault. */
  revert(): Promise<void>
}

/** Starts the relay that the INI file describes, with its store under the state directory. */
export async function startRelay(options: RelayOptions): Promise<ConfiguredRelay> {
  const { settings, paths } = options
  const credentials = await loadCredentials(paths.configDir)
  const { ports } = settings.transport
  const isOptional = (port: number): boolean => !ports.includes(port) || (port < 1024 && ports.length > 1)
  let serving = await serveOptions(options, credentials, undefined, isOptional)
  const relay = await serveRelay(serving)
  let present = settings
  let control = await controlPort(relay, settings)
  let before: { readonly serving: ServeOptions; readonly present: Settings } | undefined
  const use = async (next: Settings, adapted: ServeOptions): Promise<void> => {
    await relay.adapt(adapted)
    serving = adapted
    if (!isDeepStrictEqual(controlSettings(next), controlSettings(present))) {
      await control?.close()
      control = await controlPort(relay, next)
    }
    present = next
  }
  return {
    ...relay,
    adapt: async (next, site) => {
      const renewed = await loadCredentials(paths.configDir)
      requireSameIdentity(renewed, credentials, paths)
      const change = { ...options, settings: next, site }
      const adapted = await serveOptions(change, renewed, { settings: present, options: serving }, () => true)
      const had = { serving, present }
      await use(next, adapted)
      before = had
      return adapted.credentials.certPem !== had.serving.credentials.certPem
    },
    revert: async () => {
      if (before !== undefined) await use(before.present, before.serving)
      before = undefined
    },
    stop: async () => {
      await control?.close()
      await relay.stop()
    },
  }
}

function requireSameIdentity(renewed: RelayCredentials, credentials: RelayCredentials, { configDir }: Paths): void {
  if (renewed.identityHash.equals(credentials.identityHash)) return
  throw new AppError(
    'RELAY_OTHER_IDENTITY',
    `The certificates in ${configDir} are those of another relay: their fingerprint is ${fingerprintText(renewed.identityHash)}, and clients know this relay as ${fingerprintText(credentials.identityHash)}.`,
    'Put the files of this relay back, or restart it to serve under the other address.',
  )
}

/**
 * @param before what is the same in it stays the same object
 * @param isOptional whether the relay goes on when a port cannot be opened
 */
async function serveOptions(
  options: RelayOptions,
  credentials: RelayCredentials,
  before: { readonly settings: Settings; readonly options: ServeOptions } | undefined,
  isOptional: (port: number) => boolean,
): Promise<ServeOptions> {
  const { settings, paths, log, skipWarnings, migrate } = options
  const { ports, webSocketPorts, listenHost, logTlsErrors } = settings.transport
  const isSame = (part: 'proxy' | 'names'): boolean => isDeepStrictEqual(before?.settings[part], settings[part])
  const names = isSame('names') ? before?.options.names : settings.names && resolverOptions(settings.names)
  return {
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
    ...(settings.tor.circuitPort !== undefined && { circuitPort: settings.tor.circuitPort }),
    ...(await webOptions(options)),
    proxying: (isSame('proxy') ? before?.options.proxying : undefined) ?? {
      ownServerDomains: settings.proxy.ownServerDomains,
      clientConcurrency: settings.proxy.clientConcurrency,
      allowPrivate: settings.proxy.allowPrivate,
      routing: () => routing(settings.proxy),
    },
    ...(listenHost !== undefined && { host: listenHost }),
    ...(names && { names }),
    ...(settings.inactiveClients && { inactiveClients: settings.inactiveClients }),
    statistics: statisticsOptions(options),
    log,
    logTlsErrors,
    ...(options.connectionLimits && { connectionLimits: options.connectionLimits }),
    ...(options.workers && { workers: options.workers }),
    onPortError: (port, error) => {
      if (!isOptional(port)) throw error
      const remedy = error instanceof AppError && error.remedy !== undefined ? ` ${error.remedy}` : ''
      log.warn(`not listening on port ${port}: ${error.message}${remedy}`)
    },
  }
}

function controlSettings({ transport, auth }: Settings): unknown {
  const { controlPortAdminPassword: admin, controlPortUserPassword: user, dailyBlockQueueQuota } = auth
  return { port: transport.controlPort, admin, user, dailyBlockQueueQuota }
}

async function controlPort(relay: ServingRelay, { transport, auth }: Settings): Promise<LineServer | undefined> {
  if (transport.controlPort === undefined) return undefined
  return await openControlPort(relay, {
    port: transport.controlPort,
    passwords: { admin: auth.controlPortAdminPassword, user: auth.controlPortUserPassword },
    dailyBlockQuota: auth.dailyBlockQueueQuota,
  })
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
