import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { statsLines, type StatsValues } from '../../../../src/server/control-port/stats-lines.ts'
import { newStats } from '../../../../src/server/statistics/counters.ts'

const samples = resolve(import.meta.dirname, '../../../samples/printed')

/** The answer to `stats` in a conversation with upstream. */
function sample(name: string): string[] {
  const text = readFileSync(join(samples, name), 'utf8')
  return (/^> stats\n(fromTime[^>]*)^> /m.exec(text)?.[1] ?? '').trimEnd().split('\n')
}

const values: StatsValues = {
  stats: {
    ...newStats(Date.parse('2026-11-22T22:21:28.707Z'), Buffer.alloc(32)),
    qCreated: 8,
    qSecured: 5,
    qDeletedAll: 1,
    qDeletedSecured: 1,
    msgSent: 133,
    msgSentNtf: 2,
  },
  counts: {
    queues: 7,
    messages: 133,
    notifications: 1,
    notifiers: 1,
    rcvServices: 0,
    ntfServices: 0,
    rcvServiceQueues: 0,
    ntfServiceQueues: 0,
  },
}

for (let hash = 1n; hash <= 4n; hash++) values.stats.activeQueues.restore('activeQueues', 'day', hash)

describe('stats', () => {
  it.each([
    ['admin', 'control-port-admin.txt'],
    ['user', 'control-port-user.txt'],
  ] as const)('prints for role %s what upstream prints of the same counters', (role, file) => {
    // Its two counts of queues had come apart; here they are one. Our clock knows milliseconds.
    const expected = sample(file).map((line) =>
      line.replace('qCount 2: 8', 'qCount 2: 7').replace('28.70725394', '28.707'),
    )
    expect(expected.length).toBeGreaterThan(35)
    expect(statsLines(values, role)).toEqual(expected)
  })

  it('has every counter in its own place', () => {
    const proxied = { requests: 1, successes: 2, errorsConnect: 3, errorsCompat: 4, errorsOther: 5 }
    const stats = { ...values.stats, qSubAuth: 11, qSubDuplicate: 12, qSubProhibited: 13, pMsgFwdsOwn: proxied }
    const lines = statsLines({ ...values, stats: { ...stats, msgGetAuth: 21, msgGetProhibited: 23 } }, 'user')
    expect(lines).toContain('other SUB events (auth, duplicate, prohibited): (11,12,13)')
    expect(lines).toContain('other GET events (auth, duplicate, prohibited): (21,0,23)')
    expect(lines).toContain('pMsgFwdsOwn: requests=1, successes=2, errorsConnect=3, errorsCompat=4, errorsOther=5')
  })
})
