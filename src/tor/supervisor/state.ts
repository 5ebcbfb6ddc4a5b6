import type { ClockSkew } from '../control/clock-skew.ts'
import type { BootstrapPhase } from '../control/events.ts'
import type { OnionHostname } from '../../crypto/onion-address.ts'
import type { CheckResult } from '../check/check.ts'
import type { PublicationState } from '../onion/publication.ts'
import type { ServiceType } from '../onion/service-config.ts'
import type { ServiceFigures } from '../process/service-figures.ts'

/*
 * What the running relay knows of its onion service at this moment.
 */

/**
 * starting: no usable tor yet. bootstrapping: tor is connecting to its network. publishing: the descriptor is being
 * uploaded. published: the network has it. waiting: the last attempt failed, and the relay retries. watched: a tor that
 * the relay cannot access has the service, and only checks from outside tell how it is. elsewhere: another relay on the
 * same database has it.
 */
export type SupervisorPhase =
  'stopped' | 'starting' | 'bootstrapping' | 'publishing' | 'published' | 'waiting' | 'watched' | 'elsewhere'

/** What is known of a tor; all of it ends with that tor. */
interface TorState {
  readonly torVersion?: string
  /** Of an own tor. */
  readonly torPid?: number | undefined
  readonly bootstrap?: BootstrapPhase
  readonly networkUp?: boolean
  /** If tor has reported that the clock of this machine is wrong. */
  readonly clockSkew?: ClockSkew | undefined
  readonly publication?: PublicationState
  /** When the present publication was first seen. */
  readonly publishedAt?: Date | undefined
  /** Since when the directories hold a descriptor that this tor has not made. */
  readonly contestedAt?: Date | undefined
  /** When a directory last accepted the descriptor. */
  readonly uploadedAt?: Date
  readonly serviceType?: ServiceType
  /** What an own tor counts of the service. */
  readonly figures?: ServiceFigures | undefined
}

const ofTor: readonly (keyof TorState)[] = [
  'torVersion',
  'torPid',
  'bootstrap',
  'networkUp',
  'clockSkew',
  'publication',
  'publishedAt',
  'contestedAt',
  'uploadedAt',
  'serviceType',
  'figures',
]

export interface SupervisorState extends TorState {
  readonly phase: SupervisorPhase
  readonly hostname?: OnionHostname
  /** The address that will replace it, while both are published. */
  readonly nextHostname?: OnionHostname | undefined
  /** When the network last accepted the descriptor, or returned it. */
  readonly confirmedAt?: Date
  /** How often tor ended, or could not be reached, since the supervisor started. */
  readonly restarts: number
  /** The last reachability check. */
  readonly check?: CheckState
  readonly lastError?: SupervisorError
}

export interface CheckState {
  readonly last: CheckResult
  /** Failed ones in a row. */
  readonly failures: number
  readonly nextAt: Date
}

export interface SupervisorError {
  readonly at: Date
  readonly code: string
  readonly message: string
  readonly remedy?: string | undefined
}

/** The one place that holds the state. */
export class PresentState {
  #value: SupervisorState = { phase: 'stopped', restarts: 0 }
  readonly #onChange: ((state: SupervisorState) => void) | undefined

  constructor(onChange?: (state: SupervisorState) => void) {
    this.#onChange = onChange
  }

  get value(): SupervisorState {
    return this.#value
  }

  set(change: Partial<SupervisorState>): void {
    this.#value = { ...this.#value, ...change }
    this.#onChange?.(this.#value)
  }

  /** Drops what was known of a tor that is gone, without a notification. */
  forgetTor(): void {
    const kept = { ...this.#value }
    for (const name of ofTor) Reflect.deleteProperty(kept, name)
    this.#value = kept
  }
}
