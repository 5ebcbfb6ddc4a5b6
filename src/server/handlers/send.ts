import type { Command } from '../../protocol/command.ts'
import { idFromBytes, type MsgId } from '../../protocol/ids.ts'
import { ID_SIZE, maxMessageLength } from '../../protocol/limits.ts'
import type { OrdinaryMessage, QueueRec } from '../../store/store.ts'
import type { RequiredKeys } from '../authorization.ts'
import { seconds } from '../core.ts'
import { pushMessage } from '../delivery.ts'
import { notify } from '../notifications.ts'
import { blockedError, fail, durable, OK, type Context, type Outcome } from '../outcome.ts'
import { isSecuredInvitation } from './link.ts'

/** SEND is authorised with the sender's key once there is one, and comes without an authorization before that. */
export function senderKey(queue: QueueRec): RequiredKeys {
  return queue.senderKey === undefined ? 'anyone' : [queue.senderKey]
}

/** SEND: stores a message, and pushes it if the queue was empty. */
export function send(context: Context, command: Command<'SEND'>, queue: QueueRec): Outcome {
  const { core } = context
  const { store, stats, policy } = core
  if (command.body.length > maxMessageLength(context.version)) {
    stats.msgSentLarge++
    return fail({ type: 'LARGE_MSG' })
  }
  if (queue.status.type === 'off') return fail({ type: 'AUTH' })
  if (queue.status.type === 'blocked') {
    stats.msgSentBlock++
    return fail(blockedError(queue.status))
  }
  if (queue.linkId !== undefined && isSecuredInvitation(queue)) store.deleteLink(queue.rcvId)
  const timestamp = seconds(core)
  if (policy.expireOnSend) stats.msgExpired += store.expireMessages(queue.rcvId, timestamp - policy.messageTtl)
  const message: OrdinaryMessage = {
    type: 'message',
    id: idFromBytes<MsgId>(core.random(ID_SIZE)),
    timestamp,
    notify: command.notify,
    body: command.body,
  }
  const written = store.writeMessage(queue.rcvId, message)
  if (!written.stored) {
    stats.msgSentQuota++
    return fail({ type: 'QUOTA' })
  }
  stats.msgSent++
  stats.activeQueues.add(queue.rcvId, command.notify)
  if (written.wasEmpty) pushMessage(core, queue, message)
  if (command.notify) {
    stats.msgSentNtf++
    if (queue.notifier !== undefined) notify(core, queue.notifier, message)
  }
  return durable(OK)
}
