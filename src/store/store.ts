import type { AuthKey } from '../crypto/keys.ts'
import type { LinkId, MsgId, NotifierId, RcvId, ServiceId, SndId } from '../protocol/ids.ts'

/**
 * What a relay keeps: queues, their messages, notifications, and services.
 *
 * Effects are synchronous, durability is not: every effect is visible to the next call at once, and `flushed()` says
 * when all effects so far would survive `kill -9` and power loss. One thread decides, so there are no locks.
 * Methods that change a queue throw a plain Error when the queue does not exist: the caller has looked it up in the
 * same turn of the event loop.
 */
export interface Store {
  /** Adds a queue with its link data, or nothing at all; the id that is taken already, or undefined when it was added. */
  addQueue(queue: QueueRec, link?: LinkData): TakenId | undefined
  queue(rcvId: RcvId): QueueRec | undefined
  queueBySender(sndId: SndId): QueueRec | undefined
  queueByNotifier(notifierId: NotifierId): QueueRec | undefined
  queueByLink(linkId: LinkId): QueueRec | undefined
  /** All queues as they are when the walk comes to them; queues added during the walk may or may not be seen. */
  queues(): Iterable<QueueRec>

  linkData(linkId: LinkId): LinkData | undefined
  /** Sets or replaces the link data of a queue. 'taken' when the id belongs to another queue; a previous other link id is released. */
  setLink(rcvId: RcvId, linkId: LinkId, data: LinkData): 'ok' | 'taken'
  /** Removes the link data; nothing happens when there is none. */
  deleteLink(rcvId: RcvId): void

  secureQueue(rcvId: RcvId, senderKey: AuthKey): void
  setRecipientKeys(rcvId: RcvId, keys: readonly AuthKey[]): void
  setStatus(rcvId: RcvId, status: QueueStatus): void
  /** Remembers the day of use: seconds, UTC midnight. */
  touchQueue(rcvId: RcvId, day: number): void
  /** Sets the notifier; a previous one with another id is deleted with its pending notifications. 'taken' when the id is in use. */
  setNotifier(rcvId: RcvId, notifier: NotifierRec): 'ok' | 'taken'
  /** Removes the notifier and its pending notifications; the removed notifier, if there was one. */
  deleteNotifier(rcvId: RcvId): NotifierRec | undefined
  /**
   * Deletes the queue with everything that belongs to it: messages, link, notifier, pending notifications, association
   * with a service. The number of its messages, or undefined when there was no such queue. Its ids stay reserved
   * for the last {@link RESERVED_IDS} deletions while the store is open.
   */
  deleteQueue(rcvId: RcvId): number | undefined

  /**
   * Appends a message under the quota rule. A queue keeps up to `quota` messages; the message after that is replaced by
   * a quota marker with its id and timestamp, and nothing more is stored until the queue is empty.
   */
  writeMessage(rcvId: RcvId, message: OrdinaryMessage): WriteResult
  /**
   * Puts a quota marker at the end, as it was in another store: nothing is written any more until the queue is empty.
   * A marker at the head is replaced by it.
   */
  restoreMarker(rcvId: RcvId, marker: QuotaMarker): void
  firstMessage(rcvId: RcvId): Message | undefined
  /** Deletes and returns the head of the queue, if it has this id. */
  deleteFirstMessage(rcvId: RcvId, msgId: MsgId): Message | undefined
  /** All messages of a queue, head first. Not to be mixed with changes of the same queue. */
  messages(rcvId: RcvId): Iterable<Message>
  /** Number of messages, the quota marker included. */
  queueSize(rcvId: RcvId): number
  /** Removes head messages with `timestamp < before` until a newer one or a quota marker; the number removed. */
  expireMessages(rcvId: RcvId, before: number): number
  /** {@link expireMessages} for every queue, in slices of a few milliseconds. */
  expireQueues(before: number): Promise<ExpiryResult>
  /** Removes all messages, quota markers and pending notifications, in slices; the number of messages removed. */
  dropMessages(): Promise<number>

  /** Appends a pending notification; ignored when the notifier does not exist. */
  addNotification(notifierId: NotifierId, notification: Notification): void
  /** Pending notifications, oldest first. */
  notifications(notifierId: NotifierId, limit?: number): Notification[]
  /** Deletes the `count` oldest pending notifications. */
  deleteNotifications(notifierId: NotifierId, count: number): void
  /** Removes pending notifications with `timestamp < before`, in slices; the number removed. */
  expireNotifications(before: number): Promise<number>

  service(serviceId: ServiceId): ServiceRec | undefined
  /** @param certHash SHA-256 of the identity certificate, 32 bytes */
  serviceByCertHash(certHash: Buffer): ServiceRec | undefined
  services(): Iterable<ServiceRec>
  /**
   * 'taken' when the id or the certificate hash is known already. To be followed by an association in the same turn: a
   * service is removed with its last association.
   */
  addService(service: ServiceRec): 'ok' | 'taken'
  /** Removes services that never had an association, in slices. */
  removeUnusedServices(): Promise<void>
  /** Associates the queue ('R') or its notifier ('N') with a service, or removes the association. No notifier: nothing happens. */
  setQueueService(rcvId: RcvId, party: ServiceParty, serviceId: ServiceId | undefined): void
  /** Number and hash (XOR of MD5, 16 bytes) of the ids associated with a service: recipient ids for 'R', notifier ids for 'N'. */
  serviceSubscriptions(serviceId: ServiceId, party: ServiceParty): ServiceSubscriptions
  /** The ids of {@link serviceSubscriptions}, lazily; ids associated during the walk may or may not be seen. */
  serviceQueues(serviceId: ServiceId, party: 'R'): Iterable<RcvId>
  serviceQueues(serviceId: ServiceId, party: 'N'): Iterable<NotifierId>

  counts(): StoreCounts

  /**
   * Resolves when every effect so far is durable. Rejects with {@link StoreError} when they could not be written: the
   * store has then rolled back to its last durable state, and serves on from there. To be called in the same turn of the
   * event loop as the effects it is about.
   */
  flushed(): Promise<void>
  /** Makes everything durable and closes. */
  close(): Promise<void>
}

/** How many ids of deleted queues are remembered so that they are not given out again while the store is open. */
export const RESERVED_IDS = 65_536

export interface StoreOptions {
  /** Messages per queue before the quota marker. */
  readonly quota: number
  /** Called after effects that had been visible were lost (see {@link Store.flushed}). */
  readonly onRollback?: ((error: StoreError) => void) | undefined
  /** Called when the store cannot go on: this process has to end, and the next one will verify the store. */
  readonly onFailure?: ((error: StoreError) => void) | undefined
  /** Moves a limit for timestamps of what expires, when the clock cannot be believed. */
  readonly adjustExpiry?: ((before: number) => number) | undefined
}

export const DEFAULT_QUOTA = 128

/** What clients are told when something could not be made durable, whatever the cause. */
export const NOT_STORED = 'not stored, try again later'

/** Effects could not be made durable, and are rolled back. The message is for clients; the cause says why. */
export class StoreError extends Error {
  override readonly name = 'StoreError'

  constructor(cause: unknown) {
    super(NOT_STORED, { cause })
  }

  /** Why, for the operator. */
  get reason(): string {
    return this.cause instanceof Error ? this.cause.message : String(this.cause)
  }
}

export type TakenId = 'rcvId' | 'sndId' | 'notifierId' | 'linkId'

/** A queue; immutable, replaced on every change. */
export interface QueueRec {
  readonly rcvId: RcvId
  readonly sndId: SndId
  readonly recipientKeys: readonly AuthKey[]
  /** X25519 shared secret, 32 bytes. */
  readonly rcvDhSecret: Buffer
  readonly senderKey?: AuthKey
  /** M: messaging, C: contact address; absent: unknown (created before version 9, or by a request without data). */
  readonly queueMode?: QueueMode
  readonly linkId?: LinkId
  readonly notifier?: NotifierRec
  readonly status: QueueStatus
  /** Day of the last use: seconds, UTC midnight. */
  readonly updatedAt?: number
  readonly rcvServiceId?: ServiceId
}

export type QueueMode = 'M' | 'C'

export interface NotifierRec {
  readonly notifierId: NotifierId
  readonly key: AuthKey
  /** X25519 shared secret, 32 bytes. */
  readonly dhSecret: Buffer
  readonly serviceId?: ServiceId
}

export type QueueStatus = { readonly type: 'active' } | { readonly type: 'off' } | BlockedStatus

export interface BlockedStatus {
  readonly type: 'blocked'
  readonly reason: 'spam' | 'content'
  /** ttl in seconds. */
  readonly notice?: { readonly ttl?: number }
}

export interface LinkData {
  readonly fixedData: Buffer
  readonly userData: Buffer
}

export interface OrdinaryMessage {
  readonly type: 'message'
  readonly id: MsgId
  /** Unix time in seconds. */
  readonly timestamp: number
  readonly notify: boolean
  readonly body: Buffer
}

export interface QuotaMarker {
  readonly type: 'quota'
  readonly id: MsgId
  readonly timestamp: number
}

export type Message = OrdinaryMessage | QuotaMarker

export type WriteResult = { readonly stored: true; readonly wasEmpty: boolean } | { readonly stored: false }

export interface Notification {
  readonly msgId: MsgId
  readonly timestamp: number
  /** 24 bytes. */
  readonly nonce: Buffer
  readonly encMeta: Buffer
}

export interface ServiceRec {
  readonly serviceId: ServiceId
  /** M: messaging, N: notifications, P: proxy. */
  readonly role: 'M' | 'N' | 'P'
  /** DER certificates, leaf first. */
  readonly certificates: readonly Buffer[]
  /** SHA-256 of the identity certificate. */
  readonly certHash: Buffer
  readonly createdAt: number
}

export type ServiceParty = 'R' | 'N'

export interface ServiceSubscriptions {
  readonly count: number
  /** 16 bytes. */
  readonly idsHash: Buffer
}

export interface ExpiryResult {
  /** Messages removed. */
  readonly expired: number
  /** Messages left, quota markers included. */
  readonly stored: number
  readonly queues: number
}

export interface StoreCounts {
  readonly queues: number
  /** Quota markers included. */
  readonly messages: number
  readonly notifications: number
  readonly notifiers: number
  readonly rcvServices: number
  readonly ntfServices: number
  readonly rcvServiceQueues: number
  readonly ntfServiceQueues: number
}
