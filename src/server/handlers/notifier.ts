import type { Command } from '../../protocol/command.ts'
import { idFromBytes, type NotifierId } from '../../protocol/ids.ts'
import { ID_SIZE } from '../../protocol/limits.ts'
import type { QueueRec } from '../../store/store.ts'
import type { RequiredKeys } from '../authorization.ts'
import { deliverNotifications, endNotifier, endNotifierSubscription } from '../notifications.ts'
import { fail, durable, OK, type Context, type Outcome } from '../outcome.ts'
import { mayAssociate } from '../service-session.ts'
import { associateNotifier } from '../services.ts'
import { agree } from './new-queue.ts'

const ATTEMPTS = 3

/** NKEY: creates credentials for a notifier, with a new notifier id each time. */
export function setNotifier(context: Context, command: Command<'NKEY'>, queue: QueueRec): Outcome {
  const { core, session } = context
  const agreed = agree(command.keys.dhKey)
  if (agreed === undefined) return fail({ type: 'CRYPTO' })
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const notifierId = idFromBytes<NotifierId>(core.random(ID_SIZE))
    const set = core.store.setNotifier(queue.rcvId, { notifierId, key: command.keys.authKey, dhSecret: agreed.secret })
    if (set === 'taken') continue
    endNotifier(core, queue, session)
    core.stats.ntfCreated++
    return durable({ type: 'NID', notifierId, srvNtfDhKey: agreed.publicKey })
  }
  return fail({ type: 'INTERNAL' })
}

/** NDEL: removes the credentials and pending notifications, if there are any. */
export function deleteNotifier(context: Context, _: Command<'NDEL'>, queue: QueueRec): Outcome {
  const { core, session } = context
  if (core.store.deleteNotifier(queue.rcvId) !== undefined) core.stats.ntfDeleted++
  endNotifier(core, queue, session)
  return durable(OK)
}

/** NSUB is authorised with the notifier's key. */
export function notifierKey({ notifier }: QueueRec): RequiredKeys {
  return notifier === undefined ? [] : [notifier.key]
}

/** NSUB: makes this connection the notifier's only subscriber; pending notifications follow the reply. */
export function subscribeNotifier(context: Context, _: Command<'NSUB'>, queue: QueueRec): Outcome {
  const { core, session } = context
  const { notifier } = queue
  if (notifier === undefined) return fail({ type: 'AUTH' })
  if (!mayAssociate(context)) return fail({ type: 'SERVICE' })
  const associated = associateNotifier(context, queue)
  const service = session.link.service
  const claimed = service === undefined && core.store.claim('notifier', notifier.notifierId)
  if (service === undefined) {
    if (session.notifiers.has(notifier.notifierId)) core.stats.ntfSubDuplicate++
    else core.stats.ntfSub++
    session.notifiers.add(notifier.notifierId)
    const replaced = core.subscriptions.subscribeNotifier(notifier.notifierId, session)
    if (replaced !== undefined) endNotifierSubscription(core, replaced, notifier.notifierId, 'END')
  }
  deliverNotifications(core, session, notifier.notifierId)
  const reply = { type: 'SOK', ...(service && { serviceId: service.serviceId }) } as const
  return associated || claimed ? durable(reply) : { reply }
}
