import type { Logger } from '../../config/log.ts'
import { NO_NETWORK_REMEDY, stuckClause } from '../control/bootstrap.ts'
import { skewText } from '../control/clock-skew.ts'
import type { SupervisorState } from './state.ts'

/** Says once what everything waits for, until the network is there again. */
export class NetworkNotice {
  readonly #log: Logger
  #isWaiting = false

  constructor(log: Logger) {
    this.#log = log
  }

  /** @param what a relative clause about the network */
  waitFor(what: string, remedy?: string): void {
    if (this.#isWaiting) return
    this.#isWaiting = true
    this.#log.note(`onion service: waiting for the network, ${what}`, remedy === undefined ? {} : { remedy })
  }

  /** To be called when tor should long have been connected. */
  check({ bootstrap, clockSkew }: SupervisorState): void {
    if (!bootstrap || bootstrap.progress === 100) return
    if (clockSkew !== undefined) this.waitFor(`but ${skewText(clockSkew)}`)
    this.waitFor(stuckClause(bootstrap), NO_NETWORK_REMEDY)
  }

  isThere(): void {
    this.#isWaiting = false
  }
}
