import { idToBytes } from '../../protocol/ids.ts'
import type { QueueRec } from '../../store/store.ts'
import { endSubscription, pushTarget } from '../delivery.ts'
import { endNotifierSubscription, forgetNotifier, notifierSession } from '../notifications.ts'
import { kept, OK, type Context, type Outcome } from '../outcome.ts'

/** OFF: nothing more is accepted from senders. */
export function suspendQueue(context: Context, queue: QueueRec): Outcome {
  context.core.store.setStatus(queue.rcvId, { type: 'off' })
  return kept(OK)
}

/** DEL: removes the queue and everything that belongs to it; whoever else received from it is told. */
export function deleteQueue(context: Context, queue: QueueRec): Outcome {
  const { core, session } = context
  const subscription = pushTarget(core, queue)
  session.subscriptions.delete(queue.rcvId)
  if (subscription !== undefined) {
    core.subscriptions.unsubscribe(subscription)
    if (subscription.session !== session) endSubscription(core, subscription, 'DELD')
  }
  endNotifier(context, queue)
  core.store.deleteQueue(queue.rcvId)
  core.stats.qDeletedAll++
  if (queue.senderKey === undefined) core.stats.qDeletedNew++
  else core.stats.qDeletedSecured++
  return kept(OK)
}

/** Ends the subscription to a notifier that is gone, if there is one, and tells the subscriber, unless it did that itself. */
export function endNotifier(context: Context, queue: QueueRec): void {
  const { core, session } = context
  const { notifier } = queue
  if (notifier === undefined) return
  const subscriber = notifierSession(core, notifier)
  if (subscriber === undefined) return
  if (subscriber === session) forgetNotifier(core, session, notifier.notifierId)
  else endNotifierSubscription(core, subscriber, notifier.notifierId, 'DELD')
}

/** QUE: what the relay knows of a queue, for its owner. Keys of the JSON text in this order, absent ones left out. */
export function queueInfo(context: Context, queue: QueueRec): Outcome {
  const { core, session } = context
  const subscription = session.subscriptions.get(queue.rcvId)
  const first = core.store.firstMessage(queue.rcvId)
  const info = {
    qiSnd: queue.senderKey !== undefined,
    qiNtf: queue.notifier !== undefined,
    ...(subscription && {
      qiSub: {
        qSubThread: subscription.mode === 'get' ? 'prohibitSub' : subscription.pending ? 'subPending' : 'noSub',
        ...(subscription.delivered && { qDelivered: base64(subscription.delivered.msgId) }),
      },
    }),
    qiSize: core.store.queueSize(queue.rcvId),
    ...(first && {
      qiMsg: {
        msgId: base64(first.id),
        msgTs: new Date(first.timestamp * 1000).toISOString().replace('.000Z', 'Z'),
        msgType: first.type,
      },
    }),
  }
  return { reply: { type: 'INFO', json: JSON.stringify(info) } }
}

function base64(id: Parameters<typeof idToBytes>[0]): string {
  return idToBytes(id).toString('base64')
}
