import { existsSync } from 'node:fs'
import { type Command, Option } from 'commander'
import { choice } from '../config/key-values.ts'
import { createLogger, type Logger, type LogLevel, logLevels } from '../config/log.ts'
import type { Paths } from '../config/paths.ts'
import type { Settings } from '../config/settings.ts'
import type { RequestHandler } from '../transport/web-requests.ts'
import { checkAccess, rootWarning } from '../app/access.ts'
import { addressParts, addressText, missingHost } from '../app/address.ts'
import { bannerLines, type Site } from './banner.ts'
import type { Context } from './context.ts'
import { readFingerprint } from '../app/identity.ts'
import { loadSettings } from '../app/load-settings.ts'
import { reportReload } from '../app/reload.ts'
import { serviceNotice } from '../app/service-notice.ts'
import { openMetricsEndpoint } from '../app/metrics-endpoint.ts'
import { addOptions, checked, valueOption } from './options.ts'
import { print } from './output.ts'
import { checkOptionalPorts, checkPorts } from '../app/port-check.ts'
import { checkStorage } from '../app/storage-check.ts'
import { identityLines, sourceCodeLines } from './summary-lines.ts'
import { buildCommit, packageVersion } from '../app/version.ts'

interface StartOptions {
  readonly maintenance?: true
  readonly compactLog?: true
  readonly logLevel: LogLevel
  readonly skipWarnings?: true
  readonly confirmMigrations?: 'up' | 'down'
}

export function addStart(program: Command, context: Context): void {
  const command = program
    .command('start')
    .description(`Run the server (configuration: ${context.paths.ini})`)
    .action((options: StartOptions) => start(options, context))
  addOptions(command, [
    new Option('-m, --maintenance', 'Open the storage, expire old messages and stop again, without opening ports'),
    new Option('--compact-log', 'Accepted for compatibility, the storage needs no compacting'),
    valueOption(
      '--log-level <LOG_LEVEL>',
      `What to log: ${logLevels.join(', ')}`,
      checked(choice(logLevels), 'Invalid log level'),
      { value: 'info', shown: 'info' },
    ),
    new Option('--skip-warnings', 'Start in spite of damage that can be skipped'),
    valueOption(
      '--confirm-migrations <CONFIRM_MIGRATIONS>',
      'Agree to PostgreSQL migrations: up, down',
      checked(choice(['up', 'down']), "invalid migration confirmation, pass 'up' or 'down'"),
    ),
  ])
}

async function start(options: StartOptions, { paths, version }: Context): Promise<void> {
  const log = createLogger({ level: options.logLevel })
  const { settings, warnings } = await loadSettings(paths)
  checkAccess(paths)
  for (const warning of [...warnings, rootWarning(paths), missingHost(settings, paths.ini)]) {
    if (warning !== undefined) log.warn(warning)
  }
  const fingerprint = await readFingerprint(paths)
  const address = addressText(addressParts(settings, fingerprint))
  print(...identityLines(version, fingerprint, address), ...sourceCodeLines(settings.information?.sourceCode))

  checkStorage(settings, paths)
  const opened = options.maintenance ? NO_PORTS : await openablePorts(settings.transport, log)
  const { ports, webSocketPorts } = opened
  const site = options.maintenance ? undefined : await madeSite(settings, paths, log)
  print(...bannerLines({ settings, paths, ports, webSocketPorts, site: siteState(settings, site) }))
  await run(withPorts(settings, opened), options, { paths, log, site, written: settings })
}

async function madeSite(settings: Settings, paths: Paths, log: Logger): Promise<RequestHandler | undefined> {
  const { prepareSite } = await import('../web/prepare-site.ts')
  return await prepareSite({ settings, paths, log, build: { version: packageVersion(), commit: buildCommit() } })
}

async function run(
  settings: Settings,
  options: StartOptions,
  {
    paths,
    log,
    site,
    written,
  }: Pick<Context, 'paths'> & {
    log: Logger
    site: RequestHandler | undefined
    /** The settings as the INI file has them. */
    written: Settings
  },
): Promise<void> {
  const notice = serviceNotice(log)
  const stopping = stopSignal({
    ...(notice && {
      onReload: () => {
        notice.reloading()
        void reportReload(written, paths, log).finally(() => notice.ready())
      },
    }),
  })
  try {
    // The other commands need not wait until all of the relay is loaded.
    const [{ startRelay }, { TorParts }] = await Promise.all([
      import('../server/relay.ts'),
      import('../app/tor-parts.ts'),
    ])
    const relay = await startRelay({
      settings,
      paths,
      log,
      version: packageVersion(),
      site,
      skipWarnings: options.skipWarnings === true,
    })
    if (options.maintenance) {
      print("Server started in 'maintenance' mode, exiting")
      await relay.stop()
      return
    }
    const { ports, webSocketPorts } = settings.transport
    log.note(`Listening on port ${[...ports, ...webSocketPorts].join(', ')}`)
    const tor = TorParts.begin({ settings, paths, log })
    const metrics = await openMetricsEndpoint({
      port: settings.store.metricsPort,
      relay: () => relay.statistics.metrics(),
      onion: () => tor.onion,
      log,
    })
    notice?.ready()
    const end = await stopping.received
    notice?.stopping()
    if (end instanceof Error) log.error('the server failed and stops', { error: end })
    else log.note(`Received ${end}, stopping server...`)
    await metrics?.close()
    await tor.stop()
    log.note('Saving server state...')
    await relay.stop()
    log.note('Server stopped')
    if (end instanceof Error) throw end
  } finally {
    stopping.forgetErrors()
  }
}

/**
 * Resolves at the first signal to stop, or with an error that nobody caught. Later signals are ignored up to the end of
 * the process, so that nothing interrupts the saving. SIGHUP is the end of the terminal, but for a service it asks for a
 * reload.
 */
function stopSignal({ onReload }: { onReload?: () => void } = {}): {
  received: Promise<NodeJS.Signals | Error>
  forgetErrors(): void
} {
  let resolveReceived: (reason: NodeJS.Signals | Error) => void
  const received = new Promise<NodeJS.Signals | Error>((resolve) => {
    resolveReceived = resolve
  })
  const listener = (reason: NodeJS.Signals | Error): void => resolveReceived(reason)
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, listener)
  process.on('SIGHUP', onReload ?? listener)
  process.on('uncaughtException', listener)
  return { received, forgetErrors: () => process.off('uncaughtException', listener) }
}

type Ports = Pick<Settings['transport'], 'ports' | 'webSocketPorts' | 'controlPort'>

const NO_PORTS: Ports = { ports: [], webSocketPorts: [], controlPort: undefined }

async function openablePorts(transport: Settings['transport'], log: Logger): Promise<Ports> {
  const smp = await checkPorts(transport.ports, transport.listenHost)
  const webSocket = await checkOptionalPorts(transport.webSocketPorts, transport.listenHost)
  for (const { message, remedy = '' } of [...smp.faults, ...webSocket.faults]) log.warn(`${message} ${remedy}`)
  return { ports: smp.usable, webSocketPorts: webSocket.usable, controlPort: transport.controlPort }
}

/** The settings with the ports that can be opened; a port of SMP that cannot is no port for the site alone either. */
function withPorts(settings: Settings, opened: Ports): Settings {
  const { transport, web } = settings
  const lost = transport.ports.filter((port) => !opened.ports.includes(port))
  const https = web.https && lost.includes(web.https.port) ? undefined : web.https
  return { ...settings, transport: { ...transport, ...opened }, web: { ...web, https } }
}

function siteState({ web }: Settings, site: RequestHandler | undefined): Site {
  if (!web.https || site === undefined) return 'off'
  return existsSync(web.https.certificate) && existsSync(web.https.key) ? 'served' : 'no certificate'
}
