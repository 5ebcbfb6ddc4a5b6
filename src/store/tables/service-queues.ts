import { idHash, idsHashLength, xorHash } from '../../crypto/ids-hash.ts'
import { idToBytes, type NotifierId, type RcvId, type ServiceId } from '../../protocol/ids.ts'
import type { ServiceParty, ServiceSubscriptions } from '../store.ts'
import { associationKey } from './association-key.ts'
import type { Counts } from './counts.ts'
import type { Table } from './table.ts'
import type { Tables } from './tables.ts'

const NO_SUBSCRIPTIONS: ServiceSubscriptions = { count: 0, idsHash: Buffer.alloc(idsHashLength) }

/** Which queues ('R') and notifiers ('N') are associated with which service. */
export class ServiceQueues {
  readonly #subscriptions: Table<ServiceSubscriptions>
  readonly #associations: Table<true>
  readonly #counts: Counts

  constructor({ subscriptions, associations }: Tables, counts: Counts) {
    this.#subscriptions = subscriptions
    this.#associations = associations
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

  dissociate(party: ServiceParty, serviceId: ServiceId | undefined, id: RcvId | NotifierId): void {
    if (serviceId === undefined) return
    this.#associations.remove(associationKey(party, serviceId) + id)
    this.#changeSubscriptions(party, serviceId, id, -1)
  }

  #changeSubscriptions(party: ServiceParty, serviceId: ServiceId, id: RcvId | NotifierId, change: 1 | -1): void {
    const { count, idsHash } = this.subscriptions(serviceId, party)
    const key = party + serviceId
    this.#subscriptions.put(key, { count: count + change, idsHash: xorHash(idsHash, idHash(idToBytes(id))) })
    this.#counts.add(party === 'R' ? 'rcvServiceQueues' : 'ntfServiceQueues', change)
  }
}
