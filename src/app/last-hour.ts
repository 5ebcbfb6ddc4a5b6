import type { Logger } from '../config/log.ts'
import { every } from '../server/timer.ts'

const MINUTE_MS = 60_000
const MINUTES = 60

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

  /** Ends a minute. A counter that went back has begun anew. */
  add(): void {
    const counted = this.#count()
    this.#minutes.push(counted < this.#counted ? counted : counted - this.#counted)
    this.#counted = counted
    if (this.#minutes.length > MINUTES) this.#minutes.shift()
  }

  /** At most 60 numbers, the oldest first. */
  get perMinute(): readonly number[] {
    return this.#minutes
  }
}
