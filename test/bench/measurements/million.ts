import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { buildProgram, Installation } from '../../interop/cli-process.ts'
import { atEnd } from '../at-end.ts'
import { Child } from '../child.ts'
import { DatabaseServer, mebibytes } from '../database-server.ts'
import type { SeededQueues } from '../load/attacks.ts'
import { programOptions } from '../program-options.ts'
import { memoryOf, peakMemoryOf, processorTime } from '../processor-time.ts'
import type { Report } from '../report.ts'
import { forkRelay, withLoads } from '../stage.ts'
import type { StoreCalls } from '../store-process.ts'
import type { Measurement, Settings } from './measurement.ts'

const QUEUES = 1_000_000
const SUBSCRIPTIONS = 10_000
const STARTS = 3
const LOOK_EVERY_MS = 200

const rawKey = (privateKey: KeyObject): Buffer =>
  createPublicKey(privateKey).export({ format: 'der', type: 'spki' }).subarray(-32)

/** Fills the embedded store of an installation. */
const fill = async (installation: Installation): Promise<SeededQueues> => {
  const { privateKey } = generateKeyPairSync('ed25519')
  const child = new Child<StoreCalls>('store-process')
  try {
    const path = join(installation.state, 'smp-server-store')
    const options = { path, queues: QUEUES, owner: rawKey(privateKey), sample: SUBSCRIPTIONS }
    const { ids } = await child.call('fill', options)
    return { ids, key: privateKey.export({ format: 'der', type: 'pkcs8' }) }
  } finally {
    await child.end()
  }
}

/** A command that moves everything: how long it took, and what it used. */
const move = async (
  report: Report,
  installation: Installation,
  server: DatabaseServer,
  word: string,
): Promise<void> => {
  const [beganMs, databaseBefore] = [performance.now(), server.processorTime]
  const running = installation.start(['database', word])
  let [peak, anonymous, relayMs, isOver] = [0, 0, 0, false]
  let [lines, shownAt, longestGap] = [0, beganMs, 0]
  const ended = running.ended().finally(() => (isOver = true))
  while (!isOver) {
    const pid = running.pid ?? 0
    peak = Math.max(peak, peakMemoryOf(pid))
    anonymous = Math.max(anonymous, memoryOf(pid).anonymous)
    relayMs = Math.max(relayMs, processorTime([pid]))
    const shown = running.output.stderr.split('\n').length
    if (shown > lines) {
      longestGap = Math.max(longestGap, performance.now() - shownAt)
      ;[lines, shownAt] = [shown, performance.now()]
    }
    await Promise.race([ended, sleep(LOOK_EVERY_MS)])
  }
  const { status, stdout, stderr } = await ended
  if (status !== 0) throw new Error(`database ${word} failed:\n${stdout}\n${stderr}`)
  const seconds = (performance.now() - beganMs) / 1000
  const databaseSeconds = (server.processorTime - databaseBefore) / 1000
  report.add({
    name: `database ${word}`,
    value: seconds,
    unit: 's',
    note: `CPU ${(relayMs / 1000).toFixed(1)} s, PostgreSQL ${databaseSeconds.toFixed(1)} s; at most ${(longestGap / 1000).toFixed(1)} s between two of ${lines - 1} lines of progress`,
  })
  report.add({
    name: `database ${word}: most memory`,
    value: mebibytes(peak),
    unit: 'MiB',
    note: `${mebibytes(anonymous).toFixed(0)} MiB without the pages of files`,
  })
}

/** Seconds until the program listens, the fastest of some starts, and the memory that it has then. */
const start = async (
  report: Report,
  installation: Installation,
  args: readonly string[],
  label: string,
): Promise<void> => {
  let best = { seconds: Infinity, rss: 0 }
  for (let count = 0; count < STARTS; count++) {
    const beganMs = performance.now()
    const running = installation.start(['start', ...args])
    await running.shows(/Listening on port/, 60_000)
    const seconds = (performance.now() - beganMs) / 1000
    await sleep(2000)
    if (seconds < best.seconds) best = { seconds, rss: memoryOf(running.pid ?? 0).rss }
    running.kill('SIGTERM')
    await running.ended()
  }
  report.add({ name: label, value: best.seconds, unit: 's', aim: { atMost: 2 } })
  report.add({ name: `${label}: RSS`, value: mebibytes(best.rss), unit: 'MiB' })
}

const subscribe = async (
  report: Report,
  { installation, server, connection, queues, settings }: Subscribing,
): Promise<void> => {
  const fingerprint = (await readFile(join(installation.config, 'fingerprint'), 'utf8')).trim()
  const relay = forkRelay()
  try {
    const database = { connection, schema: 'smp_server', fingerprint }
    const { port } = await relay.call('serve', { directory: installation.config, database })
    const address = { host: '127.0.0.1', port, keyHash: installation.keyHash() }
    await withLoads(async (load) => {
      const client = load()
      // The first makes all parts warm; a client that comes back a second time takes its own subscriptions over.
      for (const label of [`first SUB of ${SUBSCRIPTIONS} queues`, 'the same again']) {
        await server.forgetStatements()
        const before = await relay.call('queries')
        const [relayBefore, databaseBefore] = [processorTime([relay.pid]), server.processorTime]
        const { profileDirectory } = settings
        if (profileDirectory !== undefined) await relay.call('startProfile')
        await relay.call('watchTurns')
        const ms = await client.call('subscribeToAll', { address, queues })
        const { longestMs } = await relay.call('turns')
        const after = await relay.call('queries')
        const relayMs = processorTime([relay.pid]) - relayBefore
        const databaseMs = server.processorTime - databaseBefore
        const name = label.replaceAll(' ', '-')
        if (profileDirectory !== undefined)
          await relay.call('stopProfile', { path: join(profileDirectory, `million-${name}.cpuprofile`) })
        await server.listStatements(`million-${name}`)
        report.add({
          name: label,
          value: ms,
          unit: 'ms',
          note: `CPU ${relayMs.toFixed(0)} ms, PostgreSQL ${databaseMs.toFixed(0)} ms`,
        })
        report.add({
          name: `${label}: round trips`,
          value: after.roundTrips - before.roundTrips,
          unit: '',
          note: `${after.statements - before.statements} statements`,
        })
        report.add({ name: `${label}: longest turn`, value: longestMs, unit: 'ms', aim: { atMost: 10 } })
      }
    })
    await relay.call('stop')
  } finally {
    await relay.end()
  }
}

interface Subscribing {
  readonly installation: Installation
  readonly server: DatabaseServer
  readonly connection: string
  readonly queues: SeededQueues
  readonly settings: Settings
}

export const million: Measurement = {
  name: 'million',
  title: `${QUEUES.toLocaleString('en-GB')} queues: moved into PostgreSQL (fsync on), served from there, and moved back`,
  limitSeconds: 1800,
  onlyNamed: true,
  async run(report, settings) {
    await buildProgram()
    const server = await DatabaseServer.start(settings.profileDirectory)
    const installation = new Installation({ nodeOptions: programOptions() })
    const forget = atEnd(() => installation.abandon())
    try {
      await installation.initialize('--no-password', '--disable-web', '--ip', '127.0.0.1')
      const connection = await server.newDatabase()
      const queues = await fill(installation)
      installation.set('STORE_LOG', 'db_connection', connection)
      await server.forgetStatements()
      await move(report, installation, server, 'import')
      await server.listStatements('million-import')
      await server.settle(connection)
      const size = await server.sizeOf(connection)
      report.add({
        name: 'size of the database',
        value: mebibytes(size),
        unit: 'MiB',
        note: `${(size / QUEUES).toFixed(0)} bytes a queue`,
      })
      for (const key of ['store_queues', 'store_messages']) installation.set('STORE_LOG', key, 'database')
      await start(report, installation, [], 'start')
      await start(report, installation, ['--workers', '2'], 'start with 2 workers')
      await subscribe(report, { installation, server, connection, queues, settings })
      await server.forgetStatements()
      await move(report, installation, server, 'export')
      await server.listStatements('million-export')
    } finally {
      forget()
      await installation.remove()
      await server.remove()
    }
  },
}
