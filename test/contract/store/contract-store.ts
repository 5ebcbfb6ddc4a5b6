import type { AuthKey } from '../../../src/crypto/keys.ts'
import type { EntityId, LinkId, MsgId, NotifierId, RcvId, ServiceId, SndId } from '../../../src/protocol/ids.ts'
import type {
  ExpiryResult,
  LinkData,
  Message,
  Notification,
  NotifierRec,
  OrdinaryMessage,
  QueueRec,
  QueueStatus,
  ServiceParty,
  ServiceRec,
  ServiceSubscriptions,
  StoreCounts,
  TakenId,
  WriteResult,
} from '../../../src/store/store.ts'
import type { StoreWalks } from '../../../src/store/walks.ts'
import type { Needs, QueueNeed, Work, WorkStore } from '../../../src/store/work.ts'

/** What a contract test needs of an engine. */
export interface Engine {
  readonly store: WorkStore
  readonly walks: StoreWalks
  /** Resolves when everything that was done is there for everybody to see. */
  settled(): Promise<void> | void
  /** Resolves when everything that was done is durable. */
  flushed(): Promise<void>
  /** Closes the store and removes what it kept. */
  close(): Promise<void>
}

const MANY = 1000
const about = (...queues: QueueNeed[]): Needs => ({ queues })
const byRcvId = (id: RcvId): Needs => about({ by: 'rcvId', id, messages: MANY, link: true })

/**
 * A store call by call, each in a unit of work of its own: the same for every engine. What each unit needs is stated as
 * the handlers of commands state it.
 */
export class ContractStore {
  readonly #engine: Engine

  constructor(engine: Engine) {
    this.#engine = engine
  }

  addQueue(queue: QueueRec, link?: LinkData): Promise<TakenId | undefined> {
    const { rcvId, sndId, linkId, notifier } = queue
    const newIds = [rcvId, sndId, linkId, notifier?.notifierId].filter((id) => id !== undefined)
    return this.#unit({ newIds }, (work) => work.addQueue(queue, link))
  }

  queue(rcvId: RcvId): Promise<QueueRec | undefined> {
    return this.#unit(byRcvId(rcvId), (work) => work.queue(rcvId))
  }

  queueBySender(id: SndId): Promise<QueueRec | undefined> {
    return this.#unit(about({ by: 'sndId', id }), (work) => work.queueBySender(id))
  }

  queueByNotifier(id: NotifierId): Promise<QueueRec | undefined> {
    return this.#unit(about({ by: 'notifierId', id }), (work) => work.queueByNotifier(id))
  }

  queueByLink(id: LinkId): Promise<QueueRec | undefined> {
    return this.#unit(about({ by: 'linkId', id }), (work) => work.queueByLink(id))
  }

  linkData(id: LinkId): Promise<LinkData | undefined> {
    return this.#unit(about({ by: 'linkId', id, link: true }), (work) => work.linkData(id))
  }

  setLink(rcvId: RcvId, linkId: LinkId, data: LinkData): Promise<'ok' | 'taken'> {
    return this.#onQueue(rcvId, (work) => work.setLink(rcvId, linkId, data), linkId)
  }

  deleteLink(rcvId: RcvId): Promise<void> {
    return this.#onQueue(rcvId, (work) => work.deleteLink(rcvId))
  }

  secureQueue(rcvId: RcvId, key: AuthKey): Promise<void> {
    return this.#onQueue(rcvId, (work) => work.secureQueue(rcvId, key))
  }

  setRecipientKeys(rcvId: RcvId, keys: readonly AuthKey[]): Promise<void> {
    return this.#onQueue(rcvId, (work) => work.setRecipientKeys(rcvId, keys))
  }

  setStatus(rcvId: RcvId, status: QueueStatus): Promise<void> {
    return this.#onQueue(rcvId, (work) => work.setStatus(rcvId, status))
  }

  touchQueue(rcvId: RcvId, day: number): Promise<void> {
    return this.#onQueue(rcvId, (work) => work.touchQueue(rcvId, day))
  }

  setNotifier(rcvId: RcvId, notifier: NotifierRec): Promise<'ok' | 'taken'> {
    return this.#onQueue(rcvId, (work) => work.setNotifier(rcvId, notifier), notifier.notifierId)
  }

  deleteNotifier(rcvId: RcvId): Promise<NotifierRec | undefined> {
    return this.#onQueue(rcvId, (work) => work.deleteNotifier(rcvId))
  }

  deleteQueue(rcvId: RcvId): Promise<number | undefined> {
    return this.#onQueue(rcvId, (work) => work.deleteQueue(rcvId))
  }

  writeMessage(rcvId: RcvId, message: OrdinaryMessage): Promise<WriteResult> {
    return this.#unit(about({ by: 'rcvId', id: rcvId }), (work) => work.writeMessage(rcvId, message))
  }

  firstMessage(id: RcvId): Promise<Message | undefined> {
    return this.#unit(about({ by: 'rcvId', id, messages: 1 }), (work) => work.firstMessage(id))
  }

  deleteFirstMessage(id: RcvId, msgId: MsgId): Promise<Message | undefined> {
    return this.#unit(about({ by: 'rcvId', id, messages: 1 }), (work) => work.deleteFirstMessage(id, msgId))
  }

  async messages(rcvId: RcvId): Promise<Message[]> {
    const found: Message[] = []
    await this.#engine.settled()
    for await (const page of this.#engine.walks.messages()) {
      for (const entry of page) if (entry.rcvId === rcvId) found.push(entry.message)
    }
    return found
  }

  queueSize(id: RcvId): Promise<number> {
    return this.#unit(about({ by: 'rcvId', id }), (work) => work.queueSize(id))
  }

  expireMessages(id: RcvId, before: number): Promise<number> {
    return this.#unit(about({ by: 'rcvId', id, expiredBefore: before }), (work) => work.expireMessages(id, before))
  }

  addNotification(id: NotifierId, notification: Notification): Promise<void> {
    return this.#unit(about({ by: 'notifierId', id, notifications: MANY }), (work) =>
      work.addNotification(id, notification),
    )
  }

  notifications(id: NotifierId, limit?: number): Promise<Notification[]> {
    const notifications = limit ?? MANY
    return this.#unit(about({ by: 'notifierId', id, notifications }), (work) => work.notifications(id, limit))
  }

  deleteNotifications(id: NotifierId, count: number): Promise<void> {
    return this.#unit(about({ by: 'notifierId', id, notifications: MANY }), (work) =>
      work.deleteNotifications(id, count),
    )
  }

  service(serviceId: ServiceId): Promise<ServiceRec | undefined> {
    return this.#unit({ services: [serviceId] }, (work) => work.service(serviceId))
  }

  serviceByCertHash(certHash: Buffer): Promise<ServiceRec | undefined> {
    return this.#unit({ certHash }, (work) => work.serviceByCertHash(certHash))
  }

  addService(service: ServiceRec): Promise<'ok' | 'taken'> {
    const { serviceId, certHash } = service
    return this.#unit({ services: [serviceId], certHash }, (work) => work.addService(service))
  }

  setQueueService(rcvId: RcvId, party: ServiceParty, serviceId: ServiceId | undefined): Promise<void> {
    return this.#onQueue(rcvId, (work) => work.setQueueService(rcvId, party, serviceId))
  }

  serviceSubscriptions(serviceId: ServiceId, party: ServiceParty): Promise<ServiceSubscriptions> {
    return this.#unit({ services: [serviceId] }, (work) => work.serviceSubscriptions(serviceId, party))
  }

  async queues(): Promise<QueueRec[]> {
    return (await this.#collected((walks) => walks.queues())).map(({ queue }) => queue)
  }

  services(): Promise<ServiceRec[]> {
    return this.#collected((walks) => walks.services())
  }

  serviceQueues(serviceId: ServiceId, party: ServiceParty): Promise<string[]> {
    return this.#collected((walks) => walks.serviceQueues(serviceId, party))
  }

  async counts(): Promise<StoreCounts> {
    await this.#engine.settled()
    return await this.#engine.walks.counts()
  }

  async expireQueues(before: number): Promise<ExpiryResult> {
    await this.#engine.settled()
    return await this.#engine.store.expireQueues(before)
  }

  async expireNotifications(before: number): Promise<number> {
    await this.#engine.settled()
    return await this.#engine.store.expireNotifications(before)
  }

  async removeUnusedServices(): Promise<void> {
    await this.#engine.settled()
    await this.#engine.store.removeUnusedServices()
  }

  /** Several calls in one unit of work. */
  async unit<T>(needs: Needs, decide: (work: Work) => T): Promise<T> {
    return await this.#unit(needs, decide)
  }

  flushed(): Promise<void> {
    return this.#engine.flushed()
  }

  #onQueue<T>(rcvId: RcvId, decide: (work: Work) => T, newId?: EntityId): Promise<T> {
    return this.#unit({ ...byRcvId(rcvId), ...(newId !== undefined && { newIds: [newId] }) }, decide)
  }

  async #unit<T>(needs: Needs, decide: (work: Work) => T): Promise<T> {
    const result = await this.#engine.store.run(() => needs, decide)
    // Clients are answered after that.
    await this.#engine.settled()
    return result
  }

  async #collected<T>(walk: (walks: StoreWalks) => AsyncIterable<readonly T[]>): Promise<T[]> {
    await this.#engine.settled()
    const all: T[] = []
    for await (const page of walk(this.#engine.walks)) all.push(...page)
    return all
  }
}
