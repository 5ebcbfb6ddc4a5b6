import { samePublicKey, type AuthKey } from '../../crypto/keys.ts'
import type { Command } from '../../protocol/command.ts'
import type { QueueRec } from '../../store/store.ts'
import { fail, kept, OK, type Context, type Outcome } from '../outcome.ts'

/** Whether `key` is the queue's sender key or may become it: once set it cannot be replaced. */
export function mayBecomeSenderKey(queue: QueueRec, key: AuthKey): boolean {
  return queue.senderKey === undefined || samePublicKey(queue.senderKey, key)
}

/** KEY: the recipient names the sender's key. */
export function secureByRecipient(
  context: Context,
  command: Extract<Command, { type: 'KEY' }>,
  queue: QueueRec,
): Outcome {
  if (!mayBecomeSenderKey(queue, command.key)) return fail({ type: 'AUTH' })
  return secured(context, queue, command.key)
}

/** SKEY: the sender names its own key; messaging queues only, authorised with that key (checked before). */
export function secureBySender(
  context: Context,
  command: Extract<Command, { type: 'SKEY' }>,
  queue: QueueRec,
): Outcome {
  return secured(context, queue, command.key)
}

/** RKEY: replaces the recipients' keys of a contact queue. */
export function setRecipientKeys(
  context: Context,
  command: Extract<Command, { type: 'RKEY' }>,
  queue: QueueRec,
): Outcome {
  if (queue.queueMode !== 'C') return fail({ type: 'AUTH' })
  context.core.store.setRecipientKeys(queue.rcvId, command.keys)
  return kept(OK)
}

function secured(context: Context, queue: QueueRec, key: AuthKey): Outcome {
  if (queue.senderKey === undefined) context.core.store.secureQueue(queue.rcvId, key)
  context.core.stats.qSecured++
  return kept(OK)
}
