import { describe, expect, it } from 'vitest'
import { Scheduler, type Worker } from '../../../src/server/scheduler.ts'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
const turns = async (count: number): Promise<void> => {
  for (let i = 0; i < count; i++) await turn()
}

/** Milliseconds that only work makes pass. */
let clockMs = 0
const now = (): number => clockMs

interface TestWorker extends Worker {
  left: number
  usedMs: number
}

/** A worker with `steps` steps of `ms` milliseconds each, writing its name into `log` for every slice of them. */
function worker(name: string, steps: number, ms: number, log: string[]): TestWorker {
  return {
    left: steps,
    usedMs: 0,
    work(untilMs) {
      log.push(name)
      while (this.left > 0) {
        this.left--
        clockMs += ms
        this.usedMs += ms
        if (clockMs >= untilMs) break
      }
      return this.left > 0
    },
    read: () => log.push(`read ${name}`),
  }
}

function scheduled(...workers: readonly Worker[]): Scheduler {
  const scheduler = new Scheduler(now)
  for (const one of workers) scheduler.add(one)
  for (const one of workers) scheduler.wake(one)
  return scheduler
}

describe('the scheduler', () => {
  it('works off everything that a woken connection has to do', async () => {
    const one = worker('a', 100, 1, [])
    scheduled(one)
    await turns(100)
    expect(one.left).toBe(0)
  })

  it('does nothing for a connection that was not woken, or was removed', async () => {
    const log: string[] = []
    const [idle, removed] = [worker('idle', 1, 1, log), worker('removed', 1, 1, log)]
    const scheduler = new Scheduler(now)
    scheduler.add(idle)
    scheduler.add(removed)
    scheduler.wake(removed)
    scheduler.remove(removed)
    await turns(3)
    expect(log).toEqual([])
  })

  it('begins with the connection that was woken first, of those that used the same', async () => {
    const log: string[] = []
    scheduled(worker('a', 2, 0, log), worker('b', 2, 0, log), worker('c', 2, 0, log))
    await turn()
    expect(log).toEqual(['a', 'b', 'c'])
  })

  it('lets no connection work longer than a slice, and no turn last longer than two slices', async () => {
    const log: string[] = []
    scheduled(worker('a', 1000, 0.5, log), worker('b', 1000, 0.5, log), worker('c', 1000, 0.5, log))
    const beganMs = clockMs
    await turn()
    expect(log).toEqual(['a', 'b'])
    expect(clockMs - beganMs).toBe(2)
  })

  it('serves a connection that asks for little before a hundred that flood', async () => {
    const log: string[] = []
    const floods = Array.from({ length: 100 }, () => worker('flood', 10_000, 1, log))
    const scheduler = scheduled(...floods)
    const quiet = worker('quiet', 1, 0.1, log)
    scheduler.add(quiet)
    await turns(200)
    for (let round = 0; round < 20; round++) {
      quiet.left = 1
      log.length = 0
      scheduler.wake(quiet)
      await turn()
      expect(log[0]).toBe('quiet')
      await turns(3)
    }
  })

  it('serves a connection that asks for little before new ones that flood at once', async () => {
    const log: string[] = []
    const quiet = worker('quiet', 1, 0.1, log)
    const scheduler = scheduled(quiet)
    await turns(2)
    clockMs += 1000
    for (let i = 0; i < 100; i++) {
      const flood = worker('flood', 1000, 1, log)
      scheduler.add(flood)
      scheduler.wake(flood)
    }
    quiet.left = 1
    log.length = 0
    scheduler.wake(quiet)
    await turn()
    expect(log[0]).toBe('quiet')
  })

  it('gives connections that ask for everything the same share, whatever their steps cost', async () => {
    const log: string[] = []
    const workers = [0.1, 0.5, 2, 6].map((ms) => worker(String(ms), 1_000_000, ms, log))
    scheduled(...workers)
    await turns(2000)
    const total = workers.reduce((sum, { usedMs }) => sum + usedMs, 0)
    for (const { usedMs } of workers) expect(usedMs / total).toBeCloseTo(1 / 4, 1)
  })

  it('starves no connection that floods while others ask for little', async () => {
    const log: string[] = []
    const flood = worker('flood', 1_000_000, 1, log)
    const quiet = Array.from({ length: 50 }, () => worker('quiet', 1, 0.1, log))
    const scheduler = scheduled(flood, ...quiet)
    for (let round = 0; round < 100; round++) {
      for (const one of quiet) {
        one.left = 1
        scheduler.wake(one)
      }
      await turns(3)
    }
    expect(flood.usedMs).toBeGreaterThan(100)
  })

  it('forgets in time what a connection has used', async () => {
    const log: string[] = []
    const [before, other] = [worker('before', 100, 1, log), worker('other', 4, 1, log)]
    const scheduler = scheduled(before)
    await turns(60)
    clockMs += 5000
    scheduler.add(other)
    scheduler.wake(other)
    await turns(10)
    before.left = 1
    other.left = 1
    log.length = 0
    scheduler.wake(other)
    scheduler.wake(before)
    await turn()
    expect(log[0]).toBe('before')
  })

  it('counts work outside of turns', async () => {
    const log: string[] = []
    const [charged, other] = [worker('charged', 1, 0, log), worker('other', 1, 0, log)]
    const scheduler = new Scheduler(now)
    scheduler.add(charged)
    scheduler.add(other)
    scheduler.charge(charged, 10)
    scheduler.wake(charged)
    scheduler.wake(other)
    await turn()
    expect(log).toEqual(['other', 'charged'])
  })

  it('reads from a connection at once while the processor has time', () => {
    const log: string[] = []
    const one = worker('a', 0, 0, log)
    const scheduler = new Scheduler(now)
    scheduler.add(one)
    scheduler.admit(one)
    expect(log).toEqual(['read a'])
  })

  it('reads from connections in turn while the processor is short, from those first that used least', async () => {
    const log: string[] = []
    const floods = Array.from({ length: 40 }, (_, index) => worker(`f${index}`, 10_000, 1, log))
    const quiet = worker('quiet', 0, 0, log)
    const scheduler = scheduled(...floods, quiet)
    await turns(100)
    expect(scheduler.isShort).toBe(true)
    log.length = 0
    for (const one of [...floods, ...floods, quiet]) scheduler.admit(one)
    expect(log).toEqual([])
    await turn()
    const reads = (): string[] => log.filter((entry) => entry.startsWith('read'))
    expect(reads()).toHaveLength(16)
    expect(reads()[0]).toBe('read quiet')
    await turns(2)
    expect(reads()).toHaveLength(41)
  })
})
