import type { LinkId, RcvId, ServiceId } from '../../protocol/ids.ts'
import { withLink, withNotifier, withService } from './queue-record.ts'
import { ReservedIds } from './reserved-ids.ts'
import type { LinkData, NotifierRec, QueueRec, ServiceParty, TakenId } from '../store.ts'
import type { Counts } from './counts.ts'
import type { Links } from './links.ts'
import type { Notifiers } from './notifiers.ts'
import type { ServiceQueues } from './service-queues.ts'
import type { Table } from './table.ts'
import type { Tables } from './tables.ts'

export interface QueueParts {
  readonly links: Links
  readonly notifiers: Notifiers
  readonly serviceQueues: ServiceQueues
  readonly counts: Counts
}

/** The queues, and what leads to them. */
export class Queues {
  /** To be read from only, as the next one. */
  readonly records: Table<QueueRec>
  /** The recipient id of each sender id. */
  readonly senders: Table<RcvId>
  readonly #links: Links
  readonly #notifiers: Notifiers
  readonly #serviceQueues: ServiceQueues
  readonly #counts: Counts
  readonly #reserved = new ReservedIds()

  constructor({ queues, senders }: Tables, { links, notifiers, serviceQueues, counts }: QueueParts) {
    this.records = queues
    this.senders = senders
    this.#links = links
    this.#notifiers = notifiers
    this.#serviceQueues = serviceQueues
    this.#counts = counts
  }

  /** The queue that an index led to. */
  found(rcvId: RcvId | undefined): QueueRec | undefined {
    return rcvId === undefined ? undefined : this.records.get(rcvId)
  }

  /** @throws Error when there is no such queue */
  require(rcvId: RcvId): QueueRec {
    const queue = this.records.get(rcvId)
    if (queue === undefined) throw new Error('no such queue')
    return queue
  }

  *all(): Iterable<QueueRec> {
    for (const rcvId of this.records.keys()) {
      const queue = this.records.peek(rcvId)
      if (queue !== undefined) yield queue
    }
  }

  add(queue: QueueRec, link?: LinkData): TakenId | undefined {
    const { rcvId, sndId, notifier, linkId } = queue
    if (this.records.has(rcvId) || this.#reserved.has(rcvId)) return 'rcvId'
    if (this.senders.has(sndId)) return 'sndId'
    if (notifier !== undefined && this.#notifiers.owners.has(notifier.notifierId)) return 'notifierId'
    if (linkId !== undefined && this.#isTaken(linkId)) return 'linkId'
    if ((linkId === undefined) !== (link === undefined)) throw new Error('a link id comes with its data')
    this.records.insert(rcvId, queue)
    this.senders.insert(sndId, rcvId)
    if (linkId !== undefined && link !== undefined) this.#links.add(linkId, rcvId, link)
    if (notifier !== undefined) this.#notifiers.add(notifier, rcvId)
    this.#serviceQueues.associate('R', queue.rcvServiceId, rcvId)
    this.#counts.add('queues', 1)
    return undefined
  }

  /** Changes fields that nothing leads to the queue by. */
  change(rcvId: RcvId, fields: Partial<Pick<QueueRec, 'senderKey' | 'recipientKeys' | 'status' | 'updatedAt'>>): void {
    this.records.put(rcvId, { ...this.require(rcvId), ...fields })
  }

  setLink(rcvId: RcvId, linkId: LinkId, data: LinkData): 'ok' | 'taken' {
    const queue = this.require(rcvId)
    if (queue.linkId === linkId) {
      this.#links.replaceData(linkId, data)
      return 'ok'
    }
    if (this.#isTaken(linkId)) return 'taken'
    this.#links.drop(queue)
    this.#links.add(linkId, rcvId, data)
    this.records.put(rcvId, withLink(queue, linkId))
    return 'ok'
  }

  deleteLink(rcvId: RcvId): void {
    const queue = this.require(rcvId)
    if (queue.linkId === undefined) return
    this.#links.drop(queue)
    this.records.put(rcvId, withLink(queue, undefined))
  }

  setNotifier(rcvId: RcvId, notifier: NotifierRec): 'ok' | 'taken' {
    const queue = this.require(rcvId)
    const owner = this.#notifiers.owners.get(notifier.notifierId)
    if (owner !== undefined && owner !== rcvId) return 'taken'
    this.#notifiers.replace(queue, notifier)
    this.records.put(rcvId, withNotifier(queue, notifier))
    return 'ok'
  }

  deleteNotifier(rcvId: RcvId): NotifierRec | undefined {
    const queue = this.require(rcvId)
    if (queue.notifier === undefined) return undefined
    this.#notifiers.drop(queue)
    this.records.put(rcvId, withNotifier(queue, undefined))
    return queue.notifier
  }

  setService(rcvId: RcvId, party: ServiceParty, serviceId: ServiceId | undefined): void {
    const queue = this.require(rcvId)
    const id = party === 'R' ? rcvId : queue.notifier?.notifierId
    const previous = party === 'R' ? queue.rcvServiceId : queue.notifier?.serviceId
    if (id === undefined || previous === serviceId) return
    this.#serviceQueues.dissociate(party, previous, id)
    this.#serviceQueues.associate(party, serviceId, id)
    this.records.put(rcvId, withService(queue, party, serviceId))
  }

  /** Deletes a queue with everything that belongs to it but its messages. */
  delete(queue: QueueRec): void {
    const { rcvId, sndId, linkId } = queue
    this.#reserved.add(rcvId)
    if (linkId !== undefined) this.#reserved.add(linkId)
    this.#links.drop(queue)
    this.#notifiers.drop(queue)
    this.#serviceQueues.dissociate('R', queue.rcvServiceId, rcvId)
    this.senders.remove(sndId)
    this.records.remove(rcvId)
    this.#counts.add('queues', -1)
  }

  #isTaken(linkId: LinkId): boolean {
    return this.#links.owners.has(linkId) || this.#reserved.has(linkId)
  }
}
