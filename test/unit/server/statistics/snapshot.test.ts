import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { idFromBytes, type RcvId } from '../../../../src/protocol/ids.ts'
import { activeSets, periods } from '../../../../src/server/statistics/active-queues.ts'
import {
  counterNames,
  counterRows,
  groupNames,
  newStats,
  savedMembers,
  type Stats,
} from '../../../../src/server/statistics/counters.ts'
import { readSnapshot } from '../../../../src/server/statistics/read-snapshot.ts'
import { snapshotText } from '../../../../src/server/statistics/write-snapshot.ts'

const sample = readFileSync(new URL('../../../samples/upstream/smp-server-stats.log', import.meta.url), 'utf8')
const empty = (): Stats => newStats(0, Buffer.alloc(32))
const textOf = (stats: Stats, queues = 0): string => [...snapshotText(stats, queues)].join('')

const read = (text: string): Stats => {
  const stats = empty()
  expect(readSnapshot(text, stats)).toEqual({ unknown: [] })
  return stats
}

/** Hashes have no order. */
const sorted = (text: string): string =>
  text.replace(/Hashes=(.+)/g, (_, list: string) => `Hashes=${list.split(',').sort().join()}`)

describe('a snapshot of another SMP relay', () => {
  it('is read', () => {
    const stats = read(sample)
    expect(new Date(stats.fromTime).toISOString()).toBe('2026-11-22T22:21:28.707Z')
    expect(stats).toMatchObject({ qCreated: 8, qSecured: 5, qDeletedSecured: 1, qBlocked: 1, msgSent: 133 })
    expect(stats.activeQueues.size('activeQueues', 'month')).toBe(4)
    expect([...stats.activeQueues.hashes('activeQueuesNtf', 'week')]).toEqual([730_271_513_884_713_030n])
  })

  it('is written again as it was, but for the fractions of a millisecond', () => {
    const written = textOf(read(sample), 7)
    expect(sorted(written)).toBe(sorted(sample.replace('28.70725394Z', '28.707Z')))
  })

  it('of an older version is read as far as it goes', () => {
    const id = Buffer.alloc(24, 5)
    const stats = read(
      [
        ...[
          'fromTime=2023-01-02T03:04:05Z',
          'qCreated=5',
          'qSecured=4',
          'qDeleted=3',
          'qSubNoMsg=9',
          'msgSent=2',
          'msgRecv=1',
        ],
        ...['activeQueues:', `day=${id.toString('base64url')}`, 'week=', 'month='],
        ...['subscribedQueues:', 'day=', 'week=', 'month=', ''],
      ].join('\n'),
    )
    expect(stats).toMatchObject({ qCreated: 5, qDeletedAll: 3, qDeletedNew: 0, msgSent: 2, msgRecv: 1 })
    stats.activeQueues.add(idFromBytes<RcvId>(id), false)
    expect(stats.activeQueues.size('activeQueues', 'day')).toBe(1)
    const numbers = read('fromTime=2022-01-02T03:04:05Z\nmsgSent=2\nmsgRecv=1\ndayMsgQueues=1,2\nweekMsgQueues=1,2,3\n')
    expect(numbers.activeQueues.size('activeQueues', 'day')).toBe(2)
    expect(numbers.activeQueues.size('activeQueues', 'week')).toBe(3)
  })

  it('of version 3, with the ids of the active queues, is read', () => {
    const v3 = readFileSync(new URL('../../../samples/statistics/version-3.log', import.meta.url), 'latin1')
    const stats = read(v3)
    expect(stats).toMatchObject({ qCreated: 3, qSecured: 2, qDeletedAll: 1, msgSent: 10, msgRecv: 9 })
    stats.activeQueues.add(idFromBytes<RcvId>(Buffer.alloc(24)), false)
    for (const period of periods) expect(stats.activeQueues.size('activeQueues', period)).toBe(1)
  })

  it('of a later version is read too, and what is lost is named', () => {
    const stats = empty()
    expect(readSnapshot(`${sample}rslvCached=5\n`, stats)).toEqual({ unknown: ['rslvCached'] })
    expect(stats.qCreated).toBe(8)
  })
})

describe('a damaged snapshot', () => {
  const faultOf = (text: string) => {
    const result = readSnapshot(text, empty())
    return 'fault' in result ? result.fault : undefined
  }

  it('leaves the counters at zero', () => {
    const stats = empty()
    expect(readSnapshot(sample.replace('msgNtfsB=', 'msgNtfsB=x'), stats)).toHaveProperty('fault')
    expect(textOf(stats)).toBe(textOf(empty()))
  })

  it.each([
    ['no number', sample.replace('qSecured=5', 'qSecured=five'), { line: 3, what: 'qSecured has an invalid value' }],
    ['no hash', sample.replace('dayHashes=', 'dayHashes=x'), { line: 46, what: 'dayHashes has an invalid value' }],
    ['no time', sample.replace('2026-11-22', '2026-99-22'), { line: 1, what: 'fromTime has an invalid value' }],
    ['no name', sample.replace('qSub=0', '\0\0\0\0'), { line: 10, what: 'not a name with a value' }],
    ['its end lost', sample.slice(0, 400), { line: 29, what: 'the end of the file is missing' }],
    [
      'its end lost at a line',
      'fromTime=2026-11-22T22:21:28Z\nmsgSent=1\n',
      { line: 2, what: 'the file ends without msgRecv' },
    ],
    ['nothing in it', '', { line: 1, what: 'the end of the file is missing' }],
  ])('with %s is told with its line', (_, text, fault) => {
    expect(faultOf(text)).toEqual(fault)
  })

  it('of any kind is read or told, and never throws', () => {
    fc.assert(
      fc.property(fc.nat(sample.length - 1), fc.integer({ min: 0, max: 255 }), (at, byte) => {
        const text = sample.slice(0, at) + String.fromCharCode(byte) + sample.slice(at + 1)
        const result = readSnapshot(text, empty())
        return 'fault' in result || 'unknown' in result
      }),
      { numRuns: 2000 },
    )
  })
})

it('every counter, and every set, comes back', () => {
  const stats = empty()
  let next = 1
  const saved = counterNames.filter((name) => counterRows[name].unsaved !== true)
  for (const name of saved) stats[name] = next++
  for (const group of groupNames) {
    const counters: Record<string, number> = stats[group]
    for (const { name } of savedMembers(stats, group)) counters[name] = next++
  }
  for (let id = 0; id < 3000; id++) stats.activeQueues.add(idFromBytes<RcvId>(Buffer.from(String(id))), id % 3 === 0)
  const again = read(textOf(stats))
  for (const name of saved) expect([name, again[name]]).toEqual([name, stats[name]])
  for (const group of groupNames) expect(again[group]).toEqual(stats[group])
  for (const set of activeSets) {
    for (const period of periods) {
      expect(new Set(again.activeQueues.hashes(set, period))).toEqual(new Set(stats.activeQueues.hashes(set, period)))
    }
  }
})
