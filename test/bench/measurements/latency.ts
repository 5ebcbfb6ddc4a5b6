import { setTimeout as sleep } from 'node:timers/promises'
import type { Latencies } from '../load/pairs.ts'
import type { Report, Result } from '../report.ts'
import { withRelay } from '../stage.ts'
import { quantile } from '../statistics.ts'
import type { Measurement, Settings } from './measurement.ts'
import { openPairs, saturate, type Traffic } from './traffic.ts'

const PAIRS = 32
const WARM_UP_MS = 1000
const traffic: Traffic = { auth: 'x25519', bodySize: 16_048 }

const print = (
  report: Report,
  label: string,
  all: readonly Latencies[],
  remarks: Pick<Result, 'aim' | 'other'> = {},
): void => {
  const received = all.flatMap((one) => one.received)
  const stored = all.flatMap((one) => one.stored)
  const note = `${received.length} messages`
  report.add({ name: `${label}: SEND to MSG, p50`, value: quantile(received, 0.5), unit: 'ms', ...remarks, note })
  report.add({ name: `${label}: SEND to MSG, p99`, value: quantile(received, 0.99), unit: 'ms' })
  report.add({ name: `${label}: SEND to OK (durable), p50`, value: quantile(stored, 0.5), unit: 'ms' })
  report.add({ name: `${label}: SEND to OK (durable), p99`, value: quantile(stored, 0.99), unit: 'ms' })
}

const onePair = (settings: Settings): Promise<Latencies> =>
  withRelay(async ({ address, load }) => {
    const client = load()
    await client.call('openPairs', { ...traffic, address, count: 1 })
    await client.call('alternate', { restMs: 0 })
    await sleep(WARM_UP_MS)
    await client.call('takeLatencies')
    await sleep(settings.seconds * 1000)
    const latencies = await client.call('takeLatencies')
    await client.call('stopPairs')
    return latencies
  })

const atRate = (perSecond: number, settings: Settings): Promise<Latencies[]> =>
  withRelay(async ({ address, load }) => {
    const loads = [load(), load()]
    await openPairs(loads, { ...traffic, address, count: PAIRS })
    await Promise.all(loads.map((one) => one.call('pace', { perSecond: perSecond / loads.length })))
    await sleep(WARM_UP_MS)
    await Promise.all(loads.map((one) => one.call('takeLatencies')))
    await sleep(settings.seconds * 1000)
    const latencies = await Promise.all(loads.map((one) => one.call('takeLatencies')))
    await Promise.all(loads.map((one) => one.call('stopPairs')))
    return latencies
  })

export const latency: Measurement = {
  name: 'latency',
  title: '16 KB messages, X25519 keys',
  async run(report, settings) {
    print(report, 'one pair', [await onePair(settings)], { aim: { atMost: 3 }, other: '43 ms' })
    const { perSecond } = await saturate(traffic, { ...settings, profileDirectory: undefined }, 'latency')
    const half = perSecond / 2
    print(report, `half load (${half.toFixed(0)}/s)`, await atRate(half, settings))
  },
}
