import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { RelayAddress } from '../../client/connection.ts'
import { buildProgram, Installation } from '../../interop/cli-process.ts'
import { atEnd } from '../at-end.ts'
import type { Child } from '../child.ts'
import { DatabaseServer } from '../database-server.ts'
import type { Latencies } from '../load/pairs.ts'
import type { LoadCalls } from '../load-process.ts'
import { programOptions } from '../program-options.ts'
import { processorTime, processTree } from '../processor-time.ts'
import type { RelayCalls } from '../relay-process.ts'
import type { Report } from '../report.ts'
import { withLoads, withRelays } from '../stage.ts'
import { quantile } from '../statistics.ts'
import type { Measurement, Settings } from './measurement.ts'
import { openPairs } from './traffic.ts'

const RELAYS = [1, 2, 4]
const WORKERS = 2
const LOAD_PROCESSES = 2
const PAIRS = 32
/** Messages of each pair that are under way. */
const WINDOW = 4
const WARM_UP_MS = 1000
/** Pairs that rest between two messages, so that one of them has relays and database nearly to itself. */
const CALM_PAIRS = 4
const REST_MS = 50

const traffic = { auth: 'x25519', bodySize: 16_048 } as const

/** What relays and database have used up to now. */
interface Used {
  readonly atMs: number
  readonly done: number
  readonly relayMs: number
  readonly databaseMs: number
  readonly statements: number
  readonly roundTrips: number
}

/** Of each message, or whatever is done. */
interface Cost {
  readonly perSecond: number
  readonly relayMs: number
  readonly databaseMs: number
  readonly statements: number
  readonly roundTrips: number
}

interface Watched {
  readonly server: DatabaseServer
  /** Processes of relays. */
  readonly pids: () => readonly number[]
  /** Those that count what they ask the database. */
  readonly relays: readonly Child<RelayCalls>[]
  readonly done: () => Promise<number>
}

const look = async ({ server, pids, relays, done }: Watched): Promise<Used> => {
  const [count, ...queries] = await Promise.all([done(), ...relays.map((relay) => relay.call('queries'))])
  return {
    atMs: performance.now(),
    done: count,
    relayMs: processorTime(pids()),
    databaseMs: server.processorTime,
    statements: queries.reduce((sum, { statements }) => sum + statements, 0),
    roundTrips: queries.reduce((sum, { roundTrips }) => sum + roundTrips, 0),
  }
}

/** What goes on for so many seconds, after it has run warm. */
const measure = async (watched: Watched, { seconds }: Settings): Promise<Cost> => {
  await sleep(WARM_UP_MS)
  await watched.server.forgetStatements()
  const before = await look(watched)
  await sleep(seconds * 1000)
  const after = await look(watched)
  const count = after.done - before.done
  if (count === 0) throw new Error('nothing was done')
  const each = (part: 'relayMs' | 'databaseMs' | 'statements' | 'roundTrips'): number =>
    (after[part] - before[part]) / count
  return {
    perSecond: (count * 1000) / (after.atMs - before.atMs),
    relayMs: each('relayMs'),
    databaseMs: each('databaseMs'),
    statements: each('statements'),
    roundTrips: each('roundTrips'),
  }
}

const print = (report: Report, label: string, what: string, cost: Cost): void => {
  report.add({ name: `${label}: rate`, value: cost.perSecond, unit: `${what}s/s` })
  report.add({ name: `${label}: relay CPU per ${what}`, value: cost.relayMs, unit: 'ms' })
  report.add({ name: `${label}: PostgreSQL CPU per ${what}`, value: cost.databaseMs, unit: 'ms' })
  if (cost.statements === 0) return
  report.add({
    name: `${label}: round trips per ${what}`,
    value: cost.roundTrips,
    unit: '',
    note: `${cost.statements.toFixed(2)} statements`,
  })
}

const messagesDone = async (loads: readonly Child<LoadCalls>[]): Promise<number> => {
  const counts = await Promise.all(loads.map((load) => load.call('pairCounts')))
  return counts.reduce((sum, { completed }) => sum + completed, 0)
}

const printLatencies = (report: Report, label: string, all: readonly Latencies[]): void => {
  const received = all.flatMap((one) => one.received)
  const stored = all.flatMap((one) => one.stored)
  for (const [name, ms] of [
    ['SEND to MSG', received],
    ['SEND to OK (durable)', stored],
  ] as const) {
    report.add({ name: `${label}: ${name}, p50`, value: quantile(ms, 0.5), unit: 'ms', note: `${ms.length} messages` })
    report.add({ name: `${label}: ${name}, p99`, value: quantile(ms, 0.99), unit: 'ms' })
  }
}

/** Messages between clients that are spread over several relays, at full load, half of it, and calmly. */
const ofRelays = async (report: Report, server: DatabaseServer, count: number, settings: Settings): Promise<void> => {
  const label = count === 1 ? '1 relay' : `${count} relays`
  const perSecond = await withRelays(await server.newDatabase(), count, async ({ relays, addresses, load }) => {
    const loads = Array.from({ length: LOAD_PROCESSES }, load)
    await openPairs(loads, { ...traffic, address: addresses[0], relays: addresses, count: PAIRS })
    await Promise.all(loads.map((one) => one.call('pump', { window: WINDOW })))
    const { profileDirectory } = settings
    if (profileDirectory !== undefined) await relays[0]?.call('startProfile')
    const pids = relays.map(({ pid }) => pid)
    const cost = await measure({ server, relays, pids: () => pids, done: () => messagesDone(loads) }, settings)
    if (profileDirectory !== undefined)
      await relays[0]?.call('stopProfile', { path: join(profileDirectory, `database-${count}.cpuprofile`) })
    await server.listStatements(`database-${count}`)
    await Promise.all(loads.map((one) => one.call('stopPairs')))
    print(report, `${label}, full load`, 'message', cost)
    return cost.perSecond
  })
  const half = perSecond / 2
  await withRelays(await server.newDatabase(), count, async ({ addresses, load }) => {
    const loads = Array.from({ length: LOAD_PROCESSES }, load)
    const latencies = async (): Promise<Latencies[]> => {
      await sleep(WARM_UP_MS)
      await Promise.all(loads.map((one) => one.call('takeLatencies')))
      await sleep(settings.seconds * 1000)
      const taken = await Promise.all(loads.map((one) => one.call('takeLatencies')))
      await Promise.all(loads.map((one) => one.call('stopPairs')))
      return taken
    }
    await openPairs(loads, { ...traffic, address: addresses[0], relays: addresses, count: CALM_PAIRS })
    await Promise.all(loads.map((one) => one.call('alternate', { restMs: REST_MS })))
    printLatencies(report, `${label}, calm`, await latencies())
    await Promise.all(loads.map((one) => one.call('closePairs')))
    await openPairs(loads, { ...traffic, address: addresses[0], relays: addresses, count: PAIRS })
    await Promise.all(loads.map((one) => one.call('pace', { perSecond: half / loads.length })))
    printLatencies(report, `${label}, half load (${half.toFixed(0)}/s)`, await latencies())
  })
}

/** The built program with several workers on one port. */
const ofWorkers = async (report: Report, server: DatabaseServer, settings: Settings): Promise<void> => {
  await buildProgram()
  const installation = new Installation({ nodeOptions: programOptions() })
  const forget = atEnd(() => installation.abandon())
  try {
    const address: RelayAddress = await installation.initialize('--no-password', '--disable-web', '--ip', '127.0.0.1')
    const uri = await server.newDatabase()
    for (const key of ['store_queues', 'store_messages']) installation.set('STORE_LOG', key, 'database')
    installation.set('STORE_LOG', 'db_connection', uri)
    const running = installation.start(['start', '--workers', String(WORKERS), '--confirm-migrations', 'up'])
    await running.shows(/Listening on port/, 60_000)
    await withLoads(async (load) => {
      const loads = Array.from({ length: LOAD_PROCESSES }, load)
      await openPairs(loads, { ...traffic, address, count: PAIRS })
      await Promise.all(loads.map((one) => one.call('pump', { window: WINDOW })))
      const pids = (): number[] => processTree(running.pid ?? 0)
      const cost = await measure({ server, relays: [], pids, done: () => messagesDone(loads) }, settings)
      await Promise.all(loads.map((one) => one.call('stopPairs')))
      print(report, `the program with ${WORKERS} workers, full load`, 'message', cost)
    })
  } finally {
    forget()
    await installation.remove()
  }
}

const ofQueues = async (report: Report, server: DatabaseServer, batch: number, settings: Settings): Promise<void> =>
  withRelays(await server.newDatabase(), 1, async ({ relays, addresses: [address], load }) => {
    const loads = Array.from({ length: LOAD_PROCESSES }, load)
    const options = { address, auth: 'x25519', connections: 16, batch, window: batch === 1 ? 8 : 2 } as const
    await Promise.all(loads.map((one) => one.call('startCreators', options)))
    const done = async (): Promise<number> => {
      const counts = await Promise.all(loads.map((one) => one.call('createdCount')))
      return counts.reduce((sum, { created }) => sum + created, 0)
    }
    const pids = relays.map(({ pid }) => pid)
    const cost = await measure({ server, relays, pids: () => pids, done }, settings)
    await server.listStatements(`database-queues-${batch}`)
    await Promise.all(loads.map((one) => one.call('stopCreators')))
    print(report, batch === 1 ? 'one NEW in a block' : `${batch} NEW in a block`, 'queue', cost)
  })

export const database: Measurement = {
  name: 'database',
  title: 'relays on one PostgreSQL of this machine (fsync on), clients spread over them; 16 KB messages, X25519 keys',
  limitSeconds: 900,
  async run(report, settings) {
    const server = await DatabaseServer.start(settings.profileDirectory)
    try {
      for (const count of RELAYS) await ofRelays(report, server, count, settings)
      await ofWorkers(report, server, settings)
      for (const batch of [32, 1]) await ofQueues(report, server, batch, settings)
    } finally {
      await server.remove()
    }
  },
}
