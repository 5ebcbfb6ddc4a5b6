import type { CheckResult } from './check.ts'
import type { CheckFault } from './faults.ts'

/*
 * When the next proof is due: soon after the service was published, then in its interval, and sooner after a failure.
 */

export interface CheckScheduleOptions {
  readonly intervalMs: number
  /** From the publication to the first proof; a few seconds when absent. */
  readonly firstMs?: number | undefined
  readonly prove: (signal: AbortSignal) => Promise<CheckResult>
  readonly onCheck: (proof: CheckResult, next: NextCheck) => void
  /** A bug, since what a proof finds is a value; the schedule goes on. */
  readonly onError: (error: unknown) => void
  /** 0 ≤ x < 1. */
  readonly random?: () => number
  /** Runs `act` after `ms`; returns what prevents it. */
  readonly after?: (ms: number, act: () => void) => () => void
}

export interface NextCheck {
  /** Failed proofs in a row, this one included. */
  readonly failures: number
  readonly inMs: number
}

const soonMs = 5000
const firstRetryMs = 60_000
const jitter = 0.2

/** Milliseconds to the next proof: the interval, or after failures a minute and doubling, each ±20 %. */
export function checkDelay(intervalMs: number, failures: number, random: () => number): number {
  const base = failures === 0 ? intervalMs : Math.min(intervalMs, firstRetryMs * 2 ** (failures - 1))
  return jittered(base, random)
}

/**
 * Whether giving the service to its tor anew may help: it is published again, with the right ports. Connections through
 * it outlive that. What is wrong in front of the service it does not mend.
 */
export function callsForRenewal({ step, code }: CheckFault): boolean {
  return step !== 'tor' && code !== 'SOCKS_UNAVAILABLE'
}

/** One proof at a time, none while the service is not in the network. */
export class CheckSchedule {
  readonly #options: CheckScheduleOptions
  readonly #random: () => number
  readonly #after: (ms: number, act: () => void) => () => void
  #cancel: (() => void) | undefined
  #running: { readonly abort: AbortController; readonly ended: Promise<void> } | undefined
  #failures = 0

  constructor(options: CheckScheduleOptions) {
    this.#options = options
    this.#random = options.random ?? Math.random
    this.#after = options.after ?? afterTimeout
  }

  /** The network has the service; nothing changes when it had it already. */
  published(): void {
    if (this.#cancel || this.#running) return
    const { firstMs = soonMs, intervalMs } = this.#options
    this.#arm(Math.min(firstMs, intervalMs))
  }

  /** There is no tor with the service any more. Resolves when nothing of a proof is left. */
  async lost(): Promise<void> {
    this.#cancel?.()
    this.#cancel = undefined
    this.#running?.abort.abort()
    await this.#running?.ended
  }

  #arm(ms: number): void {
    this.#cancel = this.#after(ms, () => {
      this.#cancel = undefined
      const abort = new AbortController()
      this.#running = { abort, ended: this.#prove(abort.signal) }
    })
  }

  async #prove(signal: AbortSignal): Promise<void> {
    const { prove, onCheck, onError, intervalMs } = this.#options
    let proof: CheckResult | undefined
    try {
      proof = await prove(signal)
    } catch (error) {
      if (!signal.aborted) onError(error)
    }
    this.#running = undefined
    if (signal.aborted) return
    this.#failures = proof && !proof.fault ? 0 : this.#failures + 1
    const inMs = checkDelay(intervalMs, this.#failures, this.#random)
    this.#arm(inMs)
    if (proof) onCheck(proof, { failures: this.#failures, inMs })
  }
}

function jittered(ms: number, random: () => number): number {
  return Math.round(ms * (1 - jitter + 2 * jitter * random()))
}

function afterTimeout(ms: number, act: () => void): () => void {
  const timer = setTimeout(act, ms)
  timer.unref()
  return () => clearTimeout(timer)
}
