import { boxKey, cbNonce, sealInto, TAG_LENGTH } from '../crypto/box.ts'
import { idToBytes, type RcvId } from '../protocol/ids.ts'
import { ENCRYPTED_MESSAGE_SIZE } from '../protocol/limits.ts'
import { messagePlaintext, quotaPlaintext } from '../protocol/message-body.ts'
import type { Reply } from '../protocol/reply.ts'
import type { Message, QueueRec } from '../store/store.ts'
import type { Core } from './core.ts'
import type { Subscriber } from './subscriber.ts'
import type { Subscription } from './subscriber.ts'

/** Encrypts a stored message for its recipient: the same bytes at every delivery, because its id is the nonce. */
export function messageReply(queue: QueueRec, message: Message): Reply {
  const body = Buffer.allocUnsafeSlow(ENCRYPTED_MESSAGE_SIZE)
  const inPlace = body.subarray(TAG_LENGTH)
  const plaintext =
    message.type === 'quota' ? quotaPlaintext(message.timestamp, inPlace) : messagePlaintext(message, inPlace)
  sealInto(body, boxKey(queue.rcvDhSecret), cbNonce(idToBytes(message.id)), plaintext)
  return { type: 'MSG', msgId: message.id, body }
}

/** Marks a message as handed out; it stays in the queue until it is acknowledged. */
export function markDelivered(core: Core, subscription: Subscription, message: Message): void {
  subscription.delivered = { msgId: message.id, at: core.now() }
  subscription.pending = false
}

/** The subscription through which messages of `queue` are pushed, made on demand for the connection of a service. */
export function pushTarget(core: Core, queue: QueueRec): Subscription | undefined {
  if (queue.rcvServiceId === undefined) return core.subscriptions.recipient(queue.rcvId)
  const session = core.subscriptions.service('R', queue.rcvServiceId)
  return session && serviceSubscription(session, queue.rcvId)
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
  if (holdsBack(subscription)) return
  markDelivered(core, subscription, message)
  subscription.session.handOn(queue.rcvId, messageReply(queue, message))
}

/** Pushes the first message of a queue, if there is one, none is handed out already, and the queue is not blocked. */
export function pushFirst(core: Core, subscription: Subscription, queue: QueueRec): void {
  if (subscription.delivered !== undefined || queue.status.type === 'blocked') return
  const message = core.store.firstMessage(queue.rcvId)
  if (message !== undefined) push(core, subscription, queue, message)
}

function push(core: Core, subscription: Subscription, queue: QueueRec, message: Message): void {
  if (holdsBack(subscription)) return
  markDelivered(core, subscription, message)
  subscription.session.event(queue.rcvId, messageReply(queue, message))
}

/** Whether the client does not read now: then what it should get is held back. */
function holdsBack(subscription: Subscription): boolean {
  const { session } = subscription
  if (session.canPush) return false
  subscription.pending = true
  session.heldBack.subscriptions.add(subscription)
  return true
}

/** Offers again what was held back while the client did not read. */
export function pushHeldBack(core: Core, session: Subscriber): void {
  const { subscriptions } = session.heldBack
  for (const subscription of subscriptions) {
    if (!session.canPush) return
    subscriptions.delete(subscription)
    subscription.pending = false
    if (session.subscriptions.get(subscription.rcvId) !== subscription) continue
    const queue = core.store.queue(subscription.rcvId)
    if (queue !== undefined) pushFirst(core, subscription, queue)
  }
}

/**
 * Ends another connection's subscription because it was taken over or its queue is gone. The connection keeps working;
 * it receives nothing more from this queue and is told so at once.
 */
export function endSubscription(core: Core, subscription: Subscription, event: 'END' | 'DELD'): void {
  const { session, rcvId } = subscription
  core.subscriptions.unsubscribe(subscription)
  session.subscriptions.delete(rcvId)
  session.heldBack.subscriptions.delete(subscription)
  session.event(rcvId, { type: event })
}

/** After the store went back to its last durable state: what it forgot may have been delivered, what it has again was not. */
export function redeliverAll(core: Core): void {
  for (const subscription of core.subscriptions.all()) {
    if (subscription.mode === 'get') continue
    const queue = core.store.queue(subscription.rcvId)
    if (queue === undefined) continue
    const first = core.store.firstMessage(queue.rcvId)
    if (first?.id === subscription.delivered?.msgId) continue
    subscription.delivered = undefined
    pushFirst(core, subscription, queue)
  }
}
