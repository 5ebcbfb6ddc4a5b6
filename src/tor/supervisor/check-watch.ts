import type { Logger } from '../../config/log.ts'
import type { PresentState } from './state.ts'
import type { OnionHostname } from '../../crypto/onion-address.ts'
import type { CheckResult } from '../check/check.ts'
import { type NextCheck, CheckSchedule } from '../check/schedule.ts'

/*
 * The proofs from outside beside the running relay: made on their schedule, shown in the state, told in the log.
 */

export interface CheckPlan {
  /** The usual time between two proofs. */
  readonly intervalMs: number
  /** From the publication to the first proof, when not a few seconds. */
  readonly firstMs?: number
  readonly prove: (hostname: OnionHostname, signal: AbortSignal) => Promise<CheckResult>
}

export class CheckWatch {
  readonly #state: PresentState
  readonly #log: Logger
  readonly #onCheck: (proof: CheckResult) => void
  readonly #schedule: CheckSchedule

  /** @param onCheck is told after the state and the log were */
  constructor(
    plan: CheckPlan,
    state: PresentState,
    log: Logger,
    onCheck: (proof: CheckResult) => void = () => undefined,
  ) {
    this.#state = state
    this.#log = log
    this.#onCheck = onCheck
    const { intervalMs, firstMs, prove } = plan
    this.#schedule = new CheckSchedule({
      intervalMs,
      firstMs,
      prove: async (signal) => {
        const { hostname } = state.value
        if (hostname === undefined) throw new Error('a service without a name is not published')
        return await prove(hostname, signal)
      },
      onCheck: (proof, next) => this.#take(proof, next),
      onError: (error) => log.error('onion service: the proof from outside broke off', { error }),
    })
  }

  /** The network has the service; nothing changes when it had it already. */
  published(): void {
    this.#schedule.published()
  }

  /** There is no tor with the service any more. Resolves when nothing of a proof is left. */
  async lost(): Promise<void> {
    await this.#schedule.lost()
  }

  #take(proof: CheckResult, { failures, inMs }: NextCheck): void {
    const before = this.#state.value.proof
    const { fault } = proof
    this.#state.set({ proof: { last: proof, failures, nextAt: new Date(Date.now() + inMs) } })
    if (!fault) {
      const isNews = before === undefined || before.failures > 0
      this.#log[isNews ? 'info' : 'debug'](`onion service: reached from outside in ${(proof.ms / 1000).toFixed(1)} s`)
    } else {
      // The same fault at every proof is said once.
      const level = before?.last.fault?.code === fault.code ? 'debug' : 'warn'
      this.#log[level](`onion service: the proof from outside failed: ${fault.message}`, { remedy: fault.remedy })
    }
    this.#onCheck(proof)
  }
}
