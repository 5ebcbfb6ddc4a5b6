import { performance } from 'node:perf_hooks'
import type { Logger } from '../config/log.ts'
import type { Scheduler, Worker } from './scheduler.ts'

interface Walk {
  readonly steps: Iterator<unknown>
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/**
 * Long work of the relay itself, in short steps: one walk after the other, with the same share of the processor as a
 * connection.
 */
export class Background implements Worker {
  readonly #scheduler: Scheduler
  readonly #walks: Walk[] = []

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler
    scheduler.add(this)
  }

  /** Runs an iterator to its end, after those that were added before; resolves when it is done. */
  run(steps: Iterator<unknown>): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#walks.push({ steps, resolve, reject })
      this.#scheduler.wake(this)
    })
  }

  /** {@link run}, with a failure in the log. */
  start(steps: Iterator<unknown>, log: Logger): void {
    this.run(steps).catch((error: unknown) => log.error('a background task failed', { error }))
  }

  work(untilMs: number): boolean {
    for (;;) {
      const [walk] = this.#walks
      if (walk === undefined) return false
      this.#step(walk)
      if (performance.now() >= untilMs) return this.#walks.length > 0
    }
  }

  #step({ steps, resolve, reject }: Walk): void {
    try {
      if (steps.next().done !== true) return
      resolve()
    } catch (error) {
      reject(error)
    }
    this.#walks.shift()
  }
}
