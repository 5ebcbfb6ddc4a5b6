import { describe, expect, it } from 'vitest'
import { idFromBytes, type RcvId } from '../../../../src/protocol/ids.ts'
import { counterNames, groupNames, newStats } from '../../../../src/server/statistics/counters.ts'
import { dailyLine, endedPeriods, nextMidnight } from '../../../../src/server/statistics/daily-line.ts'
import type { StoreCounts } from '../../../../src/store/store.ts'

/** Columns 2 to 101 as the sheet of other SMP relays numbers them. */
const columns = [
  ...['qCreated', 'qSecured', 'qDeletedAll', 'msgSent', 'msgRecv', 'day', 'week', 'month'],
  ...['msgSentNtf', 'msgRecvNtf', 'dayNtf', 'weekNtf', 'monthNtf', 'queues', 'messages'],
  ...['msgExpired', 'qDeletedNew', 'qDeletedSecured'],
  ...['pRelays', 'pRelaysOwn', 'pMsgFwds', 'pMsgFwdsOwn'].flatMap((group) =>
    ['requests', 'successes', 'errorsConnect', 'errorsCompat', 'errorsOther'].map((name) => `${group}.${name}`),
  ),
  'pMsgFwdsRecv',
  ...['qSub', 'qSubAuth', 'qSubDuplicate', 'qSubProhibited', 'msgSentAuth', 'msgSentQuota', 'msgSentLarge'],
  ...['msgNtfs', 'msgNtfNoSub', 'msgNtfLost', '0', 'msgRecvGet', 'msgGet', 'msgGetNoMsg', 'msgGetAuth'],
  ...['msgGetDuplicate', 'msgGetProhibited', '0', '0', '0', 'queues', 'ntfCreated', 'ntfDeleted', 'ntfSub'],
  ...['ntfSubAuth', 'ntfSubDuplicate', 'notifiers', 'qDeletedAllB', 'qSubAllB', 'qSubEnd', 'qSubEndB'],
  ...['ntfDeletedB', 'ntfSubB', 'msgNtfsB', 'msgNtfExpired', 'notifications'],
  ...['rcvServiceCount', 'ntfServiceCount', 'rcvServiceQueues', 'ntfServiceQueues'],
  ...['rcvServices', 'ntfServices'].flatMap((group) =>
    [
      ...['assocNew', 'assocDuplicate', 'assocUpdated', 'assocRemoved'],
      ...['subCount', 'subDuplicate', 'subQueues', 'subEnd'],
    ].map((name) => `${group}.${name}`),
  ),
  ...['reqs', 'succ', 'notFound', 'resolverErrs', 'disabled'].map((name) => `names.${name}`),
]

const counts: StoreCounts = {
  queues: 9001,
  messages: 9002,
  notifications: 9003,
  notifiers: 9004,
  rcvServices: 9005,
  ntfServices: 9006,
  rcvServiceQueues: 9007,
  ntfServiceQueues: 9008,
}

/** Statistics in which every number is another one, and each of them by its name. */
const numbered = () => {
  const stats = newStats(Date.parse('2026-11-24T10:20:30.456Z'), Buffer.alloc(32))
  const values = new Map<string, number | ''>([
    ['0', 0],
    ...Object.entries(counts),
    ['rcvServiceCount', counts.rcvServices],
    ['ntfServiceCount', counts.ntfServices],
  ])
  let next = 100
  for (const name of counterNames) values.set(name, (stats[name] = next++))
  for (const group of groupNames) {
    const counters = stats[group] as Record<string, number>
    for (const name of Object.keys(counters)) values.set(`${group}.${name}`, (counters[name] = next++))
  }
  const id = (index: number) => idFromBytes<RcvId>(Buffer.alloc(24, index))
  for (let index = 0; index < 7; index++) stats.activeQueues.add(id(index), index < 3)
  stats.activeQueues.end(['day'])
  for (let index = 0; index < 2; index++) stats.activeQueues.add(id(index), index < 1)
  for (const [name, value] of [
    ['day', 2],
    ['dayNtf', 1],
    ['week', 7],
    ['weekNtf', 3],
    ['month', 7],
    ['monthNtf', 3],
  ] as const)
    values.set(name, value)
  return { stats, values }
}

describe('the daily line', () => {
  const lineAt = (time: string) => {
    const { stats, values } = numbered()
    return { line: dailyLine(stats, counts, Date.parse(time)).split(','), values }
  }
  const expected = (values: ReadonlyMap<string, number | ''>, empty: readonly string[]) =>
    columns.map((name) => (empty.includes(name) ? '' : String(values.get(name))))

  it('has 101 columns, the first the date on which the counting began', () => {
    const { line, values } = lineAt('2026-11-25T00:00:00Z')
    expect(columns).toHaveLength(100)
    expect(line).toHaveLength(101)
    expect(line[0]).toBe('2026-11-24')
    expect(line.slice(1)).toEqual(expected(values, ['week', 'month', 'weekNtf', 'monthNtf']))
  })

  it('has the weekly columns on Mondays only', () => {
    const { line, values } = lineAt('2026-11-30T00:00:00Z')
    expect(line.slice(1)).toEqual(expected(values, ['month', 'monthNtf']))
  })

  it('has the monthly columns on the first of a month only', () => {
    const { line, values } = lineAt('2026-12-01T00:00:00Z')
    expect(line.slice(1)).toEqual(expected(values, ['week', 'weekNtf']))
  })
})

it('weeks end on Mondays and months on the first, in UTC', () => {
  expect(endedPeriods(Date.parse('2027-02-01T00:00:00Z'))).toEqual(['day', 'week', 'month'])
  expect(endedPeriods(Date.parse('2026-11-29T23:59:59Z'))).toEqual(['day'])
})

it('the next midnight is never the present moment', () => {
  const midnight = Date.parse('2026-11-25T00:00:00Z')
  expect(nextMidnight(midnight - 1)).toBe(midnight)
  expect(nextMidnight(midnight)).toBe(midnight + 86_400_000)
})
