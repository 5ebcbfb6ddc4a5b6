import type { NotifierId, RcvId } from '../../protocol/ids.ts'
import type { NotifierRec, QueueRec } from '../store.ts'
import type { Counts } from './counts.ts'
import type { Notifications } from './notifications.ts'
import type { ServiceQueues } from './service-queues.ts'
import type { Table } from './table.ts'

/** Which queue each notifier belongs to, and what ends with a notifier. */
export class Notifiers {
  /** The recipient id of each notifier's queue; to be read from only. */
  readonly owners: Table<RcvId>
  readonly #notifications: Notifications
  readonly #serviceQueues: ServiceQueues
  readonly #counts: Counts

  constructor(owners: Table<RcvId>, notifications: Notifications, serviceQueues: ServiceQueues, counts: Counts) {
    this.owners = owners
    this.#notifications = notifications
    this.#serviceQueues = serviceQueues
    this.#counts = counts
  }

  add(notifier: NotifierRec, rcvId: RcvId): void {
    this.owners.insert(notifier.notifierId, rcvId)
    this.#serviceQueues.associate('N', notifier.serviceId, notifier.notifierId)
    this.#counts.add('notifiers', 1)
  }

  /** Puts `notifier`, whose id is no other queue's, in the place of the one of `queue`, if it has one. */
  replace(queue: QueueRec, notifier: NotifierRec): void {
    const sameId = this.owners.has(notifier.notifierId) ? notifier.notifierId : undefined
    this.drop(queue, sameId)
    if (sameId === undefined) this.add(notifier, queue.rcvId)
    else this.#serviceQueues.associate('N', notifier.serviceId, sameId)
  }

  /** Forgets the notifier of a queue; when the next one has the same id, only its association. */
  drop({ notifier }: QueueRec, nextId?: NotifierId): void {
    if (notifier === undefined) return
    this.#serviceQueues.dissociate('N', notifier.serviceId, notifier.notifierId)
    if (notifier.notifierId === nextId) return
    this.owners.remove(notifier.notifierId)
    this.#notifications.deleteAll(notifier.notifierId)
    this.#counts.add('notifiers', -1)
  }
}
