import type { QueueRec } from '../store/store.ts'
import type { Core } from './core.ts'
import { endSubscription, pushTarget } from './delivery.ts'
import { endNotifier } from './notifications.ts'
import type { Subscriber } from './subscriber.ts'

/**
 * Removes a queue with everything that belongs to it. Whoever received from it or its notifier is told, but for `by`,
 * the connection that asked for it. The number of messages that went with it.
 */
export function removeQueue(core: Core, queue: QueueRec, by?: Subscriber): number {
  const subscription = pushTarget(core, queue)
  by?.subscriptions.delete(queue.rcvId)
  if (subscription !== undefined) {
    core.subscriptions.unsubscribe(subscription)
    if (subscription.session !== by) endSubscription(core, subscription, 'DELD')
  }
  endNotifier(core, queue, by)
  const messages = core.store.deleteQueue(queue.rcvId) ?? 0
  core.stats.qDeletedAll++
  if (queue.senderKey === undefined) core.stats.qDeletedNew++
  else core.stats.qDeletedSecured++
  return messages
}
