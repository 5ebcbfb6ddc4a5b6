import type { Command } from '../../protocol/command.ts'
import type { QueueRec } from '../../store/store.ts'
import { markDelivered, messageReply } from '../delivery.ts'
import { fail, OK, type Context, type Outcome } from '../outcome.ts'
import type { Subscription } from '../subscriber.ts'

/** GET: returns the first message without subscribing; from then on this connection may not SUB to the queue. */
export function getMessage(context: Context, _: Command<'GET'>, queue: QueueRec): Outcome {
  const { core, session } = context
  const known = session.subscriptions.get(queue.rcvId)
  if (known?.mode === 'subscribed') {
    core.stats.msgGetProhibited++
    return fail({ type: 'CMD', error: 'PROHIBITED' })
  }
  const subscription: Subscription = known ?? {
    session,
    rcvId: queue.rcvId,
    mode: 'get',
    delivered: undefined,
    pending: false,
  }
  session.subscriptions.set(queue.rcvId, subscription)
  const before = subscription.delivered
  subscription.delivered = undefined
  const message = core.store.firstMessage(queue.rcvId)
  if (message === undefined) {
    core.stats.msgGetNoMsg++
    return { reply: OK }
  }
  core.stats[before === undefined ? 'msgGet' : 'msgGetDuplicate']++
  markDelivered(core, subscription, message)
  return { reply: messageReply(queue, message) }
}

/**
 * ACK: deletes the message that was delivered to this connection, and answers with the next one, which counts as
 * delivered. A message that is no longer the first of its queue was removed by another connection: nothing is deleted.
 * The reply does not wait for the disk: should the relay crash at once, the message comes again, and clients know it by
 * its id.
 */
export function acknowledge(context: Context, command: Command<'ACK'>, queue: QueueRec): Outcome {
  const { core, session } = context
  const { store, stats } = core
  const subscription = session.subscriptions.get(queue.rcvId)
  const delivered = subscription?.delivered
  if (subscription === undefined || delivered === undefined) return fail({ type: 'NO_MSG' })
  if (command.msgId !== '' && command.msgId !== delivered.msgId) return fail({ type: 'NO_MSG' })
  subscription.delivered = undefined
  const deleted = store.deleteFirstMessage(queue.rcvId, command.msgId)
  if (deleted?.type === 'message') {
    stats.msgRecv++
    if (subscription.mode === 'get') stats.msgRecvGet++
    if (deleted.notify) stats.msgRecvNtf++
    stats.activeQueues.add(queue.rcvId, deleted.notify)
    stats.ackTimes.add((core.now() - delivered.at) / 1000)
  }
  if (subscription.mode === 'get') return { reply: OK }
  const next = store.firstMessage(queue.rcvId)
  if (next === undefined) return { reply: OK }
  markDelivered(core, subscription, next)
  return { reply: messageReply(queue, next) }
}
