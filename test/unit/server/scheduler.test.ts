import { describe, expect, it } from 'vitest'
import { Scheduler, type Worker } from '../../../src/server/scheduler.ts'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** Milliseconds that only work makes pass. */
let clockMs = 0
const now = (): number => clockMs

/** A worker with `blocks` blocks of `ms` milliseconds each, writing its name into `log` for every one. */
function worker(name: string, blocks: number, ms: number, log: string[]): Worker {
  let left = blocks
  return {
    work() {
      if (left === 0) return false
      left--
      clockMs += ms
      log.push(name)
      return left > 0
    },
    read: () => log.push(`read ${name}`),
  }
}

/** A worker that has just used much of the processor. */
async function busyWorker(name: string, scheduler: Scheduler, log: string[]): Promise<Worker> {
  const one = worker(name, 1, 20, log)
  scheduler.add(one)
  scheduler.wake(one)
  while (!log.includes(name)) await turn()
  return one
}

describe('the scheduler', () => {
  it('works off everything that a woken connection has received', async () => {
    const log: string[] = []
    const scheduler = new Scheduler(undefined, now)
    const one = worker('a', 3, 0, log)
    scheduler.add(one)
    scheduler.wake(one)
    for (let i = 0; i < 5; i++) await turn()
    expect(log).toEqual(['a', 'a', 'a'])
  })

  it('takes one block of each connection in turn', async () => {
    const log: string[] = []
    const scheduler = new Scheduler(undefined, now)
    const workers = ['a', 'b', 'c'].map((name) => worker(name, 2, 0, log))
    for (const one of workers) {
      scheduler.add(one)
      scheduler.wake(one)
    }
    for (let i = 0; i < 4; i++) await turn()
    expect(log.slice(0, 3)).toEqual(['a', 'b', 'c'])
    expect(log.slice(3)).toEqual(['a', 'b', 'c'])
  })

  it('serves a connection that asks for little before those that flood', async () => {
    const log: string[] = []
    const scheduler = new Scheduler(undefined, now)
    const floods = Array.from({ length: 20 }, () => worker('flood', 50, 2, log))
    for (const one of floods) {
      scheduler.add(one)
      scheduler.wake(one)
    }
    while (log.length < 100) await turn()
    const quiet = worker('quiet', 1, 0, log)
    scheduler.add(quiet)
    const before = log.length
    scheduler.wake(quiet)
    while (!log.includes('quiet')) await turn()
    expect(log.indexOf('quiet') - before).toBeLessThanOrEqual(5)
  })

  it('never starves the connections that flood', async () => {
    const log: string[] = []
    const scheduler = new Scheduler(undefined, now)
    const flood = worker('flood', 1000, 6, log)
    scheduler.add(flood)
    scheduler.wake(flood)
    while (log.length < 3) await turn()
    const quiet = Array.from({ length: 50 }, () => worker('quiet', 1000, 0.1, log))
    for (const one of quiet) {
      scheduler.add(one)
      scheduler.wake(one)
    }
    log.length = 0
    for (let i = 0; i < 4; i++) await turn()
    expect(log.filter((name) => name === 'flood').length).toBeGreaterThanOrEqual(2)
  })

  it('reads at once from a connection that asked for little', () => {
    const log: string[] = []
    const scheduler = new Scheduler(undefined, now)
    const one = worker('a', 0, 0, log)
    scheduler.add(one)
    scheduler.admit(one)
    expect(log).toEqual(['read a'])
  })

  it('reads from connections that flood in turn, from a few at a time', async () => {
    const log: string[] = []
    const scheduler = new Scheduler(undefined, now)
    const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i']
    const floods = await Promise.all(names.map((name) => busyWorker(name, scheduler, log)))
    log.length = 0
    for (const flood of floods) scheduler.admit(flood)
    for (const flood of floods) scheduler.admit(flood)
    expect(log).toEqual([])
    await turn()
    expect(log).toEqual(['read a', 'read b', 'read c', 'read d'])
    await turn()
    await turn()
    await turn()
    expect(log).toEqual(names.map((name) => `read ${name}`))
  })

  it('counts as busy what used much lately, and no longer when time has passed', async () => {
    const log: string[] = []
    const scheduler = new Scheduler(undefined, now)
    const one = await busyWorker('a', scheduler, log)
    expect(scheduler.isBusy(one)).toBe(true)
    clockMs += 2000
    expect(scheduler.isBusy(one)).toBe(false)
  })

  it('does nothing for a connection that was removed', async () => {
    const log: string[] = []
    const scheduler = new Scheduler(undefined, now)
    const one = worker('a', 3, 0, log)
    const flood = await busyWorker('flood', scheduler, log)
    log.length = 0
    scheduler.add(one)
    scheduler.wake(one)
    scheduler.admit(flood)
    scheduler.remove(one)
    scheduler.remove(flood)
    await turn()
    await turn()
    expect(log).toEqual([])
  })

  it('waits while it is held, and goes on afterwards', async () => {
    const log: string[] = []
    let release: () => void = () => undefined
    let held: Promise<void> | undefined = new Promise((resolve) => (release = resolve))
    const scheduler = new Scheduler(() => held, now)
    const one = worker('a', 1, 0, log)
    scheduler.add(one)
    scheduler.wake(one)
    await turn()
    await turn()
    expect(log).toEqual([])
    held = undefined
    release()
    await turn()
    await turn()
    expect(log).toEqual(['a'])
  })
})
