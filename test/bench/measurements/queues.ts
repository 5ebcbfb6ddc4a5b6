import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { AuthAlg } from '../../client/keys.ts'
import { withRelay } from '../stage.ts'
import type { Measurement, Settings } from './measurement.ts'

const LOAD_PROCESSES = 2
const CONNECTIONS = 32
const WARM_UP_MS = 1000

interface Creation {
  readonly perSecond: number
  readonly cpuMs: number
}

const create = (auth: AuthAlg, batch: number, window: number, settings: Settings): Promise<Creation> =>
  withRelay(async ({ relay, address, load }) => {
    const loads = Array.from({ length: LOAD_PROCESSES }, load)
    const connections = CONNECTIONS / LOAD_PROCESSES
    await Promise.all(loads.map((one) => one.call('startCreators', { address, auth, connections, batch, window })))
    await sleep(WARM_UP_MS)
    const { profileDirectory } = settings
    if (profileDirectory !== undefined) await relay.call('startProfile')
    const before = await Promise.all(loads.map((one) => one.call('createdCount')))
    const began = await relay.call('usage')
    await sleep(settings.seconds * 1000)
    const ended = await relay.call('usage')
    const after = await Promise.all(loads.map((one) => one.call('createdCount')))
    if (profileDirectory !== undefined)
      await relay.call('stopProfile', { path: join(profileDirectory, `queues-${auth}-${batch}.cpuprofile`) })
    await Promise.all(loads.map((one) => one.call('stopCreators')))
    let perSecond = 0
    for (const [index, end] of after.entries()) {
      const start = before[index] ?? end
      perSecond += (end.created - start.created) / ((end.atMs - start.atMs) / 1000)
    }
    const cpuMs = ended.userMs + ended.systemMs - began.userMs - began.systemMs
    return { perSecond, cpuMs: cpuMs / ((perSecond * (ended.atMs - began.atMs)) / 1000) }
  })

const cases = [
  { auth: 'x25519', batch: 32, window: 2, label: '32 NEW in a block, X25519' },
  { auth: 'ed25519', batch: 32, window: 2, label: '32 NEW in a block, Ed25519' },
  { auth: 'x25519', batch: 1, window: 8, label: 'one NEW in a block, X25519' },
  { auth: 'ed25519', batch: 1, window: 8, label: 'one NEW in a block, Ed25519' },
] as const

export const queues: Measurement = {
  name: 'queues',
  title: `queues created over ${CONNECTIONS} pipelined connections, every IDS durable`,
  async run(report, settings) {
    for (const { auth, batch, window, label } of cases) {
      const { perSecond, cpuMs } = await create(auth, batch, window, settings)
      const note = `relay CPU ${cpuMs.toFixed(3)} ms each`
      report.add({ name: label, value: perSecond, unit: 'queues/s', aim: { atLeast: 7000 }, other: '7,200/s', note })
    }
  },
}
