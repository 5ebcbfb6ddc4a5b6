import { boxKey, sealPadded } from '../crypto/box.ts'
import type { NotifierId } from '../protocol/ids.ts'
import { NONCE_SIZE, NOTIFICATION_PADDED_SIZE } from '../protocol/limits.ts'
import { encodeNotificationMeta } from '../protocol/message-body.ts'
import type { NotifierRec, OrdinaryMessage, QueueRec } from '../store/store.ts'
import type { Core } from './core.ts'
import type { Subscriber } from './subscriber.ts'

/** Notifications of one notifier that are sent at once; the others follow when those have been sent. */
export const NOTIFICATION_BATCH = 80

/** Stores a notification of a message, and sends it if its subscriber is connected. */
export function notify(core: Core, notifier: NotifierRec, message: OrdinaryMessage): void {
  const nonce = core.random(NONCE_SIZE)
  const meta = encodeNotificationMeta({ msgId: message.id, timestamp: message.timestamp })
  const encMeta = sealPadded(boxKey(notifier.dhSecret), nonce, meta, NOTIFICATION_PADDED_SIZE)
  core.store.addNotification(notifier.notifierId, { msgId: message.id, timestamp: message.timestamp, nonce, encMeta })
  const session = notifierSession(core, notifier)
  if (session === undefined) return
  // Those that wait already were not loaded for the sender of a message.
  if (core.engine.loads) deferNotifications(session, notifier.notifierId)
  else deliverNotifications(core, session, notifier.notifierId)
}

/** The connection that receives the notifications of this notifier. */
export function notifierSession(core: Core, { notifierId, serviceId }: NotifierRec): Subscriber | undefined {
  if (core.store.isElsewhere(serviceId ?? notifierId)) return undefined
  return serviceId === undefined ? core.subscriptions.notifier(notifierId) : core.subscriptions.service('N', serviceId)
}

/**
 * Sends pending notifications of a notifier, oldest first. What the client does not take now stays in the store, and of
 * many the next ones follow when these have been sent.
 */
export function deliverNotifications(core: Core, session: Subscriber, notifierId: NotifierId): void {
  const { deferred } = session
  if (!session.canPush) {
    deferred.notifiers.add(notifierId)
    return
  }
  const pending = core.store.notifications(notifierId, NOTIFICATION_BATCH)
  for (const { nonce, encMeta } of pending) session.event(notifierId, { type: 'NMSG', nonce, encMeta })
  core.store.deleteNotifications(notifierId, pending.length)
  if (pending.length < NOTIFICATION_BATCH) return
  deferNotifications(session, notifierId)
}

/** Has pending notifications sent as soon as the connection takes them. */
export function deferNotifications(session: Subscriber, notifierId: NotifierId): void {
  session.deferred.notifiers.add(notifierId)
  session.wake()
}

/** Sends what was deferred. */
export function notifyDeferred(core: Core, session: Subscriber, notifierId: NotifierId): void {
  const notifier = core.store.queueByNotifier(notifierId)?.notifier
  if (notifier === undefined || notifierSession(core, notifier) !== session) return
  deliverNotifications(core, session, notifierId)
}

/**
 * Ends the subscription to a queue's notifier that is gone, if there is one. The subscriber is told, unless it is `by`,
 * the connection that asked for it.
 */
export function endNotifier(core: Core, { notifier }: QueueRec, by?: Subscriber): void {
  if (notifier === undefined) return
  const subscriber = notifierSession(core, notifier)
  if (subscriber === undefined) return
  if (subscriber === by) forgetNotifier(core, by, notifier.notifierId)
  else endNotifierSubscription(core, subscriber, notifier.notifierId, 'DELD')
}

/** Tells a connection that its subscription to a notifier was replaced, or that the notifier is gone. */
export function endNotifierSubscription(
  core: Core,
  session: Subscriber,
  notifierId: NotifierId,
  event: 'END' | 'DELD',
): void {
  forgetNotifier(core, session, notifierId)
  session.event(notifierId, { type: event })
}

/** Ends the subscription of a connection to a notifier without a word. */
export function forgetNotifier(core: Core, session: Subscriber, notifierId: NotifierId): void {
  core.subscriptions.unsubscribeNotifier(notifierId, session)
  session.notifiers.delete(notifierId)
  session.deferred.notifiers.delete(notifierId)
}
