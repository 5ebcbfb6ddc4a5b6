import { setTimeout as sleep } from 'node:timers/promises'
import type { Child } from '../child.ts'
import type { LoadCalls } from '../load-process.ts'
import type { Report } from '../report.ts'
import { withRelay, type Stage } from '../stage.ts'
import { quantile } from '../statistics.ts'
import type { Measurement } from './measurement.ts'

const PER_SECOND = 400
const PAIRS = 64
const LINES = 40
const LOAD_PROCESSES = 2
const WARM_UP_MS = 1500

interface Case {
  readonly name: string
  /** What happens meanwhile. */
  readonly begin?: (stage: Stage) => Promise<void>
}

const cases: readonly Case[] = [
  { name: 'undisturbed' },
  {
    name: 'a process takes a core for 200 ms every 3 s',
    begin: async ({ load }) => {
      await load().call('takeCore', { ms: 200, everyMs: 3000 })
    },
  },
  {
    name: 'the disk stalls for 300 ms every 3 s',
    begin: async ({ relay }) => {
      await relay.call('stallStore', { ms: 300, everyMs: 3000 })
    },
  },
]

const add = (report: Report, name: string, samples: readonly number[], note: string): void => {
  for (const [label, share] of [
    ['p50', 0.5],
    ['p95', 0.95],
    ['p99', 0.99],
  ] as const) {
    const remark = { ...(label === 'p99' && { aim: { atMost: 20 } }), ...(label === 'p50' && { note }) }
    report.add({ name: `${name}, ${label}`, value: quantile(samples, share), unit: 'ms', ...remark })
  }
}

/** Latencies of messages that arrive at a steady rate, at a third of what the relay can do. */
export const tails: Measurement = {
  name: 'tails',
  title: `${PER_SECOND} messages/s of 16 KB on ${PAIRS} pairs over ${LINES} connections, Ed25519`,
  limitSeconds: 600,
  async run(report, { seconds, profileDirectory }) {
    for (const { name, begin } of cases) {
      await withRelay(async (stage) => {
        const loads: Child<LoadCalls>[] = Array.from({ length: LOAD_PROCESSES }, stage.load)
        const half = { count: PAIRS / LOAD_PROCESSES, lines: LINES / LOAD_PROCESSES }
        const traffic = { address: stage.address, auth: 'ed25519', bodySize: 16_048 } as const
        await Promise.all(loads.map((one) => one.call('openPairs', { ...traffic, ...half })))
        await begin?.(stage)
        await Promise.all(loads.map((one) => one.call('pace', { perSecond: PER_SECOND / LOAD_PROCESSES })))
        await sleep(WARM_UP_MS)
        await Promise.all(loads.map((one) => one.call('takeLatencies')))
        if (profileDirectory !== undefined) await stage.relay.call('startProfile')
        const before = await stage.relay.call('usage')
        await sleep(seconds * 1000)
        const after = await stage.relay.call('usage')
        if (profileDirectory !== undefined)
          await stage.relay.call('stopProfile', { path: `${profileDirectory}/tails.cpuprofile` })
        const all = await Promise.all(loads.map((one) => one.call('takeLatencies')))
        const underWay = await Promise.all(loads.map((one) => one.call('underWay')))
        const received = all.flatMap((one) => one.received)
        const cpuMs = (after.userMs + after.systemMs - before.userMs - before.systemMs) / received.length
        const note = `${received.length} messages, ${underWay.reduce((a, b) => a + b)} under way at the end, relay CPU ${cpuMs.toFixed(2)} ms each`
        add(report, `${name}: SEND to MSG`, received, note)
        add(
          report,
          `${name}: SEND to OK (durable)`,
          all.flatMap((one) => one.stored),
          '',
        )
        await Promise.all(loads.map((one) => one.call('stopPairs')))
      })
    }
  },
}
