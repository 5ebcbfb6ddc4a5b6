import { createHash, randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { idFromBytes, type RcvId } from '../../../../src/protocol/ids.ts'
import { ActiveQueues, activeQueuesKey, type Period } from '../../../../src/server/statistics/active-queues.ts'

const key = Buffer.alloc(32, 7)
const newId = (): RcvId => idFromBytes<RcvId>(randomBytes(24))

const hashesOf = (active: ActiveQueues, period: Period): bigint[] =>
  [...active.hashes('activeQueues', period)].filter((hash) => hash !== undefined)

describe('active queues', () => {
  it('are counted once, whatever their number, in each period and with notifications apart', () => {
    const active = new ActiveQueues(key)
    const ids = Array.from({ length: 20_000 }, newId)
    for (const id of [...ids, ...ids]) active.add(id, false)
    for (const id of ids.slice(0, 5)) active.add(id, true)
    expect(active.size('activeQueues', 'day')).toBe(20_000)
    expect(active.size('activeQueues', 'month')).toBe(20_000)
    expect(active.size('activeQueuesNtf', 'day')).toBe(5)
  })

  it('are forgotten when their period is over, and only for that period', () => {
    const active = new ActiveQueues(key)
    const [monday, tuesday, later] = [newId(), newId(), newId()]
    active.add(monday, true)
    active.end(['day'])
    active.add(tuesday, false)
    expect(active.size('activeQueues', 'day')).toBe(1)
    expect(active.size('activeQueuesNtf', 'day')).toBe(0)
    expect(active.size('activeQueues', 'week')).toBe(2)
    active.end(['day', 'week'])
    active.add(later, false)
    expect(active.size('activeQueues', 'week')).toBe(1)
    expect(active.size('activeQueues', 'month')).toBe(3)
    expect(active.size('activeQueuesNtf', 'month')).toBe(1)
  })

  it('are known again after they were saved and restored', () => {
    const before = new ActiveQueues(key)
    const ids = Array.from({ length: 2000 }, newId)
    for (const id of ids) before.add(id, false)
    const after = new ActiveQueues(key)
    for (const hash of hashesOf(before, 'week')) after.restore('activeQueues', 'week', hash)
    for (const id of ids) after.add(id, false)
    expect(after.size('activeQueues', 'week')).toBe(2000)
    expect(after.size('activeQueues', 'day')).toBe(2000)
    expect(after.size('activeQueuesNtf', 'week')).toBe(0)
  })

  it('are kept as signed numbers of 64 bits, from one end to the other', () => {
    const active = new ActiveQueues(key)
    const values = [-(2n ** 63n), -1n, 0n, 1n, 2n ** 63n - 1n, 4_294_967_296n]
    for (const value of values) active.restore('activeQueues', 'day', value)
    expect(hashesOf(active, 'day').sort((a, b) => (a < b ? -1 : 1))).toEqual(
      [...values].sort((a, b) => (a < b ? -1 : 1)),
    )
  })

  it('cannot be recognised without the key of the relay', () => {
    const id = newId()
    const hashWith = (using: Buffer): bigint | undefined => {
      const active = new ActiveQueues(using)
      active.add(id, false)
      return hashesOf(active, 'day')[0]
    }
    const plain = createHash('sha256').update(id, 'latin1').digest().readBigInt64LE(0)
    const [one, other] = [activeQueuesKey('key of one relay'), activeQueuesKey('key of another')]
    expect(new Set([hashWith(one), hashWith(other), plain]).size).toBe(3)
    expect(hashWith(activeQueuesKey('key of one relay'))).toBe(hashWith(one))
  })

  it('take no more memory than allowed: further ones are not counted, known ones still are', () => {
    const active = new ActiveQueues(key, 1024)
    const ids = Array.from({ length: 2000 }, newId)
    for (const id of ids) active.add(id, false)
    expect(active.size('activeQueues', 'day')).toBe(768)
    for (const id of ids) active.add(id, true)
    expect(active.size('activeQueuesNtf', 'day')).toBe(768)
    active.end(['day', 'week', 'month'])
    for (const id of ids.slice(0, 100)) active.add(id, false)
    expect(active.size('activeQueues', 'month')).toBe(100)
  })

  it('are counted and saved alike while the table grows, and across the ends of periods', () => {
    const active = new ActiveQueues(key)
    const days: Set<RcvId>[] = []
    const known: RcvId[] = []
    for (let day = 0; day < 30; day++) {
      const today = new Set<RcvId>()
      days.push(today)
      for (let count = 0; count < 700; count++) {
        const old = known[Math.floor(Math.random() * known.length * 4)]
        const id = old ?? newId()
        known.push(id)
        today.add(id)
        active.add(id, false)
        if (count % 100 !== 0) continue
        expect(active.size('activeQueues', 'day')).toBe(today.size)
        const all = hashesOf(active, 'month')
        expect(new Set(all).size).toBe(all.length)
        expect(all).toHaveLength(active.size('activeQueues', 'month'))
      }
      const month = new Set(days.flatMap((ids) => [...ids]))
      expect(active.size('activeQueues', 'month')).toBe(month.size)
      expect(hashesOf(active, 'day')).toHaveLength(today.size)
      if (day % 7 === 6)
        expect(active.size('activeQueues', 'week')).toBe(new Set(days.slice(-7).flatMap((ids) => [...ids])).size)
      active.end(day % 7 === 6 ? ['day', 'week'] : ['day'])
    }
    active.end(['day', 'week', 'month'])
    expect(active.size('activeQueues', 'month')).toBe(0)
    expect(hashesOf(active, 'month')).toEqual([])
  })
})
