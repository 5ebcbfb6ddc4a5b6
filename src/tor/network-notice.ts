import type { Logger } from '../config/log.ts'
import type { BootstrapPhase } from './control/events.ts'

/** Says once what everything waits for, until the network is there again. */
export class NetworkNotice {
  readonly #log: Logger
  #isWaiting = false

  constructor(log: Logger) {
    this.#log = log
  }

  /** @param what a relative clause about the network */
  waitFor(what: string): void {
    if (this.#isWaiting) return
    this.#isWaiting = true
    this.#log.note(`onion service: waiting for the network, ${what}`)
  }

  /** To be called when tor should long have been connected. */
  check(bootstrap: BootstrapPhase | undefined): void {
    if (!bootstrap || bootstrap.progress === 100) return
    const { progress, warning, summary } = bootstrap
    this.waitFor(`tor is at ${progress} % (${warning ?? summary})`)
  }

  isThere(): void {
    this.#isWaiting = false
  }
}
