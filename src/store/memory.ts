import type { AuthKey } from '../crypto/keys.ts'
import { idHash, idsHashLength, xorHash } from '../crypto/ids-hash.ts'
import {
  idToBytes,
  type LinkId,
  type MsgId,
  type NotifierId,
  type RcvId,
  type ServiceId,
  type SndId,
} from '../protocol/ids.ts'
import { withLink, withNotifier, withService } from './queue-record.ts'
import { admission } from './quota.ts'
import { ReservedIds } from './reserved-ids.ts'
import { inSlices } from './slices.ts'
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
  Store,
  StoreCounts,
  StoreOptions,
  TakenId,
  WriteResult,
} from './store.ts'

/** A store that keeps everything in memory and nothing on disk: for tests, and for relays that want to forget. */
export function openMemoryStore(options: StoreOptions): Store {
  return new MemoryStore(options.quota)
}

interface QueueMessages {
  entries: Message[]
  canWrite: boolean
}

interface Association {
  readonly ids: Set<RcvId | NotifierId>
  idsHash: Buffer
}

class MemoryStore implements Store {
  readonly #quota: number
  readonly #queues = new Map<RcvId, QueueRec>()
  readonly #senders = new Map<SndId, RcvId>()
  readonly #notifiers = new Map<NotifierId, RcvId>()
  readonly #links = new Map<LinkId, { readonly rcvId: RcvId; readonly data: LinkData }>()
  readonly #messages = new Map<RcvId, QueueMessages>()
  readonly #notifications = new Map<NotifierId, Notification[]>()
  readonly #services = new Map<ServiceId, ServiceRec>()
  readonly #servicesByCertHash = new Map<string, ServiceId>()
  readonly #associations = { R: new Map<ServiceId, Association>(), N: new Map<ServiceId, Association>() }
  readonly #reserved = new ReservedIds()
  readonly #counts = { messages: 0, notifications: 0, R: 0, N: 0 }

  constructor(quota: number) {
    this.#quota = quota
  }

  addQueue(queue: QueueRec, link?: LinkData): TakenId | undefined {
    const { rcvId, sndId, notifier, linkId } = queue
    if (this.#queues.has(rcvId) || this.#reserved.has(rcvId)) return 'rcvId'
    if (this.#senders.has(sndId)) return 'sndId'
    if (notifier !== undefined && this.#notifiers.has(notifier.notifierId)) return 'notifierId'
    if (linkId !== undefined && (this.#links.has(linkId) || this.#reserved.has(linkId))) return 'linkId'
    if ((linkId === undefined) !== (link === undefined)) throw new Error('a link id comes with its data')
    this.#queues.set(rcvId, queue)
    this.#senders.set(sndId, rcvId)
    if (linkId !== undefined && link !== undefined) this.#links.set(linkId, { rcvId, data: link })
    if (notifier !== undefined) {
      this.#notifiers.set(notifier.notifierId, rcvId)
      this.#associate('N', notifier.serviceId, notifier.notifierId)
    }
    this.#associate('R', queue.rcvServiceId, rcvId)
    return undefined
  }

  queue(rcvId: RcvId): QueueRec | undefined {
    return this.#queues.get(rcvId)
  }

  queueBySender(sndId: SndId): QueueRec | undefined {
    return this.#byIndex(this.#senders.get(sndId))
  }

  queueByNotifier(notifierId: NotifierId): QueueRec | undefined {
    return this.#byIndex(this.#notifiers.get(notifierId))
  }

  queueByLink(linkId: LinkId): QueueRec | undefined {
    return this.#byIndex(this.#links.get(linkId)?.rcvId)
  }

  queues(): Iterable<QueueRec> {
    return this.#queues.values()
  }

  linkData(linkId: LinkId): LinkData | undefined {
    return this.#links.get(linkId)?.data
  }

  setLink(rcvId: RcvId, linkId: LinkId, data: LinkData): 'ok' | 'taken' {
    const queue = this.#require(rcvId)
    if (queue.linkId !== linkId) {
      if (this.#links.has(linkId) || this.#reserved.has(linkId)) return 'taken'
      if (queue.linkId !== undefined) this.#links.delete(queue.linkId)
      this.#queues.set(rcvId, withLink(queue, linkId))
    }
    this.#links.set(linkId, { rcvId, data })
    return 'ok'
  }

  deleteLink(rcvId: RcvId): void {
    const queue = this.#require(rcvId)
    if (queue.linkId === undefined) return
    this.#links.delete(queue.linkId)
    this.#queues.set(rcvId, withLink(queue, undefined))
  }

  secureQueue(rcvId: RcvId, senderKey: AuthKey): void {
    this.#queues.set(rcvId, { ...this.#require(rcvId), senderKey })
  }

  setRecipientKeys(rcvId: RcvId, recipientKeys: readonly AuthKey[]): void {
    this.#queues.set(rcvId, { ...this.#require(rcvId), recipientKeys })
  }

  setStatus(rcvId: RcvId, status: QueueStatus): void {
    this.#queues.set(rcvId, { ...this.#require(rcvId), status })
  }

  touchQueue(rcvId: RcvId, day: number): void {
    this.#queues.set(rcvId, { ...this.#require(rcvId), updatedAt: day })
  }

  setNotifier(rcvId: RcvId, notifier: NotifierRec): 'ok' | 'taken' {
    const { notifierId } = notifier
    const owner = this.#notifiers.get(notifierId)
    const queue = this.#require(rcvId)
    if (owner !== undefined && owner !== rcvId) return 'taken'
    this.#dropNotifier(queue, notifierId)
    this.#notifiers.set(notifierId, rcvId)
    this.#associate('N', notifier.serviceId, notifierId)
    this.#queues.set(rcvId, withNotifier(queue, notifier))
    return 'ok'
  }

  deleteNotifier(rcvId: RcvId): NotifierRec | undefined {
    const queue = this.#require(rcvId)
    if (queue.notifier === undefined) return undefined
    this.#dropNotifier(queue)
    this.#queues.set(rcvId, withNotifier(queue, undefined))
    return queue.notifier
  }

  deleteQueue(rcvId: RcvId): number | undefined {
    const queue = this.#queues.get(rcvId)
    if (queue === undefined) return undefined
    const deleted = this.queueSize(rcvId)
    this.#counts.messages -= deleted
    this.#messages.delete(rcvId)
    this.#senders.delete(queue.sndId)
    this.#reserved.add(rcvId)
    if (queue.linkId !== undefined) {
      this.#links.delete(queue.linkId)
      this.#reserved.add(queue.linkId)
    }
    this.#dropNotifier(queue)
    this.#dissociate('R', queue.rcvServiceId, rcvId)
    this.#queues.delete(rcvId)
    return deleted
  }

  writeMessage(rcvId: RcvId, message: OrdinaryMessage): WriteResult {
    this.#require(rcvId)
    const queue = this.#messages.get(rcvId) ?? { entries: [], canWrite: true }
    const { entries } = queue
    const wasEmpty = entries.length === 0
    const admitted = admission({ canWrite: queue.canWrite, size: entries.length }, this.#quota)
    if (admitted === 'nothing') return { stored: false }
    queue.canWrite = admitted === 'message'
    entries.push(admitted === 'message' ? message : { type: 'quota', id: message.id, timestamp: message.timestamp })
    this.#messages.set(rcvId, queue)
    this.#counts.messages++
    return admitted === 'message' ? { stored: true, wasEmpty } : { stored: false }
  }

  restoreMarker(rcvId: RcvId, marker: QuotaMarker): void {
    this.#require(rcvId)
    if (this.firstMessage(rcvId)?.type === 'quota') this.#removeFirst(rcvId)
    const entries = this.#messages.get(rcvId)?.entries ?? []
    entries.push(marker)
    this.#messages.set(rcvId, { entries, canWrite: false })
    this.#counts.messages++
  }

  firstMessage(rcvId: RcvId): Message | undefined {
    return this.#messages.get(rcvId)?.entries[0]
  }

  deleteFirstMessage(rcvId: RcvId, msgId: MsgId): Message | undefined {
    const first = this.firstMessage(rcvId)
    if (first?.id !== msgId) return undefined
    this.#removeFirst(rcvId)
    return first
  }

  messages(rcvId: RcvId): Iterable<Message> {
    return this.#messages.get(rcvId)?.entries ?? []
  }

  queueSize(rcvId: RcvId): number {
    return this.#messages.get(rcvId)?.entries.length ?? 0
  }

  expireMessages(rcvId: RcvId, before: number): number {
    let expired = 0
    for (;;) {
      const first = this.firstMessage(rcvId)
      if (first?.type !== 'message' || first.timestamp >= before) return expired
      this.#removeFirst(rcvId)
      expired++
    }
  }

  async expireQueues(before: number): Promise<ExpiryResult> {
    let expired = 0
    await inSlices(this.#messages.keys(), (rcvId) => {
      expired += this.expireMessages(rcvId, before)
    })
    return { expired, stored: this.#counts.messages, queues: this.#queues.size }
  }

  addNotification(notifierId: NotifierId, notification: Notification): void {
    if (!this.#notifiers.has(notifierId)) return
    const pending = this.#notifications.get(notifierId)
    if (pending === undefined) this.#notifications.set(notifierId, [notification])
    else pending.push(notification)
    this.#counts.notifications++
  }

  notifications(notifierId: NotifierId, limit?: number): Notification[] {
    return this.#notifications.get(notifierId)?.slice(0, limit) ?? []
  }

  deleteNotifications(notifierId: NotifierId, count: number): void {
    const pending = this.#notifications.get(notifierId)
    if (pending === undefined) return
    this.#counts.notifications -= pending.splice(0, count).length
    if (pending.length === 0) this.#notifications.delete(notifierId)
  }

  async expireNotifications(before: number): Promise<number> {
    let expired = 0
    await inSlices(this.#notifications, ([notifierId, pending]) => {
      const fresh = pending.findIndex((notification) => notification.timestamp >= before)
      const old = fresh === -1 ? pending.length : fresh
      this.deleteNotifications(notifierId, old)
      expired += old
    })
    return expired
  }

  service(serviceId: ServiceId): ServiceRec | undefined {
    return this.#services.get(serviceId)
  }

  serviceByCertHash(certHash: Buffer): ServiceRec | undefined {
    const serviceId = this.#servicesByCertHash.get(certHash.toString('latin1'))
    return serviceId === undefined ? undefined : this.#services.get(serviceId)
  }

  services(): Iterable<ServiceRec> {
    return this.#services.values()
  }

  addService(service: ServiceRec): 'ok' | 'taken' {
    const certHash = service.certHash.toString('latin1')
    if (this.#services.has(service.serviceId) || this.#servicesByCertHash.has(certHash)) return 'taken'
    this.#services.set(service.serviceId, service)
    this.#servicesByCertHash.set(certHash, service.serviceId)
    return 'ok'
  }

  setQueueService(rcvId: RcvId, party: ServiceParty, serviceId: ServiceId | undefined): void {
    const queue = this.#require(rcvId)
    const id = party === 'R' ? rcvId : queue.notifier?.notifierId
    const previous = party === 'R' ? queue.rcvServiceId : queue.notifier?.serviceId
    if (id === undefined || previous === serviceId) return
    this.#dissociate(party, previous, id)
    this.#associate(party, serviceId, id)
    this.#queues.set(rcvId, withService(queue, party, serviceId))
  }

  serviceSubscriptions(serviceId: ServiceId, party: ServiceParty): ServiceSubscriptions {
    const association = this.#associations[party].get(serviceId)
    if (association === undefined) return { count: 0, idsHash: Buffer.alloc(idsHashLength) }
    return { count: association.ids.size, idsHash: association.idsHash }
  }

  serviceQueues(serviceId: ServiceId, party: 'R'): Iterable<RcvId>
  serviceQueues(serviceId: ServiceId, party: 'N'): Iterable<NotifierId>
  serviceQueues(serviceId: ServiceId, party: ServiceParty): Iterable<RcvId | NotifierId> {
    return this.#associations[party].get(serviceId)?.ids ?? []
  }

  counts(): StoreCounts {
    let rcvServices = 0
    let ntfServices = 0
    for (const service of this.#services.values()) {
      if (service.role === 'M') rcvServices++
      else if (service.role === 'N') ntfServices++
    }
    return {
      queues: this.#queues.size,
      messages: this.#counts.messages,
      notifications: this.#counts.notifications,
      notifiers: this.#notifiers.size,
      rcvServices,
      ntfServices,
      rcvServiceQueues: this.#counts.R,
      ntfServiceQueues: this.#counts.N,
    }
  }

  flushed(): Promise<void> {
    return Promise.resolve()
  }

  close(): Promise<void> {
    return Promise.resolve()
  }

  #byIndex(rcvId: RcvId | undefined): QueueRec | undefined {
    return rcvId === undefined ? undefined : this.#queues.get(rcvId)
  }

  #require(rcvId: RcvId): QueueRec {
    const queue = this.#queues.get(rcvId)
    if (queue === undefined) throw new Error('no such queue')
    return queue
  }

  #removeFirst(rcvId: RcvId): void {
    const entries = this.#messages.get(rcvId)?.entries
    if (entries?.shift() === undefined) return
    this.#counts.messages--
    if (entries.length === 0) this.#messages.delete(rcvId)
  }

  /** Forgets the notifier of a queue; its pending notifications too, unless the new one has the same id. */
  #dropNotifier(queue: QueueRec, nextId?: NotifierId): void {
    if (queue.notifier === undefined) return
    const { notifierId, serviceId } = queue.notifier
    this.#dissociate('N', serviceId, notifierId)
    if (notifierId === nextId) return
    this.#notifiers.delete(notifierId)
    this.deleteNotifications(notifierId, Infinity)
  }

  #associate(party: ServiceParty, serviceId: ServiceId | undefined, id: RcvId | NotifierId): void {
    if (serviceId === undefined) return
    const associations = this.#associations[party]
    const association = associations.get(serviceId)
    const hash = idHash(idToBytes(id))
    if (association === undefined) associations.set(serviceId, { ids: new Set([id]), idsHash: hash })
    else {
      association.ids.add(id)
      association.idsHash = xorHash(association.idsHash, hash)
    }
    this.#counts[party]++
  }

  #dissociate(party: ServiceParty, serviceId: ServiceId | undefined, id: RcvId | NotifierId): void {
    if (serviceId === undefined) return
    const association = this.#associations[party].get(serviceId)
    if (association?.ids.delete(id) !== true) return
    association.idsHash = xorHash(association.idsHash, idHash(idToBytes(id)))
    if (association.ids.size === 0) this.#associations[party].delete(serviceId)
    this.#counts[party]--
  }
}
