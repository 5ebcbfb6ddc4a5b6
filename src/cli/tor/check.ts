import { type Command, Option } from 'commander'
import { AppError } from '../../errors/app-error.ts'
import { type SocksProxy, socksProxy } from '../../config/key-values.ts'
import { createLogger, silentLogger } from '../../config/log.ts'
import type { Paths } from '../../config/paths.ts'
import { isOnion } from '../../protocol/host.ts'
import { addressPort } from '../../app/address.ts'
import type { Context } from '../context.ts'
import { readFingerprint } from '../../app/identity.ts'
import { loadSettings } from '../../app/load-settings.ts'
import { addOptions, checked, valueOption } from '../options.ts'
import { Refusal } from '../../errors/refusal.ts'
import { print } from '../output.ts'
import { clientOfCheck, socksServer } from '../../app/check-route.ts'
import { externalTarget } from '../../app/onion-settings.ts'
import {
  type CheckResult,
  type CheckStep,
  type CheckStepName,
  type CheckRoute,
  checkReachability,
} from '../../tor/index.ts'

interface CheckOptions {
  readonly socks?: SocksProxy
  readonly clearnet?: true
  readonly json?: true
}

export function addTorCheck(tor: Command, { paths }: Pick<Context, 'paths'>): void {
  const command = tor
    .command('check')
    .description('Check that the relay is reachable through Tor as its users reach it; explain what fails')
    .action((options: CheckOptions) => check(options, paths))
  addOptions(command, [
    valueOption(
      '--socks <HOST:PORT>',
      'SOCKS port of a tor to check through, instead of starting a tor client',
      checked(socksProxy),
    ),
    new Option('--clearnet', 'Check the public hosts too, from this machine or through --socks'),
    new Option('--json', 'Print the result as JSON'),
  ])
}

interface Check {
  readonly host: string
  readonly route: CheckRoute
}

async function check(options: CheckOptions, paths: Paths): Promise<void> {
  const { settings } = await loadSettings(paths)
  const keyHash = Buffer.from(await readFingerprint(paths), 'base64url')
  const { hosts, ports } = settings.transport
  const port = addressPort(ports) ?? DEFAULT_PORT
  const abort = new AbortController()
  const stop = (): void => abort.abort()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, stop)
  const checks: CheckResult[] = []
  try {
    const log = options.json ? silentLogger : createLogger({ level: 'warn' })
    const client = clientOfCheck(paths, settings.tor.torrcExtra, log)
    for (const { host, route } of plan(hosts, options, paths, { type: 'client', client })) {
      const target = { host, port, keyHash, behind: externalTarget(settings, port) }
      if (!options.json) print(`${host} port ${port}, ${viaText[route.type]}:`)
      const onStep = options.json ? undefined : (step: CheckStep): void => print(stepLine(step))
      const result = await checkReachability(target, route, { signal: abort.signal, onStep })
      checks.push(result)
      if (!options.json) print(...outcomeLines(result))
    }
  } catch (error) {
    if (abort.signal.aborted) throw new Refusal('Check cancelled.')
    throw error
  } finally {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, stop)
  }
  const ok = checks.every(({ fault }) => fault === undefined)
  if (options.json) print(JSON.stringify({ ok, checks }))
  // The reason is printed already.
  if (!ok) throw new Refusal()
}

const DEFAULT_PORT = 5223

/** The onion addresses, and with `--clearnet` the public hosts. */
function plan(hosts: readonly string[], { socks, clearnet }: CheckOptions, paths: Paths, client: CheckRoute): Check[] {
  const proxied: CheckRoute | undefined = socks && { type: 'socks', server: socksServer(socks) }
  const checks = hosts
    .filter((host) => clearnet === true || isOnion(host))
    .map((host) => ({ host, route: proxied ?? (isOnion(host) ? client : { type: 'direct' as const }) }))
  const isWanted = clearnet ? checks.some(({ host }) => !isOnion(host)) : checks.length > 0
  if (isWanted) return checks
  const kind = clearnet ? 'public host' : 'onion address'
  throw new AppError(
    clearnet ? 'NO_PUBLIC_HOST' : 'NO_ONION_HOST',
    `There is nothing to check: host under [TRANSPORT] of ${paths.ini} contains no ${kind}.`,
    clearnet ? 'Add one to host.' : 'Run `smp-server tor setup`, or check the public hosts with --clearnet.',
  )
}

const viaText = {
  client: 'through a new tor client',
  socks: 'through the SOCKS port',
  direct: 'directly from this machine',
} as const

const stepText: Readonly<Record<CheckStepName, string>> = {
  tor: 'tor client',
  connect: 'connection',
  tls: 'TLS',
  certificate: 'fingerprint',
  hello: 'SMP hello',
  ping: 'PING',
}

function stepLine({ name, ms }: CheckStep): string {
  const took = ms === undefined ? 'matches the address' : `${(ms / 1000).toFixed(3).padStart(7)} s`
  return `  ${stepText[name].padEnd(12)} ${took}`
}

function outcomeLines({ fault, versions, ms }: CheckResult): string[] {
  if (!fault) {
    const smp = versions ? `, SMP ${versions.min} to ${versions.max}` : ''
    return [`  The relay is reachable (${(ms / 1000).toFixed(2)} s${smp}).`]
  }
  return [`  ${stepText[fault.step].padEnd(12)} failed`, `Error: ${fault.message}`, fault.remedy]
}
