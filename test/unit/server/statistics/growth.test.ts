import { expect, it } from 'vitest'
import { idFromBytes, type RcvId } from '../../../../src/protocol/ids.ts'
import { newStats } from '../../../../src/server/statistics/counters.ts'
import { addGrowth, takeGrowth } from '../../../../src/server/statistics/growth.ts'

const key = Buffer.alloc(32, 7)
const queue = (name: string): RcvId => idFromBytes<RcvId>(Buffer.from(name.padEnd(24, '.')))

it('what the counters of several processes grow by adds up, each thing once, as if one process had counted it', () => {
  const [all, first, second, alone] = [0, 1, 2, 3].map(() => newStats(0, key)) as [
    ReturnType<typeof newStats>,
    ReturnType<typeof newStats>,
    ReturnType<typeof newStats>,
    ReturnType<typeof newStats>,
  ]
  for (const [stats, name] of [
    [first, 'a'],
    [second, 'b'],
    [second, 'shared'],
    [first, 'shared'],
  ] as const) {
    for (const counting of [stats, alone]) {
      counting.msgSent++
      counting.pRelays.errorsConnect += 2
      counting.rcvServices.subQueues += 3
      counting.activeQueues.add(queue(name), name === 'a')
      counting.ackTimes.add(name === 'a' ? 90_000 : 2)
    }
    addGrowth(all, structuredClone(takeGrowth(stats)))
    addGrowth(all, structuredClone(takeGrowth(stats)))
  }
  for (const period of ['day', 'week', 'month'] as const) {
    expect(all.activeQueues.size('activeQueues', period)).toBe(3)
    expect(all.activeQueues.size('activeQueuesNtf', period)).toBe(1)
  }
  const plain = (stats: typeof all): object => ({ ...stats, activeQueues: undefined })
  expect(plain(all)).toEqual(plain(alone))
  expect(plain(first)).toEqual(plain(newStats(0, key)))
  expect(first.activeQueues.size('activeQueues', 'month')).toBe(0)
})
