import type { Logger } from '../../config/log.ts'
import { type SupervisorState, PresentState } from './state.ts'
import type { OnionHostname } from '../../crypto/onion-address.ts'
import type { CheckResult } from '../check/check.ts'
import type { CheckFault } from '../check/faults.ts'
import { type CheckPlan, CheckWatch } from './check-watch.ts'

/*
 * Watches an onion service that a tor of the system has in its torrc, beside the running relay. The relay has no access
 * to that tor and can mend nothing; it proves from outside that it is reached, and says what to do when it is not.
 */

export interface TorrcWatchOptions {
  /** The name of the INI file. */
  readonly hostname: OnionHostname
  /** Of systemd, e.g. `tor@default`. */
  readonly unit: string
  readonly proof: CheckPlan
  readonly log: Logger
  readonly onState?: (state: SupervisorState) => void
}

/** A tor that is started together with the relay needs about so long until its service is in the network. */
const firstProofMs = 30_000

export class TorrcWatch {
  readonly #hostname: OnionHostname
  readonly #state: PresentState
  readonly #proofs: CheckWatch

  constructor({ hostname, unit, proof, log, onState }: TorrcWatchOptions) {
    this.#hostname = hostname
    this.#state = new PresentState(onState)
    const prove = async (name: OnionHostname, signal: AbortSignal): Promise<CheckResult> =>
      mendableInTorrc(await proof.prove(name, signal), unit)
    this.#proofs = new CheckWatch({ firstMs: firstProofMs, ...proof, prove }, this.#state, log)
  }

  get state(): SupervisorState {
    return this.#state.value
  }

  /** Begins, and returns at once. */
  start(): void {
    this.#state.set({ phase: 'watched', hostname: this.#hostname })
    this.#proofs.published()
  }

  async stop(): Promise<void> {
    await this.#proofs.lost()
    this.#state.set({ phase: 'stopped' })
  }
}

/** Names what mends the tor of the torrc, which the relay itself cannot. */
function mendableInTorrc(proof: CheckResult, unit: string): CheckResult {
  const { fault } = proof
  return fault ? { ...proof, fault: { ...fault, remedy: torrcRemedy(fault, unit) } } : proof
}

function torrcRemedy({ code, remedy }: CheckFault, unit: string): string {
  switch (code) {
    case 'ONION_NOT_PUBLISHED':
    case 'ONION_UNREACHABLE':
    case 'ONION_TIMEOUT':
      return `See whether its tor runs and what it says (systemctl status ${unit}; journalctl -u ${unit} -n 30), then: systemctl restart ${unit}`
    case 'ONION_REFUSED':
      return `Compare HiddenServicePort in the torrc of ${unit} with port in [TRANSPORT]; after a change of the torrc: systemctl restart ${unit}`
    default:
      return remedy
  }
}
