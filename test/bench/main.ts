import { mkdirSync, writeFileSync } from 'node:fs'
import { cpus, release, totalmem } from 'node:os'
import { parseArgs } from 'node:util'
import { endAll } from './at-end.ts'
import { comparedLine, compareWith } from './baseline.ts'
import { endChildren } from './child.ts'
import { attackMeasurement } from './measurements/attacks.ts'
import { database } from './measurements/database.ts'
import { idle } from './measurements/idle.ts'
import { latency } from './measurements/latency.ts'
import type { Measurement } from './measurements/measurement.ts'
import { messages } from './measurements/messages.ts'
import { million } from './measurements/million.ts'
import { neighbours } from './measurements/neighbours.ts'
import { queues } from './measurements/queues.ts'
import { start } from './measurements/start.ts'
import { tails } from './measurements/tails.ts'
import { timing } from './measurements/timing.ts'
import { tor } from './measurements/tor.ts'
import { reachesAim, Reporter } from './report.ts'
import { relayOptions, removeDirectories, useRelayOptions } from './stage.ts'

const all: readonly Measurement[] = [
  messages,
  latency,
  tails,
  idle,
  queues,
  start,
  database,
  million,
  neighbours,
  attackMeasurement,
  timing,
  tor,
]

const usage = `npm run bench -- [names] [--seconds N] [--json FILE] [--profile DIRECTORY] [--node=OPTIONS]

Measures one relay process on loopback, loaded by clients in other processes.

  names      ${all.map(({ name }) => name).join(', ')}; all when none is given, but for ${all
    .filter(({ onlyNamed }) => onlyNamed)
    .map(({ name }) => name)
    .join(', ')}
  --seconds  length of each measured period (default 4)
  --json     also writes the results to a file
  --profile  keeps CPU profiles and a heap snapshot of the relay; the numbers suffer
  --database the relay's store is in this PostgreSQL database instead of LMDB; schemas bench_… stay in it
  --baseline a commit that is measured as well, in turn with these sources: medians with their range, and the ratio
  --rounds   how often, with --baseline (default 3)
  --node     further options of node for the relay, behind the program's own: --node='--cpu-prof'`

const machine = (): Record<string, unknown> => ({
  node: process.version,
  system: `${process.platform} ${release()}`,
  processors: `${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}`,
  memoryMiB: Math.round(totalmem() / 1024 ** 2),
  startedAt: new Date().toISOString(),
})

const leave = (code: number): never => {
  endChildren()
  endAll()
  removeDirectories()
  process.exit(code)
}

/** A measurement that hangs is given up. */
const withinTime = async (measurement: Measurement, act: () => Promise<void>, seconds: number): Promise<void> => {
  let timer: NodeJS.Timeout | undefined
  const tooLong = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      endChildren()
      reject(new Error(`${measurement.name} took longer than ${seconds} s`))
    }, seconds * 1000)
  })
  try {
    await Promise.race([act(), tooLong])
  } finally {
    clearTimeout(timer)
  }
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: 'string', default: '4' },
    json: { type: 'string' },
    profile: { type: 'string' },
    node: { type: 'string' },
    baseline: { type: 'string' },
    rounds: { type: 'string', default: '3' },
    database: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
})
const seconds = Number(values.seconds)
const unknown = positionals.filter((name) => !all.some((one) => one.name === name))
if (values.help || unknown.length > 0 || !(seconds > 0 && seconds <= 600)) {
  console.log(usage)
  process.exit(values.help ? 0 : 1)
}
if (values.baseline !== undefined) {
  const args = [
    ...positionals,
    '--seconds',
    values.seconds,
    ...(values.node === undefined ? [] : [`--node=${values.node}`]),
  ]
  try {
    const results = compareWith({ baseline: values.baseline, rounds: Math.max(1, Number(values.rounds)), args })
    console.log(
      `\n  ${'median (least–greatest)'.padEnd(60)} ${'these sources'.padEnd(28)} ${values.baseline.padEnd(28)} ${''.padEnd(12)} ratio`,
    )
    for (const result of results) console.log(comparedLine(result))
    if (values.json !== undefined)
      writeFileSync(
        values.json,
        `${JSON.stringify({ machine: machine(), baseline: values.baseline, results }, undefined, 2)}\n`,
      )
    leave(0)
  } catch (error) {
    console.error(error instanceof Error ? error.message : error)
    leave(1)
  }
}
if (values.profile !== undefined) mkdirSync(values.profile, { recursive: true })
if (values.database !== undefined) process.env.SMP_BENCH_DATABASE = values.database
if (values.node !== undefined) useRelayOptions(values.node.split(' '))
process.on('SIGINT', () => leave(130))
process.on('SIGTERM', () => leave(143))

const settings = { seconds, profileDirectory: values.profile }
const reporter = new Reporter()
const about = machine()
console.log(Object.values(about).join(', '))
const faults: string[] = []
for (const measurement of all) {
  if (positionals.length === 0 ? measurement.onlyNamed : !positionals.includes(measurement.name)) continue
  const report = reporter.of(measurement.name, measurement.title)
  try {
    await withinTime(
      measurement,
      () => measurement.run(report, settings),
      measurement.limitSeconds ?? 60 + 20 * seconds,
    )
  } catch (error) {
    faults.push(measurement.name)
    console.log(`  failed: ${error instanceof Error ? error.message : String(error)}`)
  }
}
const missed = reporter.results.filter((result) => reachesAim(result) === false)
console.log(`\n${reporter.results.length} results, ${missed.length} short of their aim, ${faults.length} failed`)
if (values.json !== undefined)
  writeFileSync(
    values.json,
    `${JSON.stringify({ machine: about, seconds, relayOptions: relayOptions(), results: reporter.results }, undefined, 2)}\n`,
  )
leave(faults.length > 0 ? 1 : 0)
