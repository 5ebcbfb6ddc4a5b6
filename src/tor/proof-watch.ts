import type { Logger } from '../config/log.ts'
import type { PresentState } from './keeper-state.ts'
import type { OnionHostname } from './onion-address.ts'
import type { Proof } from './proof.ts'
import { type NextProof, ProofSchedule } from './proof-schedule.ts'

/*
 * The proofs from outside beside the running relay: made on their schedule, shown in the state, told in the log.
 */

export interface ProofPlan {
  /** The usual time between two proofs. */
  readonly intervalMs: number
  /** From the publication to the first proof, when not a few seconds. */
  readonly firstMs?: number
  readonly prove: (hostname: OnionHostname, signal: AbortSignal) => Promise<Proof>
}

export class ProofWatch {
  readonly #state: PresentState
  readonly #log: Logger
  readonly #onProof: (proof: Proof) => void
  readonly #schedule: ProofSchedule

  /** @param onProof is told after the state and the log were */
  constructor(plan: ProofPlan, state: PresentState, log: Logger, onProof: (proof: Proof) => void = () => undefined) {
    this.#state = state
    this.#log = log
    this.#onProof = onProof
    const { intervalMs, firstMs, prove } = plan
    this.#schedule = new ProofSchedule({
      intervalMs,
      firstMs,
      prove: async (signal) => {
        const { hostname } = state.value
        if (hostname === undefined) throw new Error('a service without a name is not published')
        return await prove(hostname, signal)
      },
      onProof: (proof, next) => this.#take(proof, next),
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

  #take(proof: Proof, { failures, inMs }: NextProof): void {
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
    this.#onProof(proof)
  }
}
