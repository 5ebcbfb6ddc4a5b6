import { setTimeout as sleep } from 'node:timers/promises'
import { type Command, Option } from 'commander'
import { Registry } from 'prom-client'
import type { Paths } from '../../config/paths.ts'
import { isOnion } from '../../protocol/host.ts'
import type { Context } from '../context.ts'
import { loadSettings } from '../../app/load-settings.ts'
import { torForm } from '../../app/onion.ts'
import { addOptions } from '../options.ts'
import { Refusal } from '../../errors/refusal.ts'
import { print } from '../output.ts'
import {
  type Fact,
  type Observed,
  observeOnion,
  loadOnionMetrics,
  onionStatus,
  type OnionStatus,
} from '../../tor/index.ts'

interface StatusOptions {
  readonly json?: true
  readonly watch?: true
  readonly metrics?: true
}

export function addTorStatus(tor: Command, { paths }: Pick<Context, 'paths'>): void {
  const command = tor
    .command('status')
    .description('Show how the onion service is, and what to do when something is wrong')
    .action((options: StatusOptions) => status(options, paths))
  addOptions(command, [
    new Option('--json', 'Show it as JSON').conflicts('metrics'),
    new Option('--watch', 'Show it again and again, until interrupted').conflicts('metrics'),
    new Option('--metrics', 'Show figures in the text format of Prometheus'),
  ])
}

async function status(options: StatusOptions, paths: Paths): Promise<void> {
  const observed = await observe(paths)
  if (options.metrics) {
    process.stdout.write(await metricsText(observed))
    return
  }
  const current = onionStatus(observed)
  const last = options.watch ? await watch(current, options, paths) : current
  if (!options.watch) print(...(options.json ? [JSON.stringify(current)] : statusLines(current)))
  // What is to be said has been printed.
  if (!last.healthy) throw new Refusal()
}

async function observe(paths: Paths): Promise<Observed> {
  const { settings } = await loadSettings(paths)
  return await observeOnion({
    form: settings.tor.mode === 'torrc' ? 'torrc' : torForm(settings, paths),
    keyFile: paths.onionKey,
    statusFile: paths.torStatus,
    configured: settings.transport.hosts.filter(isOnion),
  })
}

async function metricsText({ relay: { running, record } }: Observed): Promise<string> {
  const state = running ? record?.state : undefined
  const registry = new Registry()
  const { registerOnionMetrics } = await loadOnionMetrics()
  registerOnionMetrics(registry, () => state ?? { phase: 'stopped', restarts: 0 })
  return await registry.metrics()
}

const watchEveryMs = 2000

/** A picture that is drawn anew on a terminal; elsewhere the lines that are not as they were. */
async function watch(first: OnionStatus, { json }: StatusOptions, paths: Paths): Promise<OnionStatus> {
  const abort = new AbortController()
  const stop = (): void => abort.abort()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, stop)
  let current = first
  let shown: readonly string[] = []
  for (;;) {
    const lines = json ? [JSON.stringify(current)] : statusLines(current)
    if (lines.join('\n') !== shown.join('\n')) {
      if (process.stdout.isTTY && !json) print(`\x1b[H\x1b[2J${lines.join('\n')}`)
      else print(...lines.filter((line) => !shown.includes(line)))
    }
    shown = lines
    const interrupted = await sleep(watchEveryMs, false, { signal: abort.signal }).catch(() => true)
    if (interrupted) break
    current = onionStatus(await observe(paths))
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, stop)
  return current
}

const marks = new Map([
  [true, 'ok'],
  [false, 'WRONG'],
])

/** One line for the whole, one for each fact, and what to do. */
export function statusLines({ healthy, problem, facts }: OnionStatus): string[] {
  return [
    `Onion service: ${healthy ? 'healthy' : 'not healthy'}`,
    ...facts.map(factLine),
    ...(problem ? [`To do about ${problem.fact}: ${problem.remedy}`] : []),
  ]
}

function factLine({ name, ok, text, source }: Fact): string {
  const mark = ok === undefined ? '' : (marks.get(ok) ?? '')
  return `  ${name.padEnd(10)} ${mark.padEnd(5)} ${text} [${source}]`
}
