import type { Logger } from '../../config/log.ts'
import type { PresentState } from './state.ts'
import type { OnionHostname } from '../../crypto/onion-address.ts'
import type { CheckResult } from '../check/check.ts'
import { type NextCheck, CheckSchedule } from '../check/schedule.ts'

/*
 * Reachability checks beside the running relay: run on a schedule, shown in the state and logged.
 */

export interface CheckPlan {
  /** The usual time between two checks. */
  readonly intervalMs: number
  /** From the publication to the first check, when not a few seconds. */
  readonly firstMs?: number
  readonly check: (hostname: OnionHostname, signal: AbortSignal) => Promise<CheckResult>
}

export class CheckWatch {
  readonly #state: PresentState
  readonly #log: Logger
  readonly #onCheck: (result: CheckResult) => void
  readonly #schedule: CheckSchedule

  /** @param onCheck is told after the state and the log were */
  constructor(
    plan: CheckPlan,
    state: PresentState,
    log: Logger,
    onCheck: (result: CheckResult) => void = () => undefined,
  ) {
    this.#state = state
    this.#log = log
    this.#onCheck = onCheck
    const { intervalMs, firstMs, check } = plan
    this.#schedule = new CheckSchedule({
      intervalMs,
      firstMs,
      check: async (signal) => {
        const { hostname } = state.value
        if (hostname === undefined) throw new Error('a published service has an address')
        return await check(hostname, signal)
      },
      onCheck: (result, next) => this.#take(result, next),
      onError: (error) => log.error('onion service: the reachability check failed unexpectedly', { error }),
    })
  }

  /** The service is published; calling it again changes nothing. */
  published(): void {
    this.#schedule.published()
  }

  /** The network was lost, or is back: checks at once. */
  hurry(): void {
    this.#schedule.hurry()
  }

  /** No tor has the service any more. Resolves when no check is running. */
  async lost(): Promise<void> {
    await this.#schedule.lost()
  }

  #take(result: CheckResult, { failures, inMs }: NextCheck): void {
    const before = this.#state.value.check
    const { fault } = result
    this.#state.set({ check: { last: result, failures, nextAt: new Date(Date.now() + inMs) } })
    if (!fault) {
      const isNew = before === undefined || before.failures > 0
      this.#log[isNew ? 'info' : 'debug'](`onion service: reachable from outside (${(result.ms / 1000).toFixed(1)} s)`)
    } else {
      // The same fault is logged once.
      const level = before?.last.fault?.code === fault.code ? 'debug' : 'warn'
      this.#log[level](`onion service: not reachable from outside: ${fault.message}`, { remedy: fault.remedy })
    }
    this.#onCheck(result)
  }
}
