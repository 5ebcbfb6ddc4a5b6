import type { TorControl } from '../control/tor-control.ts'
import type { HsDescEvent } from '../control/events.ts'
import type { ServiceId } from '../../crypto/onion-address.ts'
import { type DescriptorSigner, ownSigner } from '../onion/descriptor.ts'
import { fetchDescriptor, type FetchResult, type Publication } from '../onion/publication.ts'

/*
 * Whether the descriptor that the directories hold is the one of this tor. tor tells the signer of one time period only;
 * that of the other is learned from a directory that has just taken this tor's descriptor.
 */

/** `unknown`: a descriptor from before this tor's, or no answer. */
export type Verdict = 'ours' | 'foreign' | 'unknown'

/** How many directories have to agree that the descriptor is foreign. */
const WITNESSES = 2
/** How many directories are asked at most until one has the descriptor of the time period that clients want. */
const MOST_ASKED = 10

export class Evidence {
  readonly #control: TorControl
  readonly #publication: Publication
  /** Signing keys of this tor's descriptors by the blinded keys of their time periods, the latest ones. */
  readonly #signers = new Map<string, string>()
  /** Directories that have given a descriptor, the latest ones. */
  readonly #givers = new Set<string>()
  /** The blinded key of the time period that clients want, as far as is known. */
  #wanted: string | undefined
  #turn = 0

  constructor(control: TorControl, publication: Publication) {
    this.#control = control
    this.#publication = publication
  }

  /** Takes every HS_DESC event of the service: a descriptor that is made anew has another signer. */
  take({ action, blindedKey }: HsDescEvent): void {
    if (action === 'CREATED' && blindedKey !== undefined) this.#signers.delete(blindedKey)
  }

  /**
   * Judges a descriptor that was fetched.
   *
   * @param wasThere the service was in this tor before its uploads could be seen
   * @throws AppError when the connection ends
   */
  async judge(serviceId: ServiceId, fetched: FetchResult, wasThere: boolean): Promise<Verdict> {
    if (fetched.type !== 'received') return 'unknown'
    const { directory, signer } = fetched
    keep(this.#givers, directory)
    if (!signer) return 'ours'
    const own = await ownSigner(this.#control, serviceId)
    if (own) this.#learn(own)
    const known = this.#signers.get(signer.blindedKey)
    if (known === signer.signingKey) return 'ours'
    const answer = this.#publication.answer(serviceId, directory, signer.blindedKey) ?? (wasThere ? 'done' : 'started')
    if (answer === 'rejected') return 'foreign'
    if (answer !== 'done') return 'unknown'
    if (known !== undefined) return 'foreign'
    this.#learn(signer)
    return 'ours'
  }

  /** Directories that have answered to the uploads of this tor; of a service that was there before, those that have it. */
  directories(serviceId: ServiceId): string[] {
    const wanted = this.#wanted === undefined ? [] : this.#publication.settled(serviceId, this.#wanted)
    const settled = wanted.length > 0 ? wanted : this.#publication.settled(serviceId)
    return settled.length > 0 ? settled : [...this.#givers]
  }

  /**
   * Asks directories that have answered to the uploads of this tor which descriptor they hold.
   *
   * @throws AppError when the connection ends
   */
  async gather(serviceId: ServiceId, wasThere: boolean): Promise<Verdict> {
    const directories = this.directories(serviceId)
    let foreign = 0
    for (let asked = 0; asked < Math.min(MOST_ASKED, directories.length); asked++) {
      const directory = directories[this.#turn++ % directories.length] ?? ''
      const fetched = await fetchDescriptor(this.#control, serviceId, { directory, timeoutMs: 10_000 })
      this.#wanted = fetched.type === 'received' ? fetched.signer?.blindedKey : undefined
      const verdict = await this.judge(serviceId, fetched, wasThere)
      if (verdict === 'ours') return 'ours'
      if (verdict === 'foreign') foreign += 1
      if (foreign >= Math.min(WITNESSES, directories.length)) return 'foreign'
    }
    return 'unknown'
  }

  #learn({ blindedKey, signingKey }: DescriptorSigner): void {
    keep(this.#signers, blindedKey)
    this.#signers.set(blindedKey, signingKey)
  }
}

const MOST_KEPT = 8

/** Makes an entry the latest one, and drops the oldest when there are too many. */
function keep(entries: Set<string> | Map<string, string>, key: string): void {
  entries.delete(key)
  const [oldest] = entries.keys()
  if (entries.size >= MOST_KEPT && oldest !== undefined) entries.delete(oldest)
  if (entries instanceof Set) entries.add(key)
}
