import type { HsDescEvent } from '../control/events.ts'
import type { TorControl } from '../control/tor-control.ts'
import type { ServiceId } from '../../crypto/onion-address.ts'

/*
 * Whether the service's descriptor is in the network, learned from tor's HS_DESC events (Tor control-spec §4.1.25).
 *
 * Who listened before the service was added sees the uploads. Who came later asks for the descriptor as a client would
 * (HSFETCH): received means published.
 */

export interface PublicationState {
  /** Directories that the descriptor is being, or was, uploaded to, and those that took it. */
  readonly uploads: number
  readonly uploaded: number
  /** Directories that rejected it, or did not answer. */
  readonly failed?: number
  /** Why the last upload failed. */
  readonly failure?: string
}

/** Follows the uploads of a tor's services from the moment on that its events are handed to `take`. */
export class Publication {
  readonly #services = new Map<string, { uploads: Map<string, 'started' | 'done' | 'failed'>; failure?: string }>()

  /** Takes every HS_DESC event. */
  take({ serviceId, action, directory, reason }: HsDescEvent): void {
    const service = this.#services.get(serviceId) ?? { uploads: new Map<string, 'started' | 'done' | 'failed'>() }
    const known = service.uploads.get(directory)
    // One directory can have the descriptors of both time periods: done stays done.
    if (action === 'UPLOAD' && known !== 'done') service.uploads.set(directory, 'started')
    else if (action === 'UPLOADED') service.uploads.set(directory, 'done')
    // A failed download has the same shape, but no upload before it.
    else if (action === 'FAILED' && known === 'started') {
      service.uploads.set(directory, 'failed')
      service.failure = reason ?? 'no reason'
    } else return
    this.#services.set(serviceId, service)
  }

  of(serviceId: ServiceId): PublicationState {
    const service = this.#services.get(serviceId)
    const uploads = [...(service?.uploads.values() ?? [])]
    const state = { uploads: uploads.length, uploaded: uploads.filter((upload) => upload === 'done').length }
    if (service?.failure === undefined) return state
    return { ...state, failed: uploads.filter((upload) => upload === 'failed').length, failure: service.failure }
  }

  /** For a service that was taken away and is added again. */
  forget(serviceId: ServiceId): void {
    this.#services.delete(serviceId)
  }
}

/**
 * `missing`: directories were asked and each said that it does not have it. `unknown`: no such answer, because the
 * network is down or slow, or because tor has asked all directories lately.
 */
export interface FetchResult {
  readonly type: 'received' | 'missing' | 'unknown'
}

/** When no further directory is asked for so long after a failure, there is none left. */
const afterFailureMs = 3000

/**
 * Asks the network for the service's descriptor. Needs `HS_DESC` among the events of this connection. tor asks one
 * directory after the other, each at most once in a quarter of an hour; when none is left it says so, or says nothing.
 *
 * @throws AppError when tor refuses or the connection ends
 */
export async function fetchDescriptor(
  control: TorControl,
  serviceId: ServiceId,
  timeoutMs = 30_000,
): Promise<FetchResult> {
  const reasons: string[] = []
  let stop: () => void = () => undefined
  let timer: NodeJS.Timeout | undefined
  const ended = new Promise<FetchResult>((resolve) => {
    const requested = new Set<string>()
    const conclude = (): void => {
      resolve({ type: reasons.length > 0 && reasons.every((reason) => reason === 'NOT_FOUND') ? 'missing' : 'unknown' })
    }
    const concludeIn = (ms: number): void => {
      clearTimeout(timer)
      timer = setTimeout(conclude, ms)
    }
    concludeIn(timeoutMs)
    stop = control.onEvent((event) => {
      if (event.type !== 'hsDesc' || event.serviceId !== serviceId) return
      const { action, directory, reason = 'no reason' } = event
      if (action === 'RECEIVED') resolve({ type: 'received' })
      else if (action === 'REQUESTED') {
        requested.add(directory)
        concludeIn(timeoutMs)
      } else if (action === 'FAILED' && requested.has(directory)) {
        reasons.push(reason)
        concludeIn(afterFailureMs)
      } else if (action === 'FAILED' && directory === 'UNKNOWN') conclude()
    })
  })
  try {
    await control.hsFetch(serviceId)
    return await Promise.race([ended, control.closed.then((reason) => Promise.reject(reason))])
  } finally {
    stop()
    clearTimeout(timer)
  }
}
