import { samePublicKey, type AuthKey } from '../../crypto/keys.ts'
import type { Command } from '../../protocol/command.ts'
import type { QueueRec } from '../../store/store.ts'
import type { RequiredKeys } from '../authorization.ts'
import { fail, durable, OK, type Context, type Outcome } from '../outcome.ts'

/** Whether `key` is the queue's sender key or may become it: a sender key is never replaced. */
function mayBecomeSenderKey(queue: QueueRec, key: AuthKey): boolean {
  return queue.senderKey === undefined || samePublicKey(queue.senderKey, key)
}

/**
 * SKEY and LKEY are authorised with the key in the command: a sender secures a messaging queue with its own key. They are
 * refused for other queues, and when another key is set.
 */
export function newSenderKey(queue: QueueRec, { key }: Command<'SKEY' | 'LKEY'>): RequiredKeys {
  return queue.queueMode === 'M' && mayBecomeSenderKey(queue, key) ? [key] : []
}

/** KEY: the recipient names the sender's key. */
export function secureByRecipient(context: Context, command: Command<'KEY'>, queue: QueueRec): Outcome {
  if (!mayBecomeSenderKey(queue, command.key)) return fail({ type: 'AUTH' })
  return secured(context, queue, command.key)
}

/** SKEY: the sender names its own key. */
export function secureBySender(context: Context, command: Command<'SKEY'>, queue: QueueRec): Outcome {
  return secured(context, queue, command.key)
}

/** RKEY: replaces the recipients' keys of a contact queue. */
export function setRecipientKeys(context: Context, command: Command<'RKEY'>, queue: QueueRec): Outcome {
  if (queue.queueMode !== 'C') return fail({ type: 'AUTH' })
  context.core.store.setRecipientKeys(queue.rcvId, command.keys)
  return durable(OK)
}

function secured(context: Context, queue: QueueRec, key: AuthKey): Outcome {
  if (queue.senderKey === undefined) context.core.store.secureQueue(queue.rcvId, key)
  context.core.stats.qSecured++
  return durable(OK)
}
