import type { Command } from '../../protocol/command.ts'
import type { QueueRec } from '../../store/store.ts'
import { endSubscription, pushFirst } from '../delivery.ts'
import { fail, durable, type Context, type Outcome } from '../outcome.ts'
import { mayAssociate } from '../service-session.ts'
import { associateQueue } from '../services.ts'
import type { Subscription } from '../subscriber.ts'

/**
 * SUB: makes this connection the queue's only recipient, before the reply is sent. The first message follows the
 * reply as an event. A service session associates the queue with the service; any other session removes an association.
 */
export function subscribe(context: Context, _: Command<'SUB'>, queue: QueueRec): Outcome {
  const { core, session } = context
  const known = session.subscriptions.get(queue.rcvId)
  if (known?.mode === 'get') {
    core.stats.qSubProhibited++
    return fail({ type: 'CMD', error: 'PROHIBITED' })
  }
  if (!mayAssociate(context)) return fail({ type: 'SERVICE' })
  const associated = associateQueue(context, queue)
  const claimed = session.link.service === undefined && core.store.claim('queue', queue.rcvId)
  const subscription = known ?? subscribeSession(context, queue)
  if (known !== undefined) {
    core.stats.qSubDuplicate++
    known.delivered = undefined
  }
  pushFirst(core, subscription, queue)
  // A deferred message counts as delivered, only later.
  const hasMessage = subscription.delivered !== undefined || subscription.pending
  if (known === undefined && hasMessage) core.stats.qSub++
  const serviceId = session.link.service?.serviceId
  const reply = { type: 'SOK', ...(serviceId && { serviceId }) } as const
  return associated || claimed ? durable(reply) : { reply }
}

/** Registers a new subscription of this connection; a connection that is replaced is told. */
export function subscribeSession(context: Context, queue: Pick<QueueRec, 'rcvId'>): Subscription {
  const { core, session } = context
  const subscription: Subscription = {
    session,
    rcvId: queue.rcvId,
    mode: 'subscribed',
    delivered: undefined,
    pending: false,
  }
  session.subscriptions.set(queue.rcvId, subscription)
  if (session.link.service === undefined) {
    const replaced = core.subscriptions.subscribe(subscription)
    if (replaced !== undefined) endSubscription(core, replaced, 'END')
  }
  return subscription
}
