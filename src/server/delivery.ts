import { boxKey, cbNonce, sealInto, TAG_LENGTH } from '../crypto/box.ts'
import { idToBytes, type RcvId } from '../protocol/ids.ts'
import { ENCRYPTED_MESSAGE_SIZE } from '../protocol/limits.ts'
import { messagePlaintext, quotaPlaintext } from '../protocol/message-body.ts'
import type { Reply } from '../protocol/reply.ts'
import type { Message, QueueRec } from '../store/store.ts'
import type { Background } from './background.ts'
import type { Core } from './core.ts'
import type { Subscriber, Subscription } from './subscriber.ts'

/** Encrypts a stored message for its recipient: the same bytes at every delivery, because its id is the nonce. */
export function messageReply(queue: QueueRec, message: Message): Reply {
  const body = Buffer.allocUnsafeSlow(ENCRYPTED_MESSAGE_SIZE)
  const inPlace = body.subarray(TAG_LENGTH)
  const plaintext =
    message.type === 'quota' ? quotaPlaintext(message.timestamp, inPlace) : messagePlaintext(message, inPlace)
  sealInto(body, boxKey(queue.rcvDhSecret), cbNonce(idToBytes(message.id)), plaintext)
  return { type: 'MSG', msgId: message.id, body }
}

/** Marks a message as delivered; it stays in the queue until it is acknowledged. */
export function markDelivered(core: Core, subscription: Subscription, message: Message): void {
  subscription.delivered = { msgId: message.id, at: core.now() }
  subscription.pending = false
}

/** The subscription through which messages of `queue` are pushed, made on demand for the connection of a service. */
export function pushTarget(core: Core, queue: QueueRec): Subscription | undefined {
  if (!isPushedHere(core, queue)) return undefined
  if (queue.rcvServiceId === undefined) return core.subscriptions.recipient(queue.rcvId)
  const session = core.subscriptions.service('R', queue.rcvServiceId)
  return session && serviceSubscription(session, queue.rcvId)
}

/** No other relay pushes the messages of a queue, which is as it is in the store. */
function isPushedHere(core: Core, { rcvServiceId, rcvId }: QueueRec): boolean {
  return !core.store.isElsewhere(rcvServiceId ?? rcvId)
}

/** The delivery state of one queue in the connection of its service. */
export function serviceSubscription(session: Subscriber, rcvId: RcvId): Subscription {
  const known = session.subscriptions.get(rcvId)
  if (known !== undefined) return known
  const subscription: Subscription = { session, rcvId, mode: 'subscribed', delivered: undefined, pending: false }
  session.subscriptions.set(rcvId, subscription)
  return subscription
}

/** Pushes the message that has just become the first of its queue. */
export function pushMessage(core: Core, queue: QueueRec, message: Message): void {
  const subscription = pushTarget(core, queue)
  if (subscription === undefined || subscription.mode === 'get' || subscription.delivered !== undefined) return
  if (isDeferred(subscription)) return
  markDelivered(core, subscription, message)
  subscription.session.pushNew(queue.rcvId, messageReply(queue, message))
}

/** Pushes the first message of a queue, if there is one, none is delivered already, and the queue is not blocked. */
export function pushFirst(core: Core, subscription: Subscription, queue: QueueRec): void {
  if (subscription.delivered !== undefined || queue.status.type === 'blocked') return
  const message = core.store.firstMessage(queue.rcvId)
  if (message === undefined || isDeferred(subscription)) return
  markDelivered(core, subscription, message)
  subscription.session.event(queue.rcvId, messageReply(queue, message))
}

/** Defers the push, if the client takes no more now. */
function isDeferred(subscription: Subscription): boolean {
  const { session } = subscription
  if (session.canPush) return false
  subscription.pending = true
  session.deferred.subscriptions.add(subscription)
  return true
}

/** Pushes what was deferred. */
export function pushDeferred(core: Core, subscription: Subscription): void {
  subscription.pending = false
  const { session, rcvId } = subscription
  if (session.subscriptions.get(rcvId) !== subscription) return
  const queue = core.store.queue(rcvId)
  if (queue !== undefined && isPushedHere(core, queue)) pushFirst(core, subscription, queue)
}

/**
 * Ends another connection's subscription because it was replaced or its queue is gone. The connection keeps working; it
 * receives nothing more from this queue and is told so at once.
 */
export function endSubscription(core: Core, subscription: Subscription, event: 'END' | 'DELD'): void {
  const { session, rcvId } = subscription
  core.subscriptions.unsubscribe(subscription)
  session.subscriptions.delete(rcvId)
  session.deferred.subscriptions.delete(subscription)
  session.event(rcvId, { type: event })
}

/**
 * Pushes again after the store was rolled back to its last durable state: messages that are gone may have been delivered,
 * and messages that are back were not. Goes through all subscriptions after each rollback, but never twice at once.
 */
export class Redelivery {
  readonly #core: Core
  readonly #background: Background
  #isRunning = false
  #isDue = false

  constructor(core: Core, background: Background) {
    this.#core = core
    this.#background = background
  }

  start(): void {
    this.#isDue = true
    if (this.#isRunning) return
    this.#isRunning = true
    this.#background.start(this.#walk(), this.#core.log)
  }

  *#walk(): Generator<undefined, void, undefined> {
    while (this.#isDue) {
      this.#isDue = false
      for (const subscription of this.#core.subscriptions.all()) {
        redeliver(this.#core, subscription)
        yield
      }
    }
    this.#isRunning = false
  }
}

/** Pushes the first message of a queue, unless it is the one that was delivered. */
export function redeliver(core: Core, subscription: Subscription): void {
  if (subscription.mode === 'get') return
  const queue = core.store.queue(subscription.rcvId)
  if (queue === undefined || !isPushedHere(core, queue)) return
  const first = core.store.firstMessage(queue.rcvId)
  if (first?.id === subscription.delivered?.msgId) return
  subscription.delivered = undefined
  pushFirst(core, subscription, queue)
}
