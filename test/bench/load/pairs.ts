import { setTimeout as sleep } from 'node:timers/promises'
import type { RelayAddress } from '../../client/connection.ts'
import { openLine, Pair, type PairOptions } from './pair.ts'

export interface PairCounts {
  readonly atMs: number
  /** Messages that were sent, received and acknowledged. */
  readonly completed: number
  readonly blocksSent: number
  readonly bytesReceived: number
}

export interface Latencies {
  /** Milliseconds from SEND to its OK, which means durable. */
  readonly stored: readonly number[]
  /** Milliseconds from SEND to MSG. */
  readonly received: readonly number[]
}

interface PairsOptions extends PairOptions {
  readonly count: number
  readonly lines?: number
  readonly relays?: readonly RelayAddress[]
}

let pairs: Pair[] = []
let completed = 0
let stored: number[] = []
let received: number[] = []
let stopLoad = (): void => undefined

const record = (acknowledged: (pair: Pair) => void): void => {
  for (const pair of pairs) {
    pair.events = {
      stored: (ms) => stored.push(ms),
      received: (ms) => received.push(ms),
      acknowledged: () => {
        completed++
        acknowledged(pair)
      },
    }
  }
}

/** Pairs of a sender and a recipient, and the loads that they make. */
export const pairCalls = {
  /**
   * @param lines over how many connections; two for each pair when absent
   * @param relays all relays of the same queues: senders and recipients are spread over them, each with each
   */
  async openPairs({ count, lines, relays, ...options }: PairsOptions): Promise<void> {
    if (relays !== undefined) {
      const at = (index: number): RelayAddress => relays[index % relays.length] ?? options.address
      for (let index = 0; index < count; index++) {
        const [from, to] = [at(index), at(Math.floor(index / relays.length))]
        pairs.push(await Pair.open(options, [await openLine(from), await openLine(to)]))
      }
      return
    }
    const shared = await Promise.all(Array.from({ length: lines ?? 0 }, () => openLine(options.address)))
    for (let index = 0; index < count; index++) {
      const [from, to] = [shared[(2 * index) % shared.length], shared[(2 * index + 1) % shared.length]]
      pairs.push(await Pair.open(options, from && to && [from, to]))
    }
  },

  /** Keeps `window` messages of each pair under way. */
  pump({ window }: { window: number }): void {
    let running = true
    stopLoad = () => (running = false)
    record((pair) => {
      if (running) pair.send()
    })
    for (const pair of pairs) for (let index = 0; index < window; index++) pair.send()
  },

  /** Sends at this rate over all pairs in turn, whatever comes back. */
  pace({ perSecond }: { perSecond: number }): void {
    record(() => undefined)
    const beganMs = performance.now()
    let sent = 0
    const timer = setInterval(() => {
      const due = ((performance.now() - beganMs) / 1000) * perSecond
      for (; sent < due; sent++) {
        const pair = pairs[sent % pairs.length]
        // The queue takes 128; a relay that is this late is not measured any better by more messages.
        if (pair && pair.inFlight < 100) pair.send()
      }
    }, 1)
    stopLoad = () => clearInterval(timer)
  },

  /** Each pair sends a message, waits until it is acknowledged, rests, and sends the next. */
  alternate({ restMs }: { restMs: number }): void {
    let running = true
    stopLoad = () => (running = false)
    const next = (pair: Pair): void => {
      if (running) pair.send()
    }
    record((pair) => {
      if (restMs > 0) setTimeout(next, restMs, pair)
      else next(pair)
    })
    for (const pair of pairs) setTimeout(next, Math.random() * restMs, pair)
  },

  pairCounts(): PairCounts {
    let blocksSent = 0
    let bytesReceived = 0
    for (const pair of pairs) {
      blocksSent += pair.blocksSent
      bytesReceived += pair.bytesReceived
    }
    return { atMs: performance.timeOrigin + performance.now(), completed, blocksSent, bytesReceived }
  },

  /** What was measured since the last call. */
  takeLatencies(): Latencies {
    const latencies = { stored, received }
    stored = []
    received = []
    return latencies
  },

  /** Messages that are under way. */
  underWay(): number {
    return pairs.reduce((sum, pair) => sum + pair.inFlight, 0)
  },

  /** Sends nothing more and waits for what is under way. */
  async stopPairs(): Promise<void> {
    stopLoad()
    for (let waits = 0; waits < 200 && pairs.some((pair) => pair.inFlight > 0); waits++) await sleep(10)
  },

  async closePairs(): Promise<void> {
    const open = pairs
    pairs = []
    await Promise.all(open.map((pair) => pair.close()))
  },
}
