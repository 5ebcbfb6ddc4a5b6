import { setTimeout as sleep } from 'node:timers/promises'
import { type Command, Option } from 'commander'
import { Registry } from 'prom-client'
import type { Paths } from '../../config/paths.ts'
import type { Context } from '../context.ts'
import { loadSettings } from '../../app/load-settings.ts'
import { observedOnion } from '../../app/observed-onion.ts'
import { addOptions } from '../options.ts'
import { Refusal } from '../../errors/refusal.ts'
import { print } from '../output.ts'
import { type Fact, type Observed, loadOnionMetrics, onionStatus, type OnionStatus } from '../../tor/index.ts'

interface StatusOptions {
  readonly json?: true
  readonly watch?: true
  readonly metrics?: true
}

export function addTorStatus(tor: Command, { paths }: Pick<Context, 'paths'>): void {
  const command = tor
    .command('status')
    .description('Show the state of the onion service, and how to fix what is wrong')
    .action((options: StatusOptions) => status(options, paths))
  addOptions(command, [
    new Option('--json', 'Print it as JSON').conflicts('metrics'),
    new Option('--watch', 'Keep watching, until interrupted').conflicts('metrics'),
    new Option('--metrics', 'Print metrics in the text format of Prometheus'),
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
  // The reason is printed already.
  if (last.state !== 'healthy') throw new Refusal()
}

async function observe(paths: Paths): Promise<Observed> {
  const { settings } = await loadSettings(paths)
  return await observedOnion(settings, paths)
}

async function metricsText({ relay: { running, record } }: Observed): Promise<string> {
  const state = running ? record?.state : undefined
  const registry = new Registry()
  const { registerOnionMetrics } = await loadOnionMetrics()
  registerOnionMetrics(registry, () => state ?? { phase: 'stopped', restarts: 0 })
  return await registry.metrics()
}

const watchEveryMs = 2000

/** Redrawn on a terminal; elsewhere only the lines that have changed are printed. */
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

const words = {
  healthy: 'healthy',
  unhealthy: 'not healthy',
  unknown: 'not known yet: neither a publication nor a check has been seen',
} as const

const marks = new Map([
  [true, 'ok'],
  [false, 'WRONG'],
])

/** One line for the whole, one for each fact, and the remedy. */
export function statusLines({ state, confirmedAt, problem, facts }: OnionStatus, now = new Date()): string[] {
  return [
    `Onion service: ${words[state]}${confirmedAt ? agoText(confirmedAt, now) : ''}`,
    ...facts.map(factLine),
    ...(problem ? [`To fix ${problem.fact}: ${problem.remedy}`] : []),
  ]
}

/** From when on an old confirmation is said to be one. */
const OLD_MINUTES = 2

function agoText(confirmedAt: Date, now: Date): string {
  const minutes = Math.floor((now.getTime() - confirmedAt.getTime()) / 60_000)
  return minutes < OLD_MINUTES ? '' : `, last confirmed ${minutes} min ago`
}

function factLine({ name, ok, text, source }: Fact): string {
  const mark = ok === undefined ? '' : (marks.get(ok) ?? '')
  return `  ${name.padEnd(10)} ${mark.padEnd(5)} ${text} [${source}]`
}
