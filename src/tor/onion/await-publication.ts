import { setTimeout as sleep } from 'node:timers/promises'
import { stuckClause } from '../control/bootstrap.ts'
import { type ClockSkew, clockSkew, skewText } from '../control/clock-skew.ts'
import type { BootstrapPhase } from '../control/events.ts'
import { eventNames } from '../control/events.ts'
import type { TorControl } from '../control/tor-control.ts'
import type { OnionKey } from '../../crypto/onion-key.ts'
import type { PublicationState } from './publication.ts'
import { CONTESTED } from './descriptor.ts'
import { Publication, fetchDescriptor, isForeign } from './publication.ts'

export interface PublicationListeners {
  readonly bootstrap?: (phase: BootstrapPhase) => void
  readonly publication?: (state: PublicationState) => void
}

export interface Timeouts {
  /** Without any progress for so long there is no network. */
  readonly stallMs: number
  readonly totalMs: number
}

export type PublicationOutcome = { readonly published: true } | { readonly published: false; readonly why: string }

/** Sees a service from its first event to its publication, for a program that waits for it. */
export class PublicationWatch {
  readonly #control: TorControl
  #listeners: PublicationListeners = {}
  readonly #publication = new Publication()
  #phase: BootstrapPhase | undefined
  #skew: ClockSkew | undefined
  #progressAt = performance.now()

  private constructor(control: TorControl) {
    this.#control = control
  }

  /** Subscribes to tor's events; to be called before the service is added and before the network is switched on. */
  static async open(control: TorControl): Promise<PublicationWatch> {
    const watch = new PublicationWatch(control)
    control.onEvent((event) => {
      watch.#skew = clockSkew(event, watch.#phase) ?? watch.#skew
      if (event.type === 'bootstrap') watch.#bootstrap(event)
      else if (event.type === 'hsDesc') {
        watch.#publication.take(event)
        if (event.action.startsWith('UPLOAD')) watch.#progressAt = performance.now()
      }
    })
    await control.setEvents(eventNames)
    watch.#bootstrap(await control.bootstrapPhase())
    return watch
  }

  /**
   * Waits until the first directory has the descriptor.
   *
   * @throws AppError when tor ends
   */
  async published(
    service: { readonly key: Pick<OnionKey, 'serviceId'>; readonly wasThere: boolean },
    patience: Timeouts,
    listeners: PublicationListeners = {},
  ): Promise<PublicationOutcome> {
    this.#listeners = listeners
    if (this.#phase) listeners.bootstrap?.(this.#phase)
    const { serviceId } = service.key
    const beganAt = performance.now()
    this.#progressAt = beganAt
    let askedAt = service.wasThere ? -Infinity : beganAt
    let shown = -1
    for (;;) {
      const state = this.#publication.of(serviceId)
      const size = state.uploads + state.uploaded
      if (size !== shown) listeners.publication?.(state)
      shown = size
      if (state.uploaded > 0) return { published: true }
      const now = performance.now()
      if (this.#phase?.progress === 100 && now - askedAt > 15_000) {
        // Another program may have seen the uploads, or an event was missed: ask as a client would.
        askedAt = now
        const fetched = await fetchDescriptor(this.#control, serviceId, { timeoutMs: 10_000 })
        const isOurs = fetched.type === 'received' && !(await isForeign(this.#control, serviceId, fetched.signer))
        if (isOurs) return { published: true }
      }
      if (now - this.#progressAt > patience.stallMs || now - beganAt > patience.totalMs) {
        return { published: false, why: this.#why(state) }
      }
      await Promise.race([sleep(50), this.#control.closed.then((reason) => Promise.reject(reason))])
    }
  }

  #bootstrap(phase: BootstrapPhase): void {
    if (phase.progress > (this.#phase?.progress ?? -1)) this.#progressAt = performance.now()
    this.#phase = phase
    this.#listeners.bootstrap?.(phase)
  }

  #why({ uploads, failure }: PublicationState): string {
    const phase = this.#phase
    if (this.#skew !== undefined) return skewText(this.#skew)
    if (phase?.progress !== 100) return stuckClause(phase ?? { progress: 0, summary: 'starting' })
    if (failure === 'UPLOAD_REJECTED') return withoutStop(CONTESTED)
    if (failure !== undefined) return `the directories of the Tor network did not take it (${failure})`
    return uploads > 0 ? 'the upload has no answer yet' : 'tor has not uploaded it yet'
  }
}

function withoutStop(sentence: string): string {
  return sentence.replace(/\.$/, '')
}
