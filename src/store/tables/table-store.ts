import type { AuthKey } from '../../crypto/keys.ts'
import type { LinkId, MsgId, NotifierId, RcvId, ServiceId, SndId } from '../../protocol/ids.ts'
import type {
  ExpiryResult,
  LinkData,
  Message,
  Notification,
  NotifierRec,
  OrdinaryMessage,
  QueueRec,
  QueueStatus,
  QuotaMarker,
  ServiceParty,
  ServiceRec,
  ServiceSubscriptions,
  StoreCounts,
  StoreOptions,
  TakenId,
  WriteResult,
} from '../store.ts'
import { Counts } from './counts.ts'
import { Links } from './links.ts'
import { Messages } from './messages.ts'
import { Notifications } from './notifications.ts'
import { Notifiers } from './notifiers.ts'
import { Queues } from './queues.ts'
import { ServiceQueues } from './service-queues.ts'
import { Services } from './services.ts'
import { inSlices } from './slices.ts'
import type { Tables } from './tables.ts'
import type { EmbeddedStore, Needs, Work } from '../work.ts'

/** What makes the effects of a store durable. */
export interface Commit {
  /** See {@link Store.flushed}. */
  flushed(): Promise<void>
  /** Closes the engine; everything is durable by now, or lost. */
  close(): Promise<void>
}

/** The store over tables of any engine: its parts share the tables, and `commit` makes what they did durable. */
export class TableStore implements EmbeddedStore {
  readonly loads = false
  readonly #commit: Commit
  readonly #adjustExpiry: (before: number) => number
  readonly #queues: Queues
  readonly #links: Links
  readonly #notifiers: Notifiers
  readonly #messages: Messages
  readonly #notifications: Notifications
  readonly #services: Services
  readonly #serviceQueues: ServiceQueues
  readonly #counts: Counts

  constructor(tables: Tables, commit: Commit, { quota, adjustExpiry = (before) => before }: StoreOptions) {
    this.#commit = commit
    this.#adjustExpiry = adjustExpiry
    const counts = (this.#counts = new Counts(tables.counts))
    const links = (this.#links = new Links(tables.links, tables.linkData))
    this.#services = new Services(tables, counts)
    const serviceQueues = (this.#serviceQueues = new ServiceQueues(tables, this.#services, counts))
    this.#messages = new Messages(tables.messages, counts, quota)
    this.#notifications = new Notifications(tables.notifications, counts, () => commit.flushed())
    const notifiers = (this.#notifiers = new Notifiers(tables.notifiers, this.#notifications, serviceQueues, counts))
    this.#queues = new Queues(tables, { links, notifiers, serviceQueues, counts })
  }

  /** Everything is at hand. */
  run<T>(_needs: () => Needs, decide: (work: Work) => T): T {
    return decide(this)
  }

  /** There is no other relay. */
  claim(): boolean {
    return false
  }

  isElsewhere(): boolean {
    return false
  }

  committed(): Promise<void> {
    return this.flushed()
  }

  addQueue(queue: QueueRec, link?: LinkData): TakenId | undefined {
    return this.#queues.add(queue, link)
  }

  queue(rcvId: RcvId): QueueRec | undefined {
    return this.#queues.records.get(rcvId)
  }

  queueBySender(sndId: SndId): QueueRec | undefined {
    return this.#queues.found(this.#queues.senders.get(sndId))
  }

  queueByNotifier(notifierId: NotifierId): QueueRec | undefined {
    return this.#queues.found(this.#notifiers.owners.get(notifierId))
  }

  queueByLink(linkId: LinkId): QueueRec | undefined {
    return this.#queues.found(this.#links.owners.get(linkId))
  }

  queues(): Iterable<QueueRec> {
    return this.#queues.all()
  }

  linkData(linkId: LinkId): LinkData | undefined {
    return this.#links.data(linkId)
  }

  setLink(rcvId: RcvId, linkId: LinkId, data: LinkData): 'ok' | 'taken' {
    return this.#queues.setLink(rcvId, linkId, data)
  }

  deleteLink(rcvId: RcvId): void {
    this.#queues.deleteLink(rcvId)
  }

  secureQueue(rcvId: RcvId, senderKey: AuthKey): void {
    this.#queues.change(rcvId, { senderKey })
  }

  setRecipientKeys(rcvId: RcvId, recipientKeys: readonly AuthKey[]): void {
    this.#queues.change(rcvId, { recipientKeys })
  }

  setStatus(rcvId: RcvId, status: QueueStatus): void {
    this.#queues.change(rcvId, { status })
  }

  touchQueue(rcvId: RcvId, day: number): void {
    this.#queues.change(rcvId, { updatedAt: day })
  }

  setNotifier(rcvId: RcvId, notifier: NotifierRec): 'ok' | 'taken' {
    return this.#queues.setNotifier(rcvId, notifier)
  }

  deleteNotifier(rcvId: RcvId): NotifierRec | undefined {
    return this.#queues.deleteNotifier(rcvId)
  }

  deleteQueue(rcvId: RcvId): number | undefined {
    const queue = this.#queues.records.get(rcvId)
    if (queue === undefined) return undefined
    const deleted = this.#messages.deleteAll(rcvId)
    this.#queues.delete(queue)
    return deleted
  }

  writeMessage(rcvId: RcvId, message: OrdinaryMessage): WriteResult {
    this.#queues.require(rcvId)
    return this.#messages.write(rcvId, message)
  }

  restoreMarker(rcvId: RcvId, marker: QuotaMarker): void {
    this.#queues.require(rcvId)
    this.#messages.restoreMarker(rcvId, marker)
  }

  firstMessage(rcvId: RcvId): Message | undefined {
    return this.#messages.lists.first(rcvId)
  }

  deleteFirstMessage(rcvId: RcvId, msgId: MsgId): Message | undefined {
    return this.#messages.deleteFirst(rcvId, msgId)
  }

  messages(rcvId: RcvId): Iterable<Message> {
    return this.#messages.lists.entries(rcvId)
  }

  queueSize(rcvId: RcvId): number {
    return this.#messages.lists.size(rcvId)
  }

  expireMessages(rcvId: RcvId, before: number): number {
    return this.#messages.expire(rcvId, this.#adjustExpiry(before))
  }

  async expireQueues(before: number): Promise<ExpiryResult> {
    const expired = await this.#messages.expireAll(this.#adjustExpiry(before))
    const { messages, queues } = this.counts()
    return { expired, stored: messages, queues }
  }

  addNotification(notifierId: NotifierId, notification: Notification): void {
    if (this.#notifiers.owners.has(notifierId)) this.#notifications.add(notifierId, notification)
  }

  notifications(notifierId: NotifierId, limit = Infinity): Notification[] {
    return this.#notifications.first(notifierId, limit)
  }

  deleteNotifications(notifierId: NotifierId, count: number): void {
    this.#notifications.deleteFirst(notifierId, count)
  }

  expireNotifications(before: number): Promise<number> {
    return this.#notifications.expire(this.#adjustExpiry(before))
  }

  service(serviceId: ServiceId): ServiceRec | undefined {
    return this.#services.get(serviceId)
  }

  serviceByCertHash(certHash: Buffer): ServiceRec | undefined {
    return this.#services.getByCertHash(certHash)
  }

  services(): Iterable<ServiceRec> {
    return this.#services.all()
  }

  addService(service: ServiceRec): 'ok' | 'taken' {
    return this.#services.add(service)
  }

  async removeUnusedServices(): Promise<void> {
    await inSlices(this.#services.all(), ({ serviceId }) => this.#serviceQueues.removeUnused(serviceId))
  }

  async dropMessages(): Promise<number> {
    let dropped = 0
    await inSlices(this.#messages.lists.ids(), (rcvId) => {
      dropped += this.#messages.deleteAll(rcvId as RcvId)
    })
    await this.#notifications.dropAll()
    return dropped
  }

  setQueueService(rcvId: RcvId, party: ServiceParty, serviceId: ServiceId | undefined): void {
    this.#queues.setService(rcvId, party, serviceId)
  }

  serviceSubscriptions(serviceId: ServiceId, party: ServiceParty): ServiceSubscriptions {
    return this.#serviceQueues.subscriptions(serviceId, party)
  }

  serviceQueues(serviceId: ServiceId, party: 'R'): Iterable<RcvId>
  serviceQueues(serviceId: ServiceId, party: 'N'): Iterable<NotifierId>
  serviceQueues(serviceId: ServiceId, party: ServiceParty): Iterable<RcvId | NotifierId> {
    return this.#serviceQueues.ids(serviceId, party)
  }

  counts(): StoreCounts {
    return this.#counts.all()
  }

  flushed(): Promise<void> {
    return this.#commit.flushed()
  }

  async close(): Promise<void> {
    this.#notifications.stop()
    try {
      await this.#commit.flushed()
    } finally {
      await this.#commit.close()
    }
  }
}
