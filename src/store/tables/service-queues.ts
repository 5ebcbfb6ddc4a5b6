import { idHash, idsHashLength, xorHash } from '../../crypto/ids-hash.ts'
import { idToBytes, type NotifierId, type RcvId, type ServiceId } from '../../protocol/ids.ts'
import type { ServiceParty, ServiceSubscriptions } from '../store.ts'
import { associationKey } from './association-key.ts'
import type { Counts } from './counts.ts'
import type { Services } from './services.ts'
import type { Table } from './table.ts'
import type { Tables } from './tables.ts'

const NO_SUBSCRIPTIONS: ServiceSubscriptions = { count: 0, idsHash: Buffer.alloc(idsHashLength) }

/** Which queues ('R') and notifiers ('N') are associated with which service. */
export class ServiceQueues {
  readonly #subscriptions: Table<ServiceSubscriptions>
  readonly #associations: Table<true>
  readonly #services: Services
  readonly #counts: Counts

  constructor({ subscriptions, associations }: Tables, services: Services, counts: Counts) {
    this.#subscriptions = subscriptions
    this.#associations = associations
    this.#services = services
    this.#counts = counts
  }

  subscriptions(serviceId: ServiceId, party: ServiceParty): ServiceSubscriptions {
    return this.#subscriptions.get(party + serviceId) ?? NO_SUBSCRIPTIONS
  }

  *ids(serviceId: ServiceId, party: ServiceParty): Iterable<RcvId | NotifierId> {
    const prefix = associationKey(party, serviceId)
    for (const key of this.#associations.keys(prefix)) {
      if (this.#associations.peek(key) === true) yield key.slice(prefix.length) as RcvId | NotifierId
    }
  }

  associate(party: ServiceParty, serviceId: ServiceId | undefined, id: RcvId | NotifierId): void {
    if (serviceId === undefined) return
    this.#associations.insert(associationKey(party, serviceId) + id, true)
    this.#changeSubscriptions(party, serviceId, id, 1)
  }

  /** Removes an association, and the service with its last one: it left nothing that would need it. */
  dissociate(party: ServiceParty, serviceId: ServiceId | undefined, id: RcvId | NotifierId): void {
    if (serviceId === undefined) return
    this.#associations.remove(associationKey(party, serviceId) + id)
    this.#changeSubscriptions(party, serviceId, id, -1)
    this.removeUnused(serviceId)
  }

  /** Removes a service that has no associations. */
  removeUnused(serviceId: ServiceId): void {
    const parties = ['R', 'N'] as const
    if (parties.some((party) => this.subscriptions(serviceId, party).count > 0)) return
    for (const party of parties)
      if (this.#subscriptions.has(party + serviceId)) this.#subscriptions.remove(party + serviceId)
    this.#services.remove(serviceId)
  }

  #changeSubscriptions(party: ServiceParty, serviceId: ServiceId, id: RcvId | NotifierId, change: 1 | -1): void {
    const { count, idsHash } = this.subscriptions(serviceId, party)
    const key = party + serviceId
    this.#subscriptions.put(key, { count: count + change, idsHash: xorHash(idsHash, idHash(idToBytes(id))) })
    this.#counts.add(party === 'R' ? 'rcvServiceQueues' : 'ntfServiceQueues', change)
  }
}
