import { setTimeout as sleep } from 'node:timers/promises'
import type { Child } from '../child.ts'
import type { LoadCalls } from '../load-process.ts'
import { withRelay, type Stage } from '../stage.ts'
import { quantile } from '../statistics.ts'
import type { Measurement } from './measurement.ts'

const REST_MS = 5

interface Attack {
  readonly name: string
  /** Begins; what it returns is waited for at the end. */
  readonly begin: (stage: Stage, attacker: Child<LoadCalls>) => Promise<void>
  /** What happens meanwhile in the relay's process. */
  readonly meanwhile?: (stage: Stage) => Promise<void>
}

const attacks: readonly Attack[] = [
  { name: 'nobody', begin: () => Promise.resolve() },
  {
    name: 'badly signed commands for a queue with 230 Ed448 keys, 8 connections',
    begin: ({ address }, attacker) => attacker.call('manyKeys', { address, connections: 8 }),
  },
  {
    name: 'blocks full of NEW, 8 connections',
    begin: ({ address }, attacker) => attacker.call('creations', { address, connections: 8 }),
  },
  {
    name: 'subscribing to 2,000 notifiers with 100 notifications each, reading late',
    begin: async ({ relay, address }, attacker) => {
      const { notifiers } = await relay.call('seed', { queues: 2000, notifications: 100 })
      void attacker.call('notifications', { address, notifiers }).catch(() => undefined)
    },
  },
  {
    name: 'NDEL of notifiers with 100,000 notifications each',
    begin: async ({ relay, address }, attacker) => {
      const { queues } = await relay.call('seed', { queues: 4, notifications: 100_000 })
      void attacker.call('deletions', { address, queues, word: 'ndel' }).catch(() => undefined)
    },
  },
  {
    name: 'DEL of queues with 100,000 notifications each',
    begin: async ({ relay, address }, attacker) => {
      const { queues } = await relay.call('seed', { queues: 4, notifications: 100_000 })
      void attacker.call('deletions', { address, queues, word: 'del' }).catch(() => undefined)
    },
  },
  {
    name: 'two connections taking 5,000 queues from each other',
    begin: async ({ relay, address }, attacker) => {
      const { queues } = await relay.call('seed', { queues: 5000, notifications: 0 })
      await attacker.call('takeOver', { address, queues })
    },
  },
  {
    name: 'subscribing to 5,000 queues and going away, again and again',
    begin: async ({ relay, address }, attacker) => {
      const { queues } = await relay.call('seed', { queues: 5000, notifications: 0 })
      await attacker.call('comeAndGo', { address, queues })
    },
  },
  {
    name: 'a store that rolls back every 100 ms, with 20,000 subscriptions',
    begin: async ({ relay, address }, attacker) => {
      const { queues } = await relay.call('seed', { queues: 20_000, notifications: 0 })
      await attacker.call('subscribers', { address, queues })
    },
    meanwhile: async ({ relay }) => {
      await relay.call('rollBackEvery', { ms: 100 })
    },
  },
]

/** What a client that only sends PING notices of others who mean harm. */
export const attackMeasurement: Measurement = {
  name: 'attacks',
  title: 'PING of one client while others attack',
  limitSeconds: 600,
  async run(report, { seconds }) {
    for (const attack of attacks) {
      await withRelay(async (stage) => {
        const { relay, address, load } = stage
        const [attacker, client] = [load(), load()]
        await attacker.call('giveWay')
        await attack.begin(stage, attacker)
        await attack.meanwhile?.(stage)
        await sleep(300)
        await relay.call('watchTurns')
        const times = await client.call('pings', { address, seconds, restMs: REST_MS })
        const { longestMs } = await relay.call('turns')
        const note = `${times.length} PINGs, longest ${Math.max(...times).toFixed(0)} ms; longest turn ${longestMs.toFixed(0)} ms of processor time`
        report.add({ name: attack.name, value: quantile(times, 0.99), unit: 'ms (p99)', aim: { atMost: 50 }, note })
        await attacker.call('stopAttacks').catch(() => undefined)
      })
    }
  },
}
