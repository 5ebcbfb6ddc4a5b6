import { writeFileSync } from 'node:fs'
import { readFile, readdir } from 'node:fs/promises'
import { Session } from 'node:inspector/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { writeHeapSnapshot } from 'node:v8'
import { silentLogger } from '../../src/config/log.ts'
import { serveRelay, type ServingRelay } from '../../src/server/serve.ts'
import { openLmdbStore } from '../../src/store/lmdb.ts'
import { DEFAULT_QUOTA } from '../../src/store/store.ts'
import { loadCredentials } from '../../src/transport/credentials.ts'
import { serveCalls } from './calls.ts'

// The relay under test: alone in its process, so that all that the process uses is the relay's.

let relay: ServingRelay | undefined
let profiler: Session | undefined

/** Processor time of one thread, ns, of /proc/PID/task/TID/schedstat. */
const threadTime = async (tid: string): Promise<number> => {
  const text = await readFile(`/proc/self/task/${tid}/schedstat`, 'utf8').catch(() => '0')
  return Number(text.split(' ')[0])
}

const calls = {
  /** Serves what lies in `directory`; the milliseconds since this process began. */
  async serve({ directory }: { directory: string }): Promise<{ port: number; readyMs: number; queues: number }> {
    relay = await serveRelay({
      credentials: await loadCredentials(directory),
      openStore: (onRollback) => openLmdbStore(join(directory, 'store'), { quota: DEFAULT_QUOTA, onRollback }),
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
    return { port: relay.listeners[0]?.port ?? 0, readyMs, queues: relay.core.store.counts().queues }
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

  heapSnapshot({ path }: { path: string }): void {
    writeHeapSnapshot(path)
  },

  async stop(): Promise<void> {
    await relay?.stop()
    relay = undefined
  },
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
