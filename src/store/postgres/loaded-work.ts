import type { AuthKey } from '../../crypto/keys.ts'
import { idHash, idsHashLength, xorHash } from '../../crypto/ids-hash.ts'
import {
  idToBytes,
  type LinkId,
  type MsgId,
  type NotifierId,
  type RcvId,
  type ServiceId,
  type SndId,
} from '../../protocol/ids.ts'
import type {
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
  TakenId,
  WriteResult,
} from '../store.ts'
import { withLink, withNotifier, withService } from '../tables/queue-record.ts'
import type { ClaimKind, WakeKind, Work } from '../work.ts'
import { LoadedQueue } from './loaded-queue.ts'
import { PendingNotifications } from './pending-notifications.ts'
import { Commit } from './commit.ts'
import { wakeText } from './wake.ts'

type Owned = RcvId | NotifierId | ServiceId

const NO_SUBSCRIPTIONS: ServiceSubscriptions = { count: 0, idsHash: Buffer.alloc(idsHashLength) }

export interface LoadedService {
  /** As in the database; undefined when it is new. */
  readonly stored: boolean
  readonly service: ServiceRec
  subscriptions: ServiceSubscriptions
}

/**
 * What one transaction has loaded, and what the units of work in it have made of it. Units see what earlier ones did.
 * Nothing is written here: {@link writeChanges} reads what is different.
 */
export class LoadedWork implements Work {
  readonly queues = new Map<RcvId, LoadedQueue>()
  readonly services = new Map<ServiceId, LoadedService>()
  /** Of notifiers, by their ids. */
  readonly pending = new Map<NotifierId, PendingNotifications>()
  /** Ids that are taken, also by deleted queues; the same id may be of two kinds. */
  readonly taken = {
    rcvIds: new Set<RcvId>(),
    sndIds: new Set<SndId>(),
    notifierIds: new Set<NotifierId>(),
    linkIds: new Set<LinkId>(),
  }
  /** Which relay pushes what arrives for an id, as loaded. */
  readonly owners = new Map<Owned, number>()
  /** Ids that this relay pushes for from now on. */
  readonly claimed = new Set<Owned>()
  /** What other relays have to look at once the transaction is committed, by relay. */
  readonly wakes = new Map<number, Set<string>>()
  /** The replies of this transaction promise something that has to be on disk. */
  durable = false
  readonly commit = new Commit()
  readonly #relayId: number
  readonly #quota: number
  readonly #bySender = new Map<SndId, LoadedQueue>()
  readonly #byNotifier = new Map<NotifierId, LoadedQueue>()
  readonly #byLink = new Map<LinkId, LoadedQueue>()

  constructor(relayId: number, quota: number) {
    this.#relayId = relayId
    this.#quota = quota
  }

  addLoaded(queue: LoadedQueue): void {
    const { current } = queue
    if (current === undefined) return
    this.queues.set(current.rcvId, queue)
    this.#bySender.set(current.sndId, queue)
    if (current.notifier !== undefined) this.#byNotifier.set(current.notifier.notifierId, queue)
    if (current.linkId !== undefined) this.#byLink.set(current.linkId, queue)
  }

  /** The queue that a link leads to, as loaded. */
  queueWithLink(linkId: LinkId): LoadedQueue | undefined {
    return this.#byLink.get(linkId)
  }

  addQueue(queue: QueueRec, link?: LinkData): TakenId | undefined {
    const { rcvId, sndId, notifier, linkId } = queue
    if (this.queues.has(rcvId) || this.taken.rcvIds.has(rcvId)) return 'rcvId'
    if (this.queueBySender(sndId) !== undefined || this.taken.sndIds.has(sndId)) return 'sndId'
    if (notifier !== undefined && this.#isNotifierTaken(notifier.notifierId)) return 'notifierId'
    if (linkId !== undefined && this.#isLinkTaken(linkId)) return 'linkId'
    if ((linkId === undefined) !== (link === undefined)) throw new Error('a link id comes with its data')
    const added = new LoadedQueue(queue)
    added.link = link
    added.linkChanged = link !== undefined
    this.addLoaded(added)
    this.#countSubscription('R', queue.rcvServiceId, rcvId, 1)
    if (notifier !== undefined) this.#countSubscription('N', notifier.serviceId, notifier.notifierId, 1)
    this.durable = true
    return undefined
  }

  queue(rcvId: RcvId): QueueRec | undefined {
    return this.queues.get(rcvId)?.current
  }

  queueBySender(sndId: SndId): QueueRec | undefined {
    const queue = this.#bySender.get(sndId)?.current
    return queue?.sndId === sndId ? queue : undefined
  }

  queueByNotifier(notifierId: NotifierId): QueueRec | undefined {
    const queue = this.#byNotifier.get(notifierId)?.current
    return queue?.notifier?.notifierId === notifierId ? queue : undefined
  }

  queueByLink(linkId: LinkId): QueueRec | undefined {
    const queue = this.#byLink.get(linkId)?.current
    return queue?.linkId === linkId ? queue : undefined
  }

  linkData(linkId: LinkId): LinkData | undefined {
    const queue = this.#byLink.get(linkId)
    return queue?.current?.linkId === linkId ? queue.link : undefined
  }

  setLink(rcvId: RcvId, linkId: LinkId, data: LinkData): 'ok' | 'taken' {
    const { queue, current } = this.#require(rcvId)
    if (current.linkId !== linkId && this.#isLinkTaken(linkId)) return 'taken'
    queue.link = data
    queue.linkChanged = true
    this.#replace(queue, withLink(current, linkId))
    this.#byLink.set(linkId, queue)
    return 'ok'
  }

  deleteLink(rcvId: RcvId): void {
    const { queue, current } = this.#require(rcvId)
    if (current.linkId === undefined) return
    queue.link = undefined
    queue.linkChanged = true
    this.#replace(queue, withLink(current, undefined))
  }

  secureQueue(rcvId: RcvId, senderKey: AuthKey): void {
    this.#change(rcvId, { senderKey })
  }

  setRecipientKeys(rcvId: RcvId, recipientKeys: readonly AuthKey[]): void {
    this.#change(rcvId, { recipientKeys })
  }

  setStatus(rcvId: RcvId, status: QueueStatus): void {
    const { current } = this.#require(rcvId)
    this.#change(rcvId, { status })
    if (status.type === 'blocked') this.#wakeOwner('blocked', rcvId, current.rcvServiceId ?? rcvId)
  }

  touchQueue(rcvId: RcvId, day: number): void {
    const { durable } = this
    this.#change(rcvId, { updatedAt: day })
    // Nobody was promised that it is remembered.
    this.durable = durable
  }

  setNotifier(rcvId: RcvId, notifier: NotifierRec): 'ok' | 'taken' {
    const { queue, current } = this.#require(rcvId)
    const kept = current.notifier?.notifierId === notifier.notifierId
    if (!kept && this.#isNotifierTaken(notifier.notifierId)) return 'taken'
    if (current.notifier !== undefined) this.#dropNotifier(current.notifier, kept)
    this.#countSubscription('N', notifier.serviceId, notifier.notifierId, 1)
    this.#replace(queue, withNotifier(current, notifier))
    this.#byNotifier.set(notifier.notifierId, queue)
    return 'ok'
  }

  deleteNotifier(rcvId: RcvId): NotifierRec | undefined {
    const { queue, current } = this.#require(rcvId)
    if (current.notifier === undefined) return undefined
    this.#dropNotifier(current.notifier, false)
    this.#replace(queue, withNotifier(current, undefined))
    return current.notifier
  }

  deleteQueue(rcvId: RcvId): number | undefined {
    const queue = this.queues.get(rcvId)
    const current = queue?.current
    if (queue === undefined || current === undefined) return undefined
    this.#wakeOwner('queue', rcvId, current.rcvServiceId ?? rcvId)
    if (current.notifier !== undefined) this.#dropNotifier(current.notifier, false)
    this.#countSubscription('R', current.rcvServiceId, rcvId, -1)
    this.taken.rcvIds.add(rcvId)
    this.taken.sndIds.add(current.sndId)
    if (current.linkId !== undefined) this.taken.linkIds.add(current.linkId)
    queue.delete()
    this.durable = true
    return queue.size
  }

  writeMessage(rcvId: RcvId, message: OrdinaryMessage): WriteResult {
    const { queue, current } = this.#require(rcvId)
    const { size } = queue
    const result = queue.write(message, this.#quota)
    if (result.stored && result.wasEmpty) this.#wakeOwner('queue', rcvId, current.rcvServiceId ?? rcvId)
    if (queue.size > size) this.durable = true
    return result
  }

  restoreMarker(rcvId: RcvId, marker: QuotaMarker): void {
    this.#require(rcvId).queue.restoreMarker(marker)
    this.durable = true
  }

  firstMessage(rcvId: RcvId): Message | undefined {
    return this.queues.get(rcvId)?.first()
  }

  deleteFirstMessage(rcvId: RcvId, msgId: MsgId): Message | undefined {
    const deleted = this.queues.get(rcvId)?.deleteFirst(msgId)
    if (deleted !== undefined) this.durable = true
    return deleted
  }

  queueSize(rcvId: RcvId): number {
    const queue = this.queues.get(rcvId)
    return queue?.current === undefined ? 0 : queue.size
  }

  expireMessages(rcvId: RcvId, before: number): number {
    return this.queues.get(rcvId)?.expire(before) ?? 0
  }

  addNotification(notifierId: NotifierId, notification: Notification): void {
    const notifier = this.queueByNotifier(notifierId)?.notifier
    if (notifier === undefined) return
    this.#pending(notifierId).add(notification)
    this.#wakeOwner('notifier', notifierId, notifier.serviceId ?? notifierId)
    this.durable = true
  }

  notifications(notifierId: NotifierId, limit = Infinity): Notification[] {
    return this.pending.get(notifierId)?.first(limit) ?? []
  }

  deleteNotifications(notifierId: NotifierId, count: number): void {
    this.pending.get(notifierId)?.deleteFirst(count)
  }

  service(serviceId: ServiceId): ServiceRec | undefined {
    return this.services.get(serviceId)?.service
  }

  serviceByCertHash(certHash: Buffer): ServiceRec | undefined {
    for (const { service } of this.services.values()) if (service.certHash.equals(certHash)) return service
    return undefined
  }

  addService(service: ServiceRec): 'ok' | 'taken' {
    if (this.services.has(service.serviceId) || this.serviceByCertHash(service.certHash) !== undefined) return 'taken'
    this.services.set(service.serviceId, { stored: false, service, subscriptions: NO_SUBSCRIPTIONS })
    this.durable = true
    return 'ok'
  }

  setQueueService(rcvId: RcvId, party: ServiceParty, serviceId: ServiceId | undefined): void {
    const { queue, current } = this.#require(rcvId)
    const id = party === 'R' ? rcvId : current.notifier?.notifierId
    const previous = party === 'R' ? current.rcvServiceId : current.notifier?.serviceId
    if (id === undefined || previous === serviceId) return
    this.#wakeOwner(party === 'R' ? 'queue' : 'notifier', id, previous ?? id)
    this.#countSubscription(party, previous, id, -1)
    this.#countSubscription(party, serviceId, id, 1)
    this.#replace(queue, withService(current, party, serviceId))
  }

  serviceSubscriptions(serviceId: ServiceId): ServiceSubscriptions {
    return this.services.get(serviceId)?.subscriptions ?? NO_SUBSCRIPTIONS
  }

  claim(kind: ClaimKind, id: Owned): boolean {
    const owner = this.owners.get(id)
    if (owner === this.#relayId) return false
    this.owners.set(id, this.#relayId)
    this.claimed.add(id)
    if (owner !== undefined) this.#wake(owner, kind, id)
    return true
  }

  isElsewhere(id: Owned): boolean {
    const owner = this.owners.get(id)
    return owner !== undefined && owner !== this.#relayId
  }

  committed(): Promise<void> {
    return this.commit.done
  }

  #require(rcvId: RcvId): { queue: LoadedQueue; current: QueueRec } {
    const queue = this.queues.get(rcvId)
    if (queue?.current === undefined) throw new Error('no such queue')
    return { queue, current: queue.current }
  }

  #change(rcvId: RcvId, fields: Partial<Pick<QueueRec, 'senderKey' | 'recipientKeys' | 'status' | 'updatedAt'>>): void {
    const { queue, current } = this.#require(rcvId)
    this.#replace(queue, { ...current, ...fields })
  }

  #replace(queue: LoadedQueue, next: QueueRec): void {
    queue.current = next
    this.durable = true
  }

  #isNotifierTaken(id: NotifierId): boolean {
    return this.taken.notifierIds.has(id) || this.queueByNotifier(id) !== undefined
  }

  #isLinkTaken(id: LinkId): boolean {
    return this.taken.linkIds.has(id) || this.queueByLink(id) !== undefined
  }

  #dropNotifier(notifier: NotifierRec, kept: boolean): void {
    const { notifierId, serviceId } = notifier
    this.#countSubscription('N', serviceId, notifierId, -1)
    if (kept) return
    this.#pending(notifierId).deleteAll()
    this.#wakeOwner('notifier', notifierId, serviceId ?? notifierId)
  }

  #pending(notifierId: NotifierId): PendingNotifications {
    const known = this.pending.get(notifierId)
    if (known !== undefined) return known
    const pending = new PendingNotifications()
    this.pending.set(notifierId, pending)
    return pending
  }

  /** What the service's row says by now; the row itself is changed with the queue's. */
  #countSubscription(
    party: ServiceParty,
    serviceId: ServiceId | undefined,
    id: RcvId | NotifierId,
    change: 1 | -1,
  ): void {
    const loaded = serviceId === undefined ? undefined : this.services.get(serviceId)
    if (loaded?.service.role !== (party === 'R' ? 'M' : 'N')) return
    const { count, idsHash } = loaded.subscriptions
    loaded.subscriptions = { count: count + change, idsHash: xorHash(idsHash, idHash(idToBytes(id))) }
  }

  #wakeOwner(kind: WakeKind, id: RcvId | NotifierId, owned: Owned): void {
    const owner = this.owners.get(owned)
    if (owner !== undefined && owner !== this.#relayId) this.#wake(owner, kind, id)
  }

  #wake(relayId: number, kind: WakeKind, id: Owned): void {
    const wakes = this.wakes.get(relayId) ?? new Set()
    this.wakes.set(relayId, wakes.add(wakeText({ kind, id })))
  }
}
