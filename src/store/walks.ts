import type { NotifierId, RcvId, ServiceId } from '../protocol/ids.ts'
import type { LinkData, Message, Notification, QueueRec, ServiceParty, ServiceRec, StoreCounts } from './store.ts'
import type { EmbeddedStore } from './work.ts'

export interface WalkedQueue {
  readonly queue: QueueRec
  /** Of a queue with a link. */
  readonly link?: LinkData
}

export interface WalkedMessage {
  readonly rcvId: RcvId
  readonly message: Message
}

export interface WalkedNotification {
  readonly notifierId: NotifierId
  readonly notification: Notification
}

/** Goes through all of a store, some entries at a time. What changes meanwhile may or may not be seen. */
export interface StoreWalks {
  services(): AsyncIterable<readonly ServiceRec[]>
  queues(): AsyncIterable<readonly WalkedQueue[]>
  /** Those of one queue together, head first. */
  messages(): AsyncIterable<readonly WalkedMessage[]>
  /** Those of one notifier together, oldest first. */
  notifications(): AsyncIterable<readonly WalkedNotification[]>
  /** Recipient ids ('R') or notifier ids ('N') that are associated with a service. */
  serviceQueues(serviceId: ServiceId, party: ServiceParty): AsyncIterable<readonly (RcvId | NotifierId)[]>
  counts(): StoreCounts | Promise<StoreCounts>
}

/** As much of the walks as a copy needs. */
export type CopySource = Pick<StoreWalks, 'services' | 'queues' | 'messages' | 'notifications'>

/** Entries at a time, and messages, which are larger. */
const PAGE = 256
const MESSAGE_PAGE = 32

/** Goes through a store of this process. */
export function embeddedWalks(store: EmbeddedStore): StoreWalks {
  return {
    services: () => pages(store.services(), PAGE),
    queues: () => pages(walkedQueues(store), PAGE),
    messages: () => pages(walkedMessages(store), MESSAGE_PAGE),
    notifications: () => pages(walkedNotifications(store), PAGE),
    serviceQueues: (serviceId, party) =>
      pages<RcvId | NotifierId>(
        party === 'R' ? store.serviceQueues(serviceId, party) : store.serviceQueues(serviceId, party),
        PAGE,
      ),
    counts: () => store.counts(),
  }
}

function* walkedQueues(store: EmbeddedStore): Iterable<WalkedQueue> {
  for (const queue of store.queues()) {
    const link = queue.linkId === undefined ? undefined : store.linkData(queue.linkId)
    yield { queue, ...(link && { link }) }
  }
}

function* walkedMessages(store: EmbeddedStore): Iterable<WalkedMessage> {
  for (const { rcvId } of store.queues()) for (const message of store.messages(rcvId)) yield { rcvId, message }
}

function* walkedNotifications(store: EmbeddedStore): Iterable<WalkedNotification> {
  for (const { notifier } of store.queues()) {
    if (notifier === undefined) continue
    const { notifierId } = notifier
    for (const notification of store.notifications(notifierId)) yield { notifierId, notification }
  }
}

// eslint-disable-next-line @typescript-eslint/require-await -- other stores wait for their pages
async function* pages<T>(items: Iterable<T>, size: number): AsyncGenerator<T[], void, undefined> {
  let page: T[] = []
  for (const item of items) {
    page.push(item)
    if (page.length < size) continue
    yield page
    page = []
  }
  if (page.length > 0) yield page
}
