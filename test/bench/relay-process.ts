import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { readFile, readdir } from 'node:fs/promises'
import { Session } from 'node:inspector/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { writeHeapSnapshot } from 'node:v8'
import type { AuthKey } from '../../src/crypto/keys.ts'
import { idFromBytes, type MsgId, type NotifierId, type RcvId, type SndId } from '../../src/protocol/ids.ts'
import { silentLogger } from '../../src/config/log.ts'
import { serveRelay, type ServingRelay } from '../../src/server/serve.ts'
import { openLmdbStore } from '../../src/store/lmdb.ts'
import { openPostgresStore } from '../../src/store/postgres.ts'
import { DEFAULT_QUOTA } from '../../src/store/store.ts'
import type { RelayStore } from '../../src/store/work.ts'
import { loadCredentials } from '../../src/transport/credentials.ts'
import { serveCalls } from './calls.ts'
import { countQueries, type QueryCounts, queryCounts } from './count-queries.ts'
import type { SeededQueues } from './load/attacks.ts'

// The relay under test: alone in its process, so that all that the process uses is the relay's.

let relay: ServingRelay | undefined
let longestUs = 0
let watch: NodeJS.Timeout | undefined
let rollBack: () => void = () => undefined
/** Until when the disk answers nobody; milliseconds. */
let stalledUntilMs = 0
let profiler: Session | undefined

/** Processor time of one thread, ns, of /proc/PID/task/TID/schedstat. */
const threadTime = async (tid: string): Promise<number> => {
  const text = await readFile(`/proc/self/task/${tid}/schedstat`, 'utf8').catch(() => '0')
  return Number(text.split(' ')[0])
}

/** A database that several relays may share. */
export interface Database {
  readonly connection: string
  readonly schema: string
  readonly fingerprint: string
}

/** Of the relay in `directory`: a schema of its own, which stays when the measurement is over. */
const schemaOf = (directory: string, connection: string): Database => {
  const fingerprint = createHash('sha256').update(directory).digest('hex')
  return { connection, schema: `bench_${fingerprint.slice(0, 16)}`, fingerprint }
}

const openDatabase = (database: Database, onRollback: () => void): Promise<RelayStore> => {
  countQueries()
  return openPostgresStore({ ...database, poolSize: 10, quota: DEFAULT_QUOTA, migrate: 'up', onRollback })
}

/** The store, on a disk that may stall. */
const stalling = (store: RelayStore): RelayStore => {
  const flushed = store.flushed.bind(store)
  store.flushed = async () => {
    await flushed()
    const leftMs = stalledUntilMs - performance.now()
    if (leftMs > 0) await sleep(leftMs)
  }
  return store
}

const calls = {
  /** Serves what lies in `directory`; the milliseconds since this process began. */
  async serve({ directory, database }: ServeOptions): Promise<{ port: number; readyMs: number; queues: number }> {
    const named = process.env.SMP_BENCH_DATABASE
    const own = database ?? (named === undefined ? undefined : schemaOf(directory, named))
    relay = await serveRelay({
      credentials: await loadCredentials(directory),
      openStore: (onRollback) => {
        rollBack = onRollback
        return own === undefined
          ? stalling(openLmdbStore(join(directory, 'store'), { quota: DEFAULT_QUOTA, onRollback }))
          : openDatabase(own, onRollback)
      },
      policy: {
        newQueues: true,
        createPassword: undefined,
        messageTtl: 21 * 86_400,
        expireOnSend: true,
        notificationTtl: 86_400,
      },
      ports: [0],
      host: '127.0.0.1',
      log: silentLogger,
    })
    const readyMs = performance.now()
    return { port: relay.listeners[0]?.port ?? 0, readyMs, queues: (await relay.core.engine.counts()).queues }
  },

  /** Processor time so far, ms: of the whole process, of its main thread, and switches that it did not ask for. */
  async usage(): Promise<Usage> {
    const { userCPUTime, systemCPUTime, involuntaryContextSwitches } = process.resourceUsage()
    const tids = await readdir('/proc/self/task')
    const times = await Promise.all(tids.map(threadTime))
    const main = times[tids.indexOf(String(process.pid))] ?? 0
    return {
      atMs: performance.timeOrigin + performance.now(),
      userMs: userCPUTime / 1000,
      systemMs: systemCPUTime / 1000,
      mainMs: main / 1e6,
      involuntaryContextSwitches,
    }
  },

  /** What it has asked PostgreSQL so far. */
  queries(): QueryCounts {
    return queryCounts()
  },

  /** The most memory that this process has had so far, bytes. */
  peakMemory(): number {
    return process.resourceUsage().maxRSS * 1024
  },

  /** Memory after garbage is collected (needs --expose-gc to be collected at once), bytes. */
  async memory(): Promise<Memory> {
    for (let round = 0; round < 3; round++) {
      globalThis.gc?.()
      await sleep(200)
    }
    const status = await readFile('/proc/self/status', 'utf8')
    const kib = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? 0)
    const { heapUsed, heapTotal, external, arrayBuffers } = process.memoryUsage()
    return {
      rss: kib('VmRSS') * 1024,
      anonymous: kib('RssAnon') * 1024,
      heapUsed,
      heapTotal,
      external,
      arrayBuffers,
      sessions: relay?.sessions.size ?? 0,
    }
  },

  async startProfile(): Promise<void> {
    profiler = new Session()
    profiler.connect()
    await profiler.post('Profiler.enable')
    await profiler.post('Profiler.setSamplingInterval', { interval: 250 })
    await profiler.post('Profiler.start')
  },

  async stopProfile({ path }: { path: string }): Promise<void> {
    if (!profiler) return
    const { profile } = await profiler.post('Profiler.stop')
    profiler.disconnect()
    profiler = undefined
    writeFileSync(path, JSON.stringify(profile))
  },

  /** Makes queues with notifiers, all with one key, and pending notifications. */
  async seed({ queues, notifications }: { queues: number; notifications: number }): Promise<Seeded> {
    if (!relay) throw new Error('there is no relay')
    const { engine: store } = relay.core
    if (store.loads) throw new Error('only an embedded store can be filled like this')
    const { publicKey, privateKey } = generateKeyPairSync('ed25519')
    const key: AuthKey = { alg: 'ed25519', raw: publicKey.export({ format: 'der', type: 'spki' }).subarray(-32) }
    const ids: Buffer[] = []
    const notifierIds: Buffer[] = []
    const secret = randomBytes(32)
    for (let made = 0; made < queues; made++) {
      const [rcvId, sndId, notifierId] = [randomBytes(24), randomBytes(24), randomBytes(24)]
      store.addQueue({
        rcvId: idFromBytes<RcvId>(rcvId),
        sndId: idFromBytes<SndId>(sndId),
        recipientKeys: [key],
        rcvDhSecret: secret,
        status: { type: 'active' },
        notifier: { notifierId: idFromBytes<NotifierId>(notifierId), key, dhSecret: secret },
      })
      ids.push(rcvId)
      notifierIds.push(notifierId)
      for (let count = 0; count < notifications; count++) {
        const msgId = idFromBytes<MsgId>(randomBytes(24))
        const timestamp = Math.floor(Date.now() / 1000)
        const notification = { msgId, timestamp, nonce: randomBytes(24), encMeta: Buffer.alloc(144) }
        store.addNotification(idFromBytes<NotifierId>(notifierId), notification)
        if (count % 1000 === 0) await store.flushed()
      }
    }
    await store.flushed()
    const pkcs8 = privateKey.export({ format: 'der', type: 'pkcs8' })
    return { queues: { ids, key: pkcs8 }, notifiers: { ids: notifierIds, key: pkcs8 } }
  },

  /** Says again and again that the store has gone back to its last durable state. */
  rollBackEvery({ ms }: { ms: number }): void {
    setInterval(() => rollBack(), ms).unref()
  },

  /** Has the disk stall for `ms` milliseconds, again and again: what is written meanwhile becomes durable after that. */
  stallStore({ ms, everyMs }: { ms: number; everyMs: number }): void {
    setInterval(() => (stalledUntilMs = performance.now() + ms), everyMs).unref()
  },

  /** Begins to measure the turns of the event loop, or begins again. */
  watchTurns(): void {
    let before = process.threadCpuUsage()
    longestUs = 0
    clearInterval(watch)
    watch = setInterval(() => {
      const now = process.threadCpuUsage()
      longestUs = Math.max(longestUs, now.user + now.system - before.user - before.system)
      before = now
    }, 1)
    watch.unref()
  },

  /** The most processor time of the main thread between two ticks of a millisecond, ms: no turn took longer. */
  turns(): { longestMs: number } {
    return { longestMs: longestUs / 1000 }
  },

  heapSnapshot({ path }: { path: string }): void {
    writeHeapSnapshot(path)
  },

  async stop(): Promise<void> {
    await relay?.stop()
    relay = undefined
  },
}

interface ServeOptions {
  readonly directory: string
  /** Instead of the store in the directory. */
  readonly database?: Database
}

interface Seeded {
  readonly queues: SeededQueues
  readonly notifiers: SeededQueues
}

export interface Usage {
  readonly atMs: number
  readonly userMs: number
  readonly systemMs: number
  readonly mainMs: number
  readonly involuntaryContextSwitches: number
}

export interface Memory {
  readonly rss: number
  readonly anonymous: number
  readonly heapUsed: number
  readonly heapTotal: number
  readonly external: number
  readonly arrayBuffers: number
  readonly sessions: number
}

export type RelayCalls = typeof calls

serveCalls(calls)
