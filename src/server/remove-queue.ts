import type { QueueRec } from '../store/store.ts'
import type { Core } from './core.ts'
import { endSubscription, pushTarget } from './delivery.ts'
import { endNotifier } from './notifications.ts'
import type { Subscriber } from './subscriber.ts'

/**
 * Removes a queue with everything that belongs to it, and tells its subscriber and its notifier's, except `by`, the
 * connection that asked for it. Returns the number of messages removed.
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
