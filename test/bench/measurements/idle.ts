import { join } from 'node:path'
import type { Memory } from '../relay-process.ts'
import type { Report, Result } from '../report.ts'
import { withRelay } from '../stage.ts'
import type { Measurement } from './measurement.ts'

/** These are there before the first look at the memory, so that what every relay needs once is not counted. */
const FIRST = 200
/** With these, the relay has 1000: those that come after them save memory. */
const ROOMY = 800
const CONNECTIONS = 2000

const print = (
  report: Report,
  label: string,
  before: Memory,
  after: Memory,
  count: number,
  remarks: Pick<Result, 'aim' | 'other'> = {},
): void => {
  const each = (part: keyof Memory): number => (after[part] - before[part]) / count / 1024
  const parts = (['anonymous', 'heapUsed', 'external', 'arrayBuffers'] as const)
    .map((part) => `${part} ${each(part).toFixed(1)}`)
    .join(', ')
  report.add({ name: label, value: each('rss'), unit: 'KiB', ...remarks, note: parts })
}

export const idle: Measurement = {
  name: 'idle',
  title: `memory of each of ${CONNECTIONS} connections with one subscribed queue, garbage collected`,
  async run(report, { profileDirectory }) {
    await withRelay(async ({ relay, address, load }) => {
      const clients = load()
      await clients.call('openIdle', { address, count: FIRST })
      const few = await relay.call('memory')
      await clients.call('openIdle', { address, count: ROOMY })
      const before = await relay.call('memory')
      print(report, 'subscribed, of the first 1000', few, before, ROOMY)
      const began = await relay.call('usage')
      await clients.call('openIdle', { address, count: CONNECTIONS })
      const ended = await relay.call('usage')
      const after = await relay.call('memory')
      if (after.sessions < FIRST + ROOMY + CONNECTIONS) throw new Error('a connection was lost')
      print(report, 'subscribed, after the first 1000', before, after, CONNECTIONS, {
        aim: { atMost: 40 },
        other: '208 KiB',
      })
      await clients.call('deliverToIdle', { address })
      // More than the connections' own: the freed buffers of 2800 messages stay with the process as well.
      print(report, 'these, after one 16 KB message each', before, await relay.call('memory'), CONNECTIONS)
      const cpuMs = ended.userMs + ended.systemMs - began.userMs - began.systemMs
      report.add({
        name: 'relay CPU of NEW, connecting (TLS, handshake) and SUB',
        value: cpuMs / CONNECTIONS,
        unit: 'ms',
      })
      if (profileDirectory !== undefined)
        await relay.call('heapSnapshot', { path: join(profileDirectory, 'idle.heapsnapshot') })
    })
  },
}
