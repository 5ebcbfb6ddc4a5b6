import type { CheckResult } from './check.ts'
import type { CheckFault } from './faults.ts'

/*
 * When the next check is due: soon after the service was published, then after its interval, and sooner after a failure.
 */

export interface CheckScheduleOptions {
  readonly intervalMs: number
  /** From the publication to the first check; a few seconds when absent. */
  readonly firstMs?: number | undefined
  readonly check: (signal: AbortSignal) => Promise<CheckResult>
  readonly onCheck: (result: CheckResult, next: NextCheck) => void
  /** A bug, since what a check finds is a value; the schedule continues. */
  readonly onError: (error: unknown) => void
  /** 0 ≤ x < 1. */
  readonly random?: () => number
  /** Runs `act` after `ms`; returns a function that cancels it. */
  readonly after?: (ms: number, act: () => void) => () => void
}

export interface NextCheck {
  /** Failed checks in a row, including this one. */
  readonly failures: number
  readonly inMs: number
}

const FIRST_MS = 5000
const FIRST_RETRY_MS = 60_000
const JITTER = 0.2

/** Milliseconds to the next check: the interval, or after failures a minute and doubling, each ±20 %. */
export function checkDelay(intervalMs: number, failures: number, random: () => number): number {
  const base = failures === 0 ? intervalMs : Math.min(intervalMs, FIRST_RETRY_MS * 2 ** (failures - 1))
  return jittered(base, random)
}

/**
 * Whether adding the service to its tor again may help: it is published again, with the right ports. Connections through
 * it survive that. It does not help when the check itself could not reach the Tor network.
 */
export function callsForRenewal({ step, code }: CheckFault): boolean {
  return step !== 'tor' && code !== 'SOCKS_UNAVAILABLE'
}

/** One check at a time, none while the service is not published. */
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

  /** The service is published; calling it again changes nothing. */
  published(): void {
    if (this.#cancel || this.#running) return
    const { firstMs = FIRST_MS, intervalMs } = this.#options
    this.#arm(Math.min(firstMs, intervalMs))
  }

  /** Something has changed that the next check would show: it runs at once, unless one is running or none is due. */
  hurry(): void {
    if (!this.#cancel) return
    this.#cancel()
    this.#arm(0)
  }

  /** No tor has the service any more. Resolves when no check is running. */
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
      this.#running = { abort, ended: this.#check(abort.signal) }
    })
  }

  async #check(signal: AbortSignal): Promise<void> {
    const { check, onCheck, onError, intervalMs } = this.#options
    let result: CheckResult | undefined
    try {
      result = await check(signal)
    } catch (error) {
      if (!signal.aborted) onError(error)
    }
    this.#running = undefined
    if (signal.aborted) return
    this.#failures = result && !result.fault ? 0 : this.#failures + 1
    const inMs = checkDelay(intervalMs, this.#failures, this.#random)
    this.#arm(inMs)
    if (result) onCheck(result, { failures: this.#failures, inMs })
  }
}

function jittered(ms: number, random: () => number): number {
  return Math.round(ms * (1 - JITTER + 2 * JITTER * random()))
}

function afterTimeout(ms: number, act: () => void): () => void {
  const timer = setTimeout(act, ms)
  timer.unref()
  return () => clearTimeout(timer)
}
