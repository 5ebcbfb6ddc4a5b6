import { join } from 'node:path'
import { writeCredentials } from '../../conformance/credentials.ts'
import { Child } from '../child.ts'
import type { StoreCalls } from '../store-process.ts'
import { forkRelay, withDirectory } from '../stage.ts'
import type { Measurement } from './measurement.ts'

const QUEUES = 100_000
const STARTS = 3

interface Start {
  readonly readyMs: number
  readonly rss: number
}

const startOn = async (directory: string, queues: number): Promise<Start> => {
  const relay = forkRelay()
  try {
    const { readyMs, queues: found } = await relay.call('serve', { directory })
    if (found !== queues) throw new Error(`${found} queues instead of ${queues}`)
    const { rss } = await relay.call('memory')
    await relay.call('stop')
    return { readyMs, rss }
  } finally {
    await relay.end()
  }
}

const fastest = async (directory: string, queues: number): Promise<Start> => {
  let best = await startOn(directory, queues)
  for (let count = 1; count < STARTS; count++) {
    const next = await startOn(directory, queues)
    if (next.readyMs < best.readyMs) best = next
  }
  return best
}

const fill = async (directory: string): Promise<number> => {
  const child = new Child<StoreCalls>('store-process')
  try {
    return (await child.call('fill', { path: join(directory, 'store'), queues: QUEUES })).perSecond
  } finally {
    await child.end()
  }
}

export const start: Measurement = {
  name: 'start',
  title: 'from the start of the process until the relay listens',
  async run(report) {
    await withDirectory(async (directory) => {
      await writeCredentials(directory, { alg: 'ed448' })
      const empty = await fastest(directory, 0)
      report.add({ name: 'empty store', value: empty.readyMs, unit: 'ms' })
      report.add({ name: 'empty store: RSS', value: empty.rss / 1024 ** 2, unit: 'MiB' })
    })
    await withDirectory(async (directory) => {
      await writeCredentials(directory, { alg: 'ed448' })
      const filledPerSecond = await fill(directory)
      const full = await fastest(directory, QUEUES)
      report.add({ name: '100,000 queues', value: full.readyMs, unit: 'ms' })
      report.add({ name: '100,000 queues: RSS', value: full.rss / 1024 ** 2, unit: 'MiB' })
      report.add({ name: 'queues added to the store alone', value: filledPerSecond, unit: 'queues/s' })
    })
  },
}
