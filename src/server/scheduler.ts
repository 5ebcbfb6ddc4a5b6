import { performance } from 'node:perf_hooks'
import { Heap } from './heap.ts'

/** A connection, or work of the relay itself, as far as the processor is concerned. */
export interface Worker {
  /**
   * Works until there is nothing left to do, or until the time (of the scheduler's clock, milliseconds) has come and what
   * cannot be interrupted is done. Whether there is more to do.
   */
  work(untilMs: number): boolean
  /** Lets in what its client sends next. */
  read?(): void
}

interface Entry {
  readonly worker: Worker
  /** See {@link used}. */
  usage: number
  /** It is in line to be worked on. */
  queued: boolean
  /** It is in line to be read from. */
  reading: boolean
}

/** One worker's share of a turn at most, milliseconds. */
const SLICE_MS = 1
/** Work in one turn before sockets and timers get theirs, milliseconds. */
const TURN_MS = 2
/** Connections that are let in for their next block between two turns, while the processor is short. */
const READS_PER_TURN = 16
/** After this time processor time counts half. */
const HALF_LIFE_MS = 250
/** What a new worker counts as having used: about as much as its handshake took, so that reconnecting gains nothing. */
const INITIAL_MS = 2

/**
 * Shares the processor between connections. The one that has used least lately is next, and works for a few milliseconds
 * at most before it is compared with the others again: while there is enough for all, everyone is served at once; while
 * there is not, everyone gets the same share, and whoever wants less than that waits for a few milliseconds at most.
 *
 * Taking bytes from a socket and decrypting them is work that cannot be put off, so while the processor is short clients
 * are not read from ahead of their turn.
 */
export class Scheduler {
  readonly #entries = new Map<Worker, Entry>()
  readonly #queue = new Heap<Entry>()
  readonly #readers = new Heap<Entry>()
  readonly #now: () => number
  #scheduled = false
  /** The last turn ended before all work was done. */
  #isShort = false

  /** @param now milliseconds from any beginning */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  /** Whether clients have to wait for their turn to be read from. */
  get isShort(): boolean {
    return this.#isShort
  }

  add(worker: Worker): void {
    const usage = used(-Infinity, INITIAL_MS, this.#now())
    this.#entries.set(worker, { worker, usage, queued: false, reading: false })
  }

  remove(worker: Worker): void {
    this.#entries.delete(worker)
  }

  /** Counts work that was done for `worker` outside of its turns. */
  charge(worker: Worker, ms: number): void {
    const entry = this.#entries.get(worker)
    if (entry !== undefined) entry.usage = used(entry.usage, ms, this.#now())
  }

  /** Says that `worker` has something to do. */
  wake(worker: Worker): void {
    const entry = this.#entries.get(worker)
    if (entry === undefined || entry.queued) return
    entry.queued = true
    this.#queue.push(entry, entry.usage)
    this.#schedule()
  }

  /** Has `worker` read: at once, or in its turn while the processor is short. */
  admit(worker: Worker): void {
    if (!this.#isShort) {
      worker.read?.()
      return
    }
    const entry = this.#entries.get(worker)
    if (entry === undefined || entry.reading) return
    entry.reading = true
    this.#readers.push(entry, entry.usage)
    this.#schedule()
  }

  #schedule(): void {
    if (this.#scheduled || (this.#queue.size === 0 && this.#readers.size === 0)) return
    this.#scheduled = true
    setImmediate(this.#turn)
  }

  readonly #turn = (): void => {
    this.#scheduled = false
    let nowMs = this.#now()
    const endMs = nowMs + TURN_MS
    let entry: Entry | undefined
    while (nowMs < endMs && (entry = this.#queue.pop()) !== undefined) nowMs = this.#serve(entry, nowMs)
    this.#isShort = this.#queue.size > 0
    const reads = this.#isShort ? READS_PER_TURN : Infinity
    for (let count = 0; count < reads && (entry = this.#readers.pop()) !== undefined; count++) {
      entry.reading = false
      if (this.#entries.has(entry.worker)) entry.worker.read?.()
    }
    this.#schedule()
  }

  #serve(entry: Entry, beganMs: number): number {
    entry.queued = false
    if (!this.#entries.has(entry.worker)) return beganMs
    const more = entry.worker.work(beganMs + SLICE_MS)
    const nowMs = this.#now()
    entry.usage = used(entry.usage, nowMs - beganMs, nowMs)
    if (more) this.wake(entry.worker)
    return nowMs
  }
}

/**
 * Adds `ms` of processor time to the time used lately, which halves every {@link HALF_LIFE_MS}. Kept as the logarithm of
 * what it would grow to if it doubled instead, from time 0 on: all workers' values fade alike, so their order stays the
 * same as time passes, and nothing has to be recomputed.
 */
function used(usage: number, ms: number, nowMs: number): number {
  const added = Math.log2(Math.max(ms, 0.001)) + nowMs / HALF_LIFE_MS
  const [less, more] = usage < added ? [usage, added] : [added, usage]
  return more + Math.log2(1 + 2 ** (less - more))
}
