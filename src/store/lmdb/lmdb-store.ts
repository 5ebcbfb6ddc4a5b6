import { idHash, idsHashLength, xorHash } from '../../crypto/ids-hash.ts'
import type { AuthKey } from '../../crypto/keys.ts'
import {
  idToBytes,
  type LinkId,
  type MsgId,
  type NotifierId,
  type RcvId,
  type ServiceId,
  type SndId,
} from '../../protocol/ids.ts'
import { withLink, withNotifier, withService } from '../queue-record.ts'
import { admission } from '../quota.ts'
import { ReservedIds } from '../reserved-ids.ts'
import { inSlices } from '../slices.ts'
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
} from '../store.ts'
import type { Codec } from './codec.ts'
import {
  countsCodec,
  fifoStateCodec,
  linkDataCodec,
  memberCodec,
  messageCodec,
  notificationCodec,
  NOTHING_COUNTED,
  serviceCodec,
  subscriptionsCodec,
  textCodec,
} from './codecs.ts'
import { DiskSpace } from './disk-space.ts'
import { Environment } from './environment.ts'
import { Fifo } from './fifo.ts'
import { GroupCommit } from './group-commit.ts'
import { queueCodec } from './queue-codec.ts'
import { Table, type CommittingTable } from './table.ts'

// What is kept decoded in memory, whatever the number of queues: at most twice these numbers.
const HOT_QUEUES = 4096
const HOT_MESSAGES = 256
const FEW = 64

const COUNTS = 'counts'

export class LmdbStore implements Store {
  readonly #quota: number
  readonly #environment: Environment
  readonly #commit: GroupCommit
  readonly #tables: CommittingTable[] = []
  readonly #queues: Table<QueueRec>
  readonly #senders: Table<RcvId>
  readonly #notifiers: Table<RcvId>
  readonly #links: Table<RcvId>
  readonly #linkData: Table<LinkData>
  readonly #messages: Fifo<Message>
  readonly #notifications: Fifo<Notification>
  readonly #services: Table<ServiceRec>
  readonly #servicesByCertHash: Table<ServiceId>
  readonly #subscriptions: Table<ServiceSubscriptions>
  readonly #associations: Table<true>
  readonly #counts: Table<StoreCounts>
  readonly #reserved = new ReservedIds()

  /** @throws AppError when the path cannot be used */
  constructor(path: string, options: StoreOptions) {
    this.#quota = options.quota
    this.#environment = new Environment(path)
    const { root } = this.#environment
    const space = new DiskSpace(path, root, this.#tables)
    this.#commit = new GroupCommit(root, space, this.#tables, options.onRollback)
    this.#queues = this.#table('queues', queueCodec, HOT_QUEUES)
    this.#senders = this.#table('senders', textCodec<RcvId>(), HOT_QUEUES)
    this.#notifiers = this.#table('notifiers', textCodec<RcvId>(), HOT_QUEUES)
    this.#links = this.#table('links', textCodec<RcvId>(), HOT_QUEUES)
    this.#linkData = this.#table('linkData', linkDataCodec, FEW)
    this.#messages = new Fifo(
      this.#table('messageStates', fifoStateCodec, HOT_QUEUES),
      this.#table('messages', messageCodec, HOT_MESSAGES),
    )
    this.#notifications = new Fifo(
      this.#table('notificationStates', fifoStateCodec, HOT_QUEUES),
      this.#table('notifications', notificationCodec, FEW),
    )
    this.#services = this.#table('services', serviceCodec, FEW)
    this.#servicesByCertHash = this.#table('servicesByCertHash', textCodec<ServiceId>(), FEW)
    this.#subscriptions = this.#table('serviceSubscriptions', subscriptionsCodec, FEW)
    this.#associations = this.#table('serviceQueues', memberCodec, FEW)
    this.#counts = this.#table('meta', countsCodec, 1)
    this.#environment.claim()
  }

  addQueue(queue: QueueRec, link?: LinkData): TakenId | undefined {
    const { rcvId, sndId, notifier, linkId } = queue
    if (this.#queues.has(rcvId) || this.#reserved.has(rcvId)) return 'rcvId'
    if (this.#senders.has(sndId)) return 'sndId'
    if (notifier !== undefined && this.#notifiers.has(notifier.notifierId)) return 'notifierId'
    if (linkId !== undefined && (this.#links.has(linkId) || this.#reserved.has(linkId))) return 'linkId'
    if ((linkId === undefined) !== (link === undefined)) throw new Error('a link id comes with its data')
    this.#queues.insert(rcvId, queue)
    this.#senders.insert(sndId, rcvId)
    if (linkId !== undefined && link !== undefined) this.#addLink(linkId, rcvId, link)
    if (notifier !== undefined) this.#addNotifier(notifier, rcvId)
    this.#associate('R', queue.rcvServiceId, rcvId)
    this.#count('queues', 1)
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
    return this.#byIndex(this.#links.get(linkId))
  }

  *queues(): Iterable<QueueRec> {
    for (const rcvId of this.#queues.keys()) {
      const queue = this.#queues.peek(rcvId)
      if (queue !== undefined) yield queue
    }
  }

  linkData(linkId: LinkId): LinkData | undefined {
    return this.#linkData.get(linkId)
  }

  setLink(rcvId: RcvId, linkId: LinkId, data: LinkData): 'ok' | 'taken' {
    const queue = this.#require(rcvId)
    if (queue.linkId === linkId) {
      this.#linkData.put(linkId, data)
      return 'ok'
    }
    if (this.#links.has(linkId) || this.#reserved.has(linkId)) return 'taken'
    this.#dropLink(queue)
    this.#addLink(linkId, rcvId, data)
    this.#queues.put(rcvId, withLink(queue, linkId))
    return 'ok'
  }

  deleteLink(rcvId: RcvId): void {
    const queue = this.#require(rcvId)
    if (queue.linkId === undefined) return
    this.#dropLink(queue)
    this.#queues.put(rcvId, withLink(queue, undefined))
  }

  secureQueue(rcvId: RcvId, senderKey: AuthKey): void {
    this.#queues.put(rcvId, { ...this.#require(rcvId), senderKey })
  }

  setRecipientKeys(rcvId: RcvId, recipientKeys: readonly AuthKey[]): void {
    this.#queues.put(rcvId, { ...this.#require(rcvId), recipientKeys })
  }

  setStatus(rcvId: RcvId, status: QueueStatus): void {
    this.#queues.put(rcvId, { ...this.#require(rcvId), status })
  }

  touchQueue(rcvId: RcvId, day: number): void {
    this.#queues.put(rcvId, { ...this.#require(rcvId), updatedAt: day })
  }

  setNotifier(rcvId: RcvId, notifier: NotifierRec): 'ok' | 'taken' {
    const queue = this.#require(rcvId)
    const owner = this.#notifiers.get(notifier.notifierId)
    if (owner !== undefined && owner !== rcvId) return 'taken'
    const kept = owner === undefined ? undefined : notifier.notifierId
    this.#dropNotifier(queue, kept)
    if (kept === undefined) this.#addNotifier(notifier, rcvId)
    else this.#associate('N', notifier.serviceId, kept)
    this.#queues.put(rcvId, withNotifier(queue, notifier))
    return 'ok'
  }

  deleteNotifier(rcvId: RcvId): NotifierRec | undefined {
    const queue = this.#require(rcvId)
    if (queue.notifier === undefined) return undefined
    this.#dropNotifier(queue)
    this.#queues.put(rcvId, withNotifier(queue, undefined))
    return queue.notifier
  }

  deleteQueue(rcvId: RcvId): number | undefined {
    const queue = this.#queues.get(rcvId)
    if (queue === undefined) return undefined
    const deleted = this.#messages.removeFirst(rcvId, Infinity)
    this.#count('messages', -deleted)
    this.#reserved.add(rcvId)
    if (queue.linkId !== undefined) this.#reserved.add(queue.linkId)
    this.#dropLink(queue)
    this.#dropNotifier(queue)
    this.#dissociate('R', queue.rcvServiceId, rcvId)
    this.#senders.remove(queue.sndId)
    this.#queues.remove(rcvId)
    this.#count('queues', -1)
    return deleted
  }

  writeMessage(rcvId: RcvId, message: OrdinaryMessage): WriteResult {
    this.#require(rcvId)
    const size = this.#messages.size(rcvId)
    const admitted = admission({ canWrite: this.#messages.canWrite(rcvId), size }, this.#quota)
    if (admitted === 'nothing') return { stored: false }
    this.#count('messages', 1)
    if (admitted === 'message') {
      this.#messages.append(rcvId, message)
      return { stored: true, wasEmpty: size === 0 }
    }
    this.#messages.append(rcvId, { type: 'quota', id: message.id, timestamp: message.timestamp }, false)
    return { stored: false }
  }

  restoreMarker(rcvId: RcvId, marker: QuotaMarker): void {
    this.#require(rcvId)
    if (this.#messages.first(rcvId)?.type === 'quota') this.#removeFirst(rcvId)
    this.#messages.append(rcvId, marker, false)
    this.#count('messages', 1)
  }

  firstMessage(rcvId: RcvId): Message | undefined {
    return this.#messages.first(rcvId)
  }

  deleteFirstMessage(rcvId: RcvId, msgId: MsgId): Message | undefined {
    const first = this.#messages.first(rcvId)
    if (first?.id !== msgId) return undefined
    this.#removeFirst(rcvId)
    return first
  }

  messages(rcvId: RcvId): Iterable<Message> {
    return this.#messages.entries(rcvId)
  }

  queueSize(rcvId: RcvId): number {
    return this.#messages.size(rcvId)
  }

  expireMessages(rcvId: RcvId, before: number): number {
    let expired = 0
    for (;;) {
      const first = this.#messages.first(rcvId)
      if (first?.type !== 'message' || first.timestamp >= before) return expired
      this.#removeFirst(rcvId)
      expired++
    }
  }

  async expireQueues(before: number): Promise<ExpiryResult> {
    let expired = 0
    await inSlices(this.#messages.ids(), (rcvId) => {
      expired += this.expireMessages(rcvId as RcvId, before)
    })
    const { messages, queues } = this.counts()
    return { expired, stored: messages, queues }
  }

  addNotification(notifierId: NotifierId, notification: Notification): void {
    if (!this.#notifiers.has(notifierId)) return
    this.#notifications.append(notifierId, notification)
    this.#count('notifications', 1)
  }

  notifications(notifierId: NotifierId, limit = Infinity): Notification[] {
    return [...this.#notifications.entries(notifierId, limit)]
  }

  deleteNotifications(notifierId: NotifierId, count: number): void {
    const deleted = this.#notifications.removeFirst(notifierId, count)
    this.#count('notifications', -deleted)
  }

  async expireNotifications(before: number): Promise<number> {
    let expired = 0
    await inSlices(this.#notifications.ids(), (id) => {
      let old = 0
      for (const { timestamp } of this.#notifications.entries(id)) {
        if (timestamp >= before) break
        old++
      }
      this.deleteNotifications(id as NotifierId, old)
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

  *services(): Iterable<ServiceRec> {
    for (const serviceId of this.#services.keys()) {
      const service = this.#services.peek(serviceId)
      if (service !== undefined) yield service
    }
  }

  addService(service: ServiceRec): 'ok' | 'taken' {
    const certHash = service.certHash.toString('latin1')
    if (this.#services.has(service.serviceId) || this.#servicesByCertHash.has(certHash)) return 'taken'
    this.#services.insert(service.serviceId, service)
    this.#servicesByCertHash.insert(certHash, service.serviceId)
    if (service.role === 'M') this.#count('rcvServices', 1)
    else if (service.role === 'N') this.#count('ntfServices', 1)
    return 'ok'
  }

  setQueueService(rcvId: RcvId, party: ServiceParty, serviceId: ServiceId | undefined): void {
    const queue = this.#require(rcvId)
    const id = party === 'R' ? rcvId : queue.notifier?.notifierId
    const previous = party === 'R' ? queue.rcvServiceId : queue.notifier?.serviceId
    if (id === undefined || previous === serviceId) return
    this.#dissociate(party, previous, id)
    this.#associate(party, serviceId, id)
    this.#queues.put(rcvId, withService(queue, party, serviceId))
  }

  serviceSubscriptions(serviceId: ServiceId, party: ServiceParty): ServiceSubscriptions {
    return this.#subscriptions.get(party + serviceId) ?? NO_SUBSCRIPTIONS
  }

  serviceQueues(serviceId: ServiceId, party: 'R'): Iterable<RcvId>
  serviceQueues(serviceId: ServiceId, party: 'N'): Iterable<NotifierId>
  *serviceQueues(serviceId: ServiceId, party: ServiceParty): Iterable<RcvId | NotifierId> {
    const prefix = associationKey(party, serviceId)
    for (const key of this.#associations.keys(prefix)) {
      if (this.#associations.peek(key) === true) yield key.slice(prefix.length) as RcvId | NotifierId
    }
  }

  counts(): StoreCounts {
    return this.#counts.get(COUNTS) ?? NOTHING_COUNTED
  }

  flushed(): Promise<void> {
    return this.#commit.flushed()
  }

  async close(): Promise<void> {
    try {
      await this.#commit.flushed()
    } finally {
      await this.#environment.close()
    }
  }

  #table<V>(name: string, codec: Codec<V>, cached: number): Table<V> {
    const table = new Table(this.#environment.table(name), codec, this.#commit.changed, { cached })
    this.#tables.push(table)
    return table
  }

  #byIndex(rcvId: RcvId | undefined): QueueRec | undefined {
    return rcvId === undefined ? undefined : this.#queues.get(rcvId)
  }

  #require(rcvId: RcvId): QueueRec {
    const queue = this.#queues.get(rcvId)
    if (queue === undefined) throw new Error('no such queue')
    return queue
  }

  #count(name: keyof StoreCounts, change: number): void {
    if (change === 0) return
    const counts = this.counts()
    this.#counts.put(COUNTS, { ...counts, [name]: counts[name] + change })
  }

  #removeFirst(rcvId: RcvId): void {
    this.#count('messages', -this.#messages.removeFirst(rcvId))
  }

  #addLink(linkId: LinkId, rcvId: RcvId, data: LinkData): void {
    this.#links.insert(linkId, rcvId)
    this.#linkData.insert(linkId, data)
  }

  #dropLink({ linkId }: QueueRec): void {
    if (linkId === undefined) return
    this.#links.remove(linkId)
    this.#linkData.remove(linkId)
  }

  #addNotifier(notifier: NotifierRec, rcvId: RcvId): void {
    this.#notifiers.insert(notifier.notifierId, rcvId)
    this.#associate('N', notifier.serviceId, notifier.notifierId)
    this.#count('notifiers', 1)
  }

  /** Forgets the notifier of a queue; when the next one has the same id, only its association. */
  #dropNotifier({ notifier }: QueueRec, nextId?: NotifierId): void {
    if (notifier === undefined) return
    this.#dissociate('N', notifier.serviceId, notifier.notifierId)
    if (notifier.notifierId === nextId) return
    this.#notifiers.remove(notifier.notifierId)
    this.deleteNotifications(notifier.notifierId, Infinity)
    this.#count('notifiers', -1)
  }

  #associate(party: ServiceParty, serviceId: ServiceId | undefined, id: RcvId | NotifierId): void {
    if (serviceId === undefined) return
    this.#associations.insert(associationKey(party, serviceId) + id, true)
    this.#changeSubscriptions(party, serviceId, id, 1)
  }

  #dissociate(party: ServiceParty, serviceId: ServiceId | undefined, id: RcvId | NotifierId): void {
    if (serviceId === undefined) return
    this.#associations.remove(associationKey(party, serviceId) + id)
    this.#changeSubscriptions(party, serviceId, id, -1)
  }

  #changeSubscriptions(party: ServiceParty, serviceId: ServiceId, id: RcvId | NotifierId, change: 1 | -1): void {
    const { count, idsHash } = this.serviceSubscriptions(serviceId, party)
    const key = party + serviceId
    this.#subscriptions.put(key, { count: count + change, idsHash: xorHash(idsHash, idHash(idToBytes(id))) })
    this.#count(party === 'R' ? 'rcvServiceQueues' : 'ntfServiceQueues', change)
  }
}

const NO_SUBSCRIPTIONS: ServiceSubscriptions = { count: 0, idsHash: Buffer.alloc(idsHashLength) }

/** party ‖ length ‖ serviceId: the ids that follow lie together. */
function associationKey(party: ServiceParty, serviceId: ServiceId): string {
  return party + String.fromCharCode(serviceId.length) + serviceId
}
