import { beforeEach, describe, expect, it } from 'vitest'
import { ExpiryGuard } from '../../../src/store/expiry-guard.ts'

const DAY = 86_400
let wall: number
let monotonic: number
let isConfirmed: boolean
let doubts: number[]

beforeEach(() => {
  wall = 20_000 * DAY
  monotonic = 500
  isConfirmed = false
  doubts = []
})

function guard(lastSeen: number | undefined): ExpiryGuard {
  return new ExpiryGuard({
    lastSeen,
    wall: () => wall,
    monotonic: () => monotonic,
    isConfirmed: () => isConfirmed,
    onDoubt: (days) => doubts.push(days),
  })
}

function pass(seconds: number): void {
  wall += seconds
  monotonic += seconds
}

describe('the clock by which messages expire', () => {
  it('is that of the machine for a new store, and after a pause of a day', () => {
    for (const lastSeen of [undefined, wall - 5, wall - DAY]) {
      const one = guard(lastSeen)
      expect([one.now(), one.adjust(1000)]).toEqual([wall, 1000])
      pass(3600)
      expect([one.now(), one.adjust(1000)]).toEqual([wall, 1000])
    }
    expect(doubts).toEqual([])
  })

  it('goes on from the last run when the machine starts with a clock 30 days ahead, with one warning', () => {
    const one = guard(wall - 30 * DAY)
    expect(one.now()).toBe(wall - 30 * DAY)
    expect(one.adjust(wall - 21 * DAY)).toBe(wall - 51 * DAY)
    pass(7200)
    expect(one.now()).toBe(wall - 30 * DAY)
    expect(doubts).toEqual([30])
  })

  it('goes on from the last run when the clock jumps while the relay runs', () => {
    const one = guard(wall - 60)
    pass(60)
    const before = one.now()
    wall += 30 * DAY
    pass(60)
    expect(one.now()).toBe(before + 60)
    wall -= 30 * DAY
    expect(one.now()).toBe(wall)
    expect(doubts).toEqual([30])
  })

  it('is that of the machine again once it is confirmed', () => {
    const one = guard(wall - 30 * DAY)
    expect(one.now()).toBe(wall - 30 * DAY)
    isConfirmed = true
    expect([one.now(), one.adjust(1000)]).toEqual([wall, 1000])
    isConfirmed = false
    pass(DAY)
    expect(one.now()).toBe(wall)
  })

  it('never runs backwards when the clock is set back, and expires nothing early after that', () => {
    const one = guard(wall - 60)
    const first = one.now()
    wall -= 10 * DAY
    monotonic += 60
    expect(one.now()).toBe(first + 60)
    expect(one.adjust(1000)).toBe(1000)
    wall += 10 * DAY + 60
    expect(one.now()).toBe(wall)
    expect(doubts).toEqual([])
  })

  it('warns of a clock that is behind the last run', () => {
    expect(guard(wall + 10 * DAY).adjust(1000)).toBe(1000)
    expect(doubts).toEqual([-10])
  })
})
