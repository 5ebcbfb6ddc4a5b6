import type { StoreCounts } from '../store.ts'

/** Counting takes at most this share of the time, however often somebody asks. */
const SHARE = 1 / 20
/** What takes less than this is done whenever somebody asks, milliseconds. */
const QUICK_MS = 100

/** Counts of tables, which take long to count when they are large, and are kept for as long as that justifies. */
export class KeptCounts {
  readonly #count: () => StoreCounts | Promise<StoreCounts>
  #kept: { readonly counts: StoreCounts; readonly untilMs: number } | undefined
  #counting: Promise<StoreCounts> | undefined

  constructor(count: () => StoreCounts | Promise<StoreCounts>) {
    this.#count = count
  }

  now(): Promise<StoreCounts> {
    if (this.#kept !== undefined && performance.now() < this.#kept.untilMs) return Promise.resolve(this.#kept.counts)
    this.#counting ??= this.#take().finally(() => {
      this.#counting = undefined
    })
    return this.#counting
  }

  async #take(): Promise<StoreCounts> {
    const beganMs = performance.now()
    const counts = await this.#count()
    const nowMs = performance.now()
    if (nowMs - beganMs > QUICK_MS) this.#kept = { counts, untilMs: nowMs + (nowMs - beganMs) / SHARE }
    return counts
  }
}
