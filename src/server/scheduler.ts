import { performance } from 'node:perf_hooks'

/** A connection, as far as the processor is concerned. */
export interface Worker {
  /** Works on one received block; false when none is left. */
  work(): boolean
  /** Lets in what its client sends next. */
  read(): void
}

interface Entry {
  readonly worker: Worker
  /** Milliseconds of processor time used lately; halves every `HALF_LIFE_MS`. */
  recentMs: number
  stampMs: number
  /** It has a place in line to be worked on. */
  queued: boolean
  /** It has a place in line to be read from. */
  asking: boolean
}

/** Time that the blocks of busy connections may take before sockets get their turn. */
const TURN_MS = 1
/** Busy connections that are let in for their next block between two turns of the sockets. */
const READS_PER_TURN = 4
const HALF_LIFE_MS = 250
/** A connection is busy while it has used more than this lately. */
const LIGHT_MS = 2

/**
 * Shares the processor between connections. Those that asked for little lately are read from and worked on at once; the
 * busy ones take turns, one block each, and are not even read from before it is their turn: taking bytes from a socket
 * and decrypting them costs as much as what they ask for. So a flood on some connections delays the others by a few
 * blocks and not by the whole flood, and alone it still has all of the processor.
 */
export class Scheduler {
  private readonly entries = new Map<Worker, Entry>()
  private light: Entry[] = []
  private busy: Entry[] = []
  /** Busy ones that want to be read from, in the order in which they asked. */
  private readonly readers: Entry[] = []
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
    this.entries.set(worker, { worker, recentMs: 0, stampMs: this.now(), queued: false, asking: false })
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

  /** Whether `worker` has to take turns with others that ask for much. */
  isBusy(worker: Worker): boolean {
    const entry = this.entries.get(worker)
    return entry !== undefined && isBusy(entry, this.now())
  }

  /** Has `worker` read: at once, or when it is its turn. */
  admit(worker: Worker): void {
    const entry = this.entries.get(worker)
    if (entry === undefined || entry.asking) return
    if (!isBusy(entry, this.now())) {
      worker.read()
      return
    }
    entry.asking = true
    this.readers.push(entry)
    this.schedule()
  }

  private enqueue(entry: Entry, nowMs: number): void {
    entry.queued = true
    if (isBusy(entry, nowMs)) this.busy.push(entry)
    else this.light.push(entry)
  }

  private schedule(): void {
    if (this.scheduled || (this.light.length === 0 && this.busy.length === 0 && this.readers.length === 0)) return
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
    for (const entry of this.readers.splice(0, READS_PER_TURN)) {
      entry.asking = false
      if (this.entries.has(entry.worker)) entry.worker.read()
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

function isBusy(entry: Entry, nowMs: number): boolean {
  entry.recentMs *= 0.5 ** ((nowMs - entry.stampMs) / HALF_LIFE_MS)
  entry.stampMs = nowMs
  return entry.recentMs >= LIGHT_MS
}
