import type { Logger } from '../../config/log.ts'
import { type SupervisorState, PresentState } from './state.ts'
import type { OnionHostname } from '../../crypto/onion-address.ts'
import type { CheckResult } from '../check/check.ts'
import type { CheckFault } from '../check/faults.ts'
import { type CheckPlan, CheckWatch } from './check-watch.ts'

/*
 * Watches an onion service that a tor of the system has in its torrc. The relay has no access to that tor and cannot
 * repair anything; it checks from outside that it is reachable, and says what to do when it is not.
 */

export interface TorrcWatchOptions {
  /** From the INI file. */
  readonly hostname: OnionHostname
  /** Of systemd, e.g. `tor@default`. */
  readonly unit: string
  readonly check: CheckPlan
  readonly log: Logger
  readonly onState?: (state: SupervisorState) => void
}

/** A tor that is started together with the relay needs about so long to publish its service. */
const FIRST_CHECK_MS = 30_000

export class TorrcWatch {
  readonly #hostname: OnionHostname
  readonly #state: PresentState
  readonly #checks: CheckWatch

  constructor({ hostname, unit, check, log, onState }: TorrcWatchOptions) {
    this.#hostname = hostname
    this.#state = new PresentState(onState)
    const checkTorrc = async (name: OnionHostname, signal: AbortSignal): Promise<CheckResult> =>
      withTorrcRemedy(await check.check(name, signal), unit)
    this.#checks = new CheckWatch({ firstMs: FIRST_CHECK_MS, ...check, check: checkTorrc }, this.#state, log)
  }

  get state(): SupervisorState {
    return this.#state.value
  }

  /** Starts, and returns at once. */
  start(): void {
    this.#state.set({ phase: 'watched', hostname: this.#hostname })
    this.#checks.published()
  }

  async stop(): Promise<void> {
    await this.#checks.lost()
    this.#state.set({ phase: 'stopped' })
  }
}

/** The relay cannot repair the tor of the torrc; the remedy says what does. */
function withTorrcRemedy(result: CheckResult, unit: string): CheckResult {
  const { fault } = result
  return fault ? { ...result, fault: { ...fault, remedy: torrcRemedy(fault, unit) } } : result
}

function torrcRemedy({ code, remedy }: CheckFault, unit: string): string {
  switch (code) {
    case 'ONION_NOT_PUBLISHED':
    case 'ONION_UNREACHABLE':
    case 'ONION_TIMEOUT':
      return `Check its tor: systemctl status ${unit}; journalctl -u ${unit} -n 30. Then: systemctl restart ${unit}`
    case 'ONION_REFUSED':
      return `Compare HiddenServicePort in the torrc of ${unit} with port under [TRANSPORT]. After a change: systemctl restart ${unit}`
    default:
      return remedy
  }
}
