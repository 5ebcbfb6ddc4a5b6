import { idToBytes } from '../../protocol/ids.ts'
import type { Command } from '../../protocol/command.ts'
import type { QueueRec } from '../../store/store.ts'
import type { RequiredKeys } from '../authorization.ts'
import { durable, OK, type Context, type Outcome } from '../outcome.ts'
import { removeQueue } from '../remove-queue.ts'

/** A recipient's command is authorised with any of the queue's recipient keys. */
export function recipientKeys(queue: QueueRec): RequiredKeys {
  return queue.recipientKeys
}

/** OFF: nothing more is accepted from senders. */
export function suspendQueue(context: Context, _: Command<'OFF'>, queue: QueueRec): Outcome {
  context.core.store.setStatus(queue.rcvId, { type: 'off' })
  return durable(OK)
}

/** DEL: removes the queue and everything that belongs to it; other subscribers are told. */
export function deleteQueue(context: Context, _: Command<'DEL'>, queue: QueueRec): Outcome {
  removeQueue(context.core, queue, context.session)
  return durable(OK)
}

/** QUE: what the relay knows about a queue, for its owner. The JSON has its keys in this order, without absent ones. */
export function queueInfo(context: Context, _: Command<'QUE'>, queue: QueueRec): Outcome {
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
