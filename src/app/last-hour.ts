import type { Logger } from '../config/log.ts'
import { every } from '../server/timer.ts'

const MINUTE_MS = 60_000
const MINUTES = 60

/** How much a counter grew; one that went back has begun anew, as all do at midnight when there is a daily line. */
export function counterGrowth(before: number, now: number): number {
  return now < before ? now : now - before
}

/** How much a counter grew in each of the last 60 minutes; in memory only. */
export class LastHour {
  readonly #count: () => number
  readonly #minutes: number[] = []
  #counted: number

  constructor(count: () => number) {
    this.#count = count
    this.#counted = count()
  }

  /** Counts every minute until stopped. */
  begin(log: Logger): { stop(): void } {
    return every(MINUTE_MS, log, () => this.add())
  }

  /** Ends a minute. */
  add(): void {
    const counted = this.#count()
    this.#minutes.push(counterGrowth(this.#counted, counted))
    this.#counted = counted
    if (this.#minutes.length > MINUTES) this.#minutes.shift()
  }

  /** At most 60 numbers, the oldest first. */
  get perMinute(): readonly number[] {
    return this.#minutes
  }
}
