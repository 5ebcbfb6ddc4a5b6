import { performance } from 'node:perf_hooks'

/** Something with received blocks to work on. */
export interface Worker {
  /** Works on one received block; false when none is left. */
  work(): boolean
}

interface Entry {
  readonly worker: Worker
  /** Milliseconds of processor time used lately; halves every `HALF_LIFE_MS`. */
  recentMs: number
  stampMs: number
  queued: boolean
}

/** Time that blocks may take before sockets get their turn. */
const TURN_MS = 4
const HALF_LIFE_MS = 250
/** A connection that used less than this lately goes before the ones that use more. */
const LIGHT_MS = 5

/**
 * Shares the processor between connections: one block at a time each, those that asked for little lately first, so that
 * a flood on some connections delays the others by a few blocks and not by the whole flood.
 */
export class Scheduler {
  private readonly entries = new Map<Worker, Entry>()
  private light: Entry[] = []
  private busy: Entry[] = []
  private scheduled = false
  /** Asked before every block; while it answers with a promise no block is taken, until the promise settles. */
  private readonly hold: () => Promise<unknown> | undefined

  /** Milliseconds, from any beginning. */
  private readonly now: () => number

  constructor(hold: () => Promise<unknown> | undefined = () => undefined, now: () => number = () => performance.now()) {
    this.hold = hold
    this.now = now
  }

  add(worker: Worker): void {
    this.entries.set(worker, { worker, recentMs: 0, stampMs: this.now(), queued: false })
  }

  remove(worker: Worker): void {
    this.entries.delete(worker)
  }

  /** Counts work that was done for `worker` outside of its turns. */
  charge(worker: Worker, ms: number): void {
    const entry = this.entries.get(worker)
    if (entry !== undefined) entry.recentMs += ms
  }

  /** Says that `worker` has received a block. */
  wake(worker: Worker): void {
    const entry = this.entries.get(worker)
    if (entry === undefined || entry.queued) return
    this.enqueue(entry, this.now())
    this.schedule()
  }

  private enqueue(entry: Entry, nowMs: number): void {
    entry.recentMs *= 0.5 ** ((nowMs - entry.stampMs) / HALF_LIFE_MS)
    entry.stampMs = nowMs
    entry.queued = true
    if (entry.recentMs < LIGHT_MS) this.light.push(entry)
    else this.busy.push(entry)
  }

  private schedule(): void {
    if (this.scheduled || (this.light.length === 0 && this.busy.length === 0)) return
    this.scheduled = true
    setImmediate(() => {
      const wait = this.hold()
      if (wait === undefined) this.turn()
      else wait.then(this.resume, this.resume)
    })
  }

  private readonly resume = (): void => {
    this.turn()
  }

  /** All light connections get one block; the busy ones share what is left of the turn, and never less than one block. */
  private turn(): void {
    this.scheduled = false
    const light = this.light
    const busy = this.busy
    this.light = []
    this.busy = []
    const endMs = this.now() + TURN_MS
    let nowMs = 0
    for (const entry of light) nowMs = this.serve(entry)
    let served = 0
    for (const entry of busy) {
      if (served > 0 && nowMs > endMs) this.busy.push(entry)
      else {
        nowMs = this.serve(entry)
        served++
      }
    }
    this.schedule()
  }

  private serve(entry: Entry): number {
    entry.queued = false
    const beganMs = this.now()
    if (!this.entries.has(entry.worker)) return beganMs
    const more = entry.worker.work()
    const nowMs = this.now()
    entry.recentMs += nowMs - beganMs
    if (more) this.enqueue(entry, nowMs)
    return nowMs
  }
}
