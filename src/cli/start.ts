import cluster from 'node:cluster'
import { existsSync } from 'node:fs'
import { type Command, Option } from 'commander'
import { choice, integer } from '../config/key-values.ts'
import { createLogger, type LogLevel, logLevels } from '../config/log.ts'
import type { Settings } from '../config/settings.ts'
import type { RequestHandler } from '../transport/web-requests.ts'
import { becomeRelayUser, checkAccess } from '../app/access.ts'
import { addressParts, addressText, missingHost } from '../app/address.ts'
import { bannerLines, type Site } from './banner.ts'
import type { Context } from './context.ts'
import { readFingerprint, repairFingerprint } from '../app/identity.ts'
import { loadSettings } from '../app/load-settings.ts'
import { serviceNotice } from '../app/service-notice.ts'
import { addOptions, checked, parsedBy, valueOption } from './options.ts'
import { print } from './output.ts'
import { withOpenablePorts, withoutPorts } from '../app/port-check.ts'
import { maintainStore, type RunningRelay, type RunOptions, runRelay } from '../app/run-relay.ts'
import { makeSite } from '../app/site.ts'
import { catchStopSignal } from '../app/stop-signal.ts'
import { checkStorage } from '../app/storage-check.ts'
import { identityLines, sourceCodeLines } from './summary-lines.ts'

interface StartOptions {
  readonly maintenance?: true
  readonly compactLog?: true
  readonly logLevel: LogLevel
  readonly skipWarnings?: true
  readonly confirmMigrations?: 'up' | 'down'
  readonly workers?: number
}

export function addStart(program: Command, context: Context): void {
  const command = program
    .command('start')
    .description(`Run the relay (configuration: ${context.paths.ini})`)
    .action((options: StartOptions) => start(options, context))
  addOptions(command, [
    new Option('-m, --maintenance', 'Open the store, expire old messages and exit; opens no ports'),
    new Option('--compact-log', 'Accepted for compatibility: the store needs no compacting'),
    valueOption(
      '--log-level <LOG_LEVEL>',
      `Log level: ${logLevels.join(', ')}`,
      checked(choice(logLevels), 'Invalid log level'),
      { value: 'info', shown: 'info' },
    ),
    new Option('--skip-warnings', 'Start although some records cannot be imported, without them'),
    valueOption(
      '--confirm-migrations <CONFIRM_MIGRATIONS>',
      'Confirm PostgreSQL migrations: up, down',
      checked(choice(['up', 'down']), "invalid migration confirmation, pass 'up' or 'down'"),
    ),
    valueOption(
      '--workers <N>',
      'Processes that serve clients; more than one needs PostgreSQL (default: workers in [CLUSTER])',
      parsedBy(integer(1, 256)),
    ),
  ])
}

async function start(options: StartOptions, { paths, version }: Context): Promise<void> {
  // One of the processes that `run` starts.
  if (cluster.isWorker) {
    const { runWorker } = await import('../app/workers/worker.ts')
    await runWorker(paths)
    return
  }
  const log = createLogger({ level: options.logLevel })
  const user = becomeRelayUser([paths.stateDir, paths.configDir])
  if (user !== undefined) log.warn(`smp-server was started by root, and runs as user ${user}, who owns the relay`)
  const { settings: written, warnings, text } = await loadSettings(paths)
  const settings = { ...written, cluster: { workers: options.workers ?? written.cluster.workers } }
  checkAccess(paths)
  for (const warning of [...warnings, missingHost(settings, paths.ini)]) {
    if (warning !== undefined) log.warn(warning)
  }
  const { newQueues, createPassword } = settings.auth
  if (newQueues && createPassword === undefined) {
    log.note('This relay is open: anyone can create queues (no create_password in [AUTH])')
  }
  const repaired = await repairFingerprint(paths)
  if (repaired !== undefined) log.warn(repaired)
  const fingerprint = await readFingerprint(paths)
  const parts = addressParts(settings, fingerprint)
  const hidden = settings.auth.hidePassword && parts.password !== undefined
  const address = addressText(hidden ? { ...parts, password: '…' } : parts)
  print(...identityLines(version, fingerprint, address), ...sourceCodeLines(settings.information?.sourceCode))

  await checkStorage(settings, paths)
  const opened = options.maintenance ? withoutPorts(settings) : await withOpenablePorts(settings, log)
  const base = {
    settings: opened,
    ini: text,
    paths,
    log,
    level: options.logLevel,
    skipWarnings: options.skipWarnings === true,
    migrate: options.confirmMigrations,
  }
  const site = options.maintenance ? undefined : await makeSite(base)
  const { ports, webSocketPorts } = opened.transport
  print(...bannerLines({ settings, paths, ports, webSocketPorts, site: siteState(settings, site) }))
  await run({ ...base, site }, options.maintenance === true)
}

async function run(options: RunOptions, maintenance: boolean): Promise<void> {
  const { log } = options
  let relay: RunningRelay | undefined
  const due = { reload: false }
  const notice = serviceNotice(log)
  const reload = (): void => {
    due.reload = relay === undefined
    if (relay === undefined) return
    notice?.reloading()
    // The log has the result.
    void relay
      .reload()
      .catch(() => undefined)
      .finally(() => notice?.ready())
  }
  // To what runs in a terminal SIGHUP says that this is gone.
  const isInTerminal = process.stdin.isTTY || process.stdout.isTTY
  const stopping = catchStopSignal(isInTerminal ? undefined : reload)
  try {
    if (maintenance) {
      await maintainStore(options)
      print("Server started in 'maintenance' mode, exiting")
      return
    }
    relay = await runRelay(options)
    notice?.ready()
    if (due.reload) reload()
    const reason = await stopping.received
    notice?.stopping()
    if (reason instanceof Error) log.error('The relay failed and stops', { error: reason })
    else log.note(`Received ${reason}, stopping server...`)
    await relay.stop()
    if (reason instanceof Error) throw reason
  } finally {
    stopping.forgetErrors()
  }
}

function siteState({ web }: Settings, site: RequestHandler | undefined): Site {
  if (!web.https || site === undefined) return 'off'
  return existsSync(web.https.certificate) && existsSync(web.https.key) ? 'served' : 'no certificate'
}
