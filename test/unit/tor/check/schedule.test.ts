import { describe, expect, it } from 'vitest'
import type { CheckResult } from '../../../../src/tor/check/check.ts'
import type { CheckFault } from '../../../../src/tor/check/faults.ts'
import type { NextCheck } from '../../../../src/tor/check/schedule.ts'
import { CheckSchedule, callsForRenewal, checkDelay } from '../../../../src/tor/check/schedule.ts'

const good: CheckResult = { at: new Date(0), host: 'a.onion', port: 5223, via: 'client', steps: [], ms: 900 }
const fault: CheckFault = { step: 'connect', code: 'ONION_TIMEOUT', message: 'm', remedy: 'r' }
const bad: CheckResult = { ...good, fault }

const minute = 60_000
const lowest = (): number => 0
const highest = (): number => 1 - Number.EPSILON

describe('the time to the next check', () => {
  it('the next check comes after the interval, 20 % less or more', () => {
    expect(checkDelay(30 * minute, 0, lowest)).toBe(24 * minute)
    expect(checkDelay(30 * minute, 0, highest)).toBe(36 * minute)
    expect(checkDelay(30 * minute, 0, () => 0.5)).toBe(30 * minute)
  })

  it('the next check comes a minute after a failure, doubling with each further one, and never later than the interval', () => {
    const delays = [1, 2, 3, 4, 5, 6, 20].map((failures) => checkDelay(30 * minute, failures, () => 0.5) / minute)
    expect(delays).toEqual([1, 2, 4, 8, 16, 30, 30])
    expect(checkDelay(30 * minute, 1, lowest)).toBe(0.8 * minute)
    expect(checkDelay(30 * minute, 1, highest)).toBe(1.2 * minute)
    expect(checkDelay(10_000, 3, () => 0.5)).toBe(10_000)
  })
})

it.each([
  ['connect', 'ONION_NOT_PUBLISHED', true],
  ['connect', 'ONION_REFUSED', true],
  ['certificate', 'OTHER_RELAY', true],
  ['connect', 'SOCKS_UNAVAILABLE', false],
  ['tor', 'TOR_CLIENT_OFFLINE', false],
] as const)(
  'after a fault at step %s with code %s, publishing the service again may help: %s',
  (step, code, expected) => {
    expect(callsForRenewal({ ...fault, step, code })).toBe(expected)
  },
)

/** A schedule with a clock that the test advances. */
class Turned {
  readonly checks: { finish(result: CheckResult | Error): void; signal: AbortSignal }[] = []
  readonly taken: [CheckResult, NextCheck][] = []
  readonly errors: unknown[] = []
  readonly armed: number[] = []
  #act: (() => void) | undefined
  readonly schedule = new CheckSchedule({
    intervalMs: 30 * minute,
    check: (signal) =>
      new Promise((resolve, reject) => {
        const finish = (result: CheckResult | Error): void =>
          result instanceof Error ? reject(result) : resolve(result)
        signal.addEventListener('abort', () => finish(new Error('cancelled')))
        this.checks.push({ finish, signal })
      }),
    onCheck: (result, next) => this.taken.push([result, next]),
    onError: (error) => this.errors.push(error),
    random: () => 0.5,
    after: (ms, act) => {
      this.armed.push(ms)
      this.#act = act
      return () => (this.#act = undefined)
    },
  })

  get isArmed(): boolean {
    return this.#act !== undefined
  }

  /** Lets the time of the next result come. */
  due(): void {
    const act = this.#act
    this.#act = undefined
    act?.()
  }

  async finish(result: CheckResult | Error): Promise<void> {
    this.checks.at(-1)?.finish(result)
    await new Promise((resolve) => setImmediate(resolve))
  }
}

describe('the schedule of checks', () => {
  it('runs the next check at once when told to hurry, one at a time, and none for a service that is not published', async () => {
    const turned = new Turned()
    turned.schedule.hurry()
    expect(turned.isArmed).toBe(false)
    turned.schedule.published()
    turned.due()
    turned.schedule.hurry()
    expect(turned.isArmed).toBe(false)
    await turned.finish(good)
    turned.schedule.hurry()
    expect(turned.armed.at(-1)).toBe(0)
    turned.due()
    await turned.finish(good)
    expect(turned.taken).toHaveLength(2)
    expect(turned.armed.at(-1)).toBe(30 * minute)
  })

  it('begins a few seconds after publication, and goes on in the interval', async () => {
    const turned = new Turned()
    expect(turned.isArmed).toBe(false)
    turned.schedule.published()
    turned.schedule.published()
    expect(turned.armed).toEqual([5000])
    turned.due()
    turned.schedule.published()
    expect(turned.armed).toEqual([5000])
    await turned.finish(good)
    expect(turned.taken).toEqual([[good, { failures: 0, inMs: 30 * minute }]])
    turned.due()
    expect(turned.checks).toHaveLength(2)
  })

  it('proves sooner after failures, and in the interval again after a success', async () => {
    const turned = new Turned()
    turned.schedule.published()
    for (const result of [bad, bad, good, bad]) {
      turned.due()
      await turned.finish(result)
    }
    expect(turned.armed).toEqual([5000, minute, 2 * minute, 30 * minute, minute])
    expect(turned.taken.map(([, { failures }]) => failures)).toEqual([1, 2, 0, 1])
  })

  it('calls a result off with the tor whose service it proves, and begins again with the next tor', async () => {
    const turned = new Turned()
    turned.schedule.published()
    turned.due()
    await turned.schedule.lost()
    expect(turned.checks[0]?.signal.aborted).toBe(true)
    expect([turned.isArmed, turned.taken, turned.errors]).toEqual([false, [], []])
    turned.schedule.published()
    expect(turned.armed).toEqual([5000, 5000])
    await turned.schedule.lost()
    expect(turned.isArmed).toBe(false)
  })

  it('goes on after a result that broke off', async () => {
    const turned = new Turned()
    turned.schedule.published()
    turned.due()
    const error = new Error('a bug')
    await turned.finish(error)
    expect([turned.errors, turned.taken, turned.isArmed]).toEqual([[error], [], true])
  })
})
