import { setTimeout as sleep } from 'node:timers/promises'
import type { Child } from '../child.ts'
import type { LoadCalls } from '../load-process.ts'
import { withRelay } from '../stage.ts'
import { quantile } from '../statistics.ts'
import type { Measurement } from './measurement.ts'

const PAIRS = 4
const REST_MS = 5
/** Of each of the three kinds; one more floods, so 100 in all. */
const HOSTILE_EACH = 33
const WARM_UP_MS = 1000

const receivedWithin = async (pairs: Child<LoadCalls>, seconds: number): Promise<readonly number[]> => {
  await sleep(WARM_UP_MS)
  await pairs.call('takeLatencies')
  await sleep(seconds * 1000)
  return (await pairs.call('takeLatencies')).received
}

export const neighbours: Measurement = {
  name: 'neighbours',
  title: `${PAIRS} single pairs, 16 KB messages, alone and beside 100 hostile clients (flooding, stalling, not reading)`,
  async run(report, { seconds }) {
    await withRelay(async ({ relay, address, load }) => {
      const pairs = load()
      await pairs.call('openPairs', { address, auth: 'x25519', bodySize: 16_048, count: PAIRS })
      await pairs.call('alternate', { restMs: REST_MS })
      const alone = await receivedWithin(pairs, seconds)
      const hostile = load()
      await hostile.call('openHostile', { address, each: HOSTILE_EACH })
      const before = await hostile.call('hostileCounts')
      const usedBefore = await relay.call('usage')
      const beside = await receivedWithin(pairs, 2 * seconds)
      const usedAfter = await relay.call('usage')
      const after = await hostile.call('hostileCounts')
      await pairs.call('stopPairs')
      await hostile.call('closeHostile')
      const blocksPerSecond = (after.blocksSent - before.blocksSent) / ((after.atMs - before.atMs) / 1000)
      const cpuMs = usedAfter.userMs + usedAfter.systemMs - usedBefore.userMs - usedBefore.systemMs
      const processors = cpuMs / (usedAfter.atMs - usedBefore.atMs)
      const p99 = { alone: quantile(alone, 0.99), beside: quantile(beside, 0.99) }
      report.add({ name: 'alone: p50', value: quantile(alone, 0.5), unit: 'ms', note: `${alone.length} messages` })
      report.add({ name: 'alone: p99', value: p99.alone, unit: 'ms' })
      report.add({
        name: 'beside hostile clients: p50',
        value: quantile(beside, 0.5),
        unit: 'ms',
        note: `${beside.length} messages`,
      })
      report.add({ name: 'beside hostile clients: p99', value: p99.beside, unit: 'ms' })
      report.add({
        name: 'p99 against alone',
        value: p99.beside / p99.alone,
        unit: 'times',
        aim: { atMost: 2 },
        note: `${blocksPerSecond.toFixed(0)} hostile blocks/s, ${after.open} of them still connected, relay used ${processors.toFixed(2)} processors`,
      })
    })
  },
}
