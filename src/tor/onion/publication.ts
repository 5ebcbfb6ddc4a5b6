import { type DescriptorSigner, descriptorSigner, ownSigner } from './descriptor.ts'
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

type Answer = 'started' | 'done' | 'failed' | 'rejected'

interface Upload {
  answer: Answer
  /** Uploads without an answer: one directory can get the descriptors of both time periods. */
  pending: number
  readonly blindedKeys: Set<string>
}

interface Uploads {
  readonly uploads: Map<string, Upload>
  failure?: string
}

/** Follows the uploads of a tor's services from the moment on that its events are handed to `take`. */
export class Publication {
  readonly #services = new Map<string, Uploads>()

  /** Takes every HS_DESC event. */
  take({ serviceId, action, directory, reason, blindedKey }: HsDescEvent): void {
    const service: Uploads = this.#services.get(serviceId) ?? { uploads: new Map<string, Upload>() }
    const known = service.uploads.get(directory)
    if (action === 'UPLOAD') {
      const upload = known ?? { answer: 'started', pending: 0, blindedKeys: new Set() }
      // Done stays done.
      if (upload.answer !== 'done') upload.answer = 'started'
      upload.pending += 1
      if (blindedKey !== undefined) upload.blindedKeys.add(blindedKey)
      service.uploads.set(directory, upload)
    } else if (!known || known.pending === 0) return
    else if (action === 'UPLOADED') {
      known.answer = 'done'
      known.pending -= 1
    }
    // A failed download has the same shape, but no upload before it.
    else if (action === 'FAILED') {
      known.pending -= 1
      if (known.answer !== 'done') known.answer = reason === 'UPLOAD_REJECTED' ? 'rejected' : 'failed'
      service.failure = reason ?? 'no reason'
    } else return
    this.#services.set(serviceId, service)
  }

  of(serviceId: ServiceId): PublicationState {
    const service = this.#services.get(serviceId)
    const uploads = [...(service?.uploads.values() ?? [])]
    const count = (...answers: Answer[]): number => uploads.filter(({ answer }) => answers.includes(answer)).length
    const state = { uploads: uploads.length, uploaded: count('done') }
    if (service?.failure === undefined) return state
    return { ...state, failed: count('failed', 'rejected'), failure: service.failure }
  }

  /**
   * Directories that have answered every upload, by taking the descriptor or by holding a newer one.
   *
   * @param blindedKey only those that were to get the descriptor of this time period
   */
  settled(serviceId: ServiceId, blindedKey?: string): string[] {
    const uploads = [...(this.#services.get(serviceId)?.uploads ?? [])]
    return uploads
      .filter(([, { answer, pending }]) => pending === 0 && (answer === 'done' || answer === 'rejected'))
      .filter(([, { blindedKeys }]) => blindedKey === undefined || blindedKeys.has(blindedKey))
      .map(([directory]) => directory)
  }

  /** What a directory has answered to the uploads of one time period; `undefined` while it has not answered all. */
  answer(serviceId: ServiceId, directory: string, blindedKey: string): Answer | undefined {
    const upload = this.#services.get(serviceId)?.uploads.get(directory)
    return upload?.pending === 0 && upload.blindedKeys.has(blindedKey) ? upload.answer : undefined
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
export type FetchResult =
  | { readonly type: 'missing' | 'unknown' }
  | { readonly type: 'received'; readonly directory: string; readonly signer?: DescriptorSigner }

export interface FetchOptions {
  readonly timeoutMs?: number
  /** The only directory to ask, as often as wanted. */
  readonly directory?: string
}

const FETCH_TIMEOUT_MS = 30_000

/** When no further directory is asked for so long after a failure, there is none left. */
const afterFailureMs = 3000

/** The content follows the news that there is one. */
const CONTENT_MS = 500

/**
 * Asks the network for the service's descriptor. Needs `HS_DESC` and `HS_DESC_CONTENT` among the events of this connection.
 * tor asks one directory after the other, each at most once in a quarter of an hour; when none is left it says so, or says
 * nothing.
 *
 * @throws AppError when tor refuses or the connection ends
 */
export async function fetchDescriptor(
  control: TorControl,
  serviceId: ServiceId,
  { timeoutMs = FETCH_TIMEOUT_MS, directory: only }: FetchOptions = {},
): Promise<FetchResult> {
  const reasons: string[] = []
  let stop: () => void = () => undefined
  let timer: NodeJS.Timeout | undefined
  const ended = new Promise<FetchResult>((resolve) => {
    const requested = new Set<string>()
    const conclude = (): void => {
      resolve({ type: reasons.length > 0 && reasons.every((reason) => reason === 'NOT_FOUND') ? 'missing' : 'unknown' })
    }
    const concludeIn = (ms: number, how = conclude): void => {
      clearTimeout(timer)
      timer = setTimeout(how, ms)
    }
    concludeIn(timeoutMs)
    stop = control.onEvent((event) => {
      if ((event.type !== 'hsDesc' && event.type !== 'hsDescContent') || event.serviceId !== serviceId) return
      const { directory } = event
      if (event.type === 'hsDescContent') {
        const signer = descriptorSigner(event.text)
        if (event.text !== '') resolve({ type: 'received', directory, ...(signer && { signer }) })
        return
      }
      const { action, reason = 'no reason' } = event
      if (action === 'RECEIVED') concludeIn(CONTENT_MS, () => resolve({ type: 'received', directory }))
      else if (action === 'REQUESTED') {
        requested.add(directory)
        concludeIn(timeoutMs)
      } else if (action === 'FAILED' && requested.has(directory)) {
        reasons.push(reason)
        if (only === undefined) concludeIn(afterFailureMs)
        else conclude()
      } else if (action === 'FAILED' && directory === 'UNKNOWN') conclude()
    })
  })
  try {
    await control.hsFetch(serviceId, only)
    return await Promise.race([ended, control.closed.then((reason) => Promise.reject(reason))])
  } finally {
    stop()
    clearTimeout(timer)
  }
}

/**
 * Whether a descriptor that was fetched is not the one that this tor has made. Where tor does not tell, it is not known
 * to be foreign.
 *
 * @throws AppError when the connection ends
 */
export async function isForeign(
  control: TorControl,
  serviceId: ServiceId,
  signer: DescriptorSigner | undefined,
): Promise<boolean> {
  const own = signer && (await ownSigner(control, serviceId))
  return own !== undefined && own.blindedKey === signer?.blindedKey && own.signingKey !== signer.signingKey
}
