import type { Command } from '../../protocol/command.ts'
import type { Reply } from '../../protocol/reply.ts'
import type { QueueRec } from '../../store/store.ts'
import type { RequiredKeys } from '../authorization.ts'
import { fail, durable, OK, type Context, type Outcome } from '../outcome.ts'

/** Whether the queue is an invitation that the sender has secured, so that its link is of no more use. */
export function isSecuredInvitation(queue: QueueRec): boolean {
  return queue.queueMode !== 'C' && queue.senderKey !== undefined
}

/** LSET: sets the data behind a short link. The fixed part can never change, and a secured invitation takes none. */
export function setLink(context: Context, command: Command<'LSET'>, queue: QueueRec): Outcome {
  const { store } = context.core
  const { linkId, link } = command
  if (isSecuredInvitation(queue)) return fail({ type: 'AUTH' })
  if (queue.linkId !== undefined) {
    const stored = queue.linkId === linkId ? store.linkData(linkId) : undefined
    if (stored?.fixedData.equals(link.fixedData) !== true) return fail({ type: 'AUTH' })
  }
  return store.setLink(queue.rcvId, linkId, link) === 'ok' ? durable(OK) : fail({ type: 'AUTH' })
}

/** LDEL: removes the link data, if there is any. */
export function deleteLink(context: Context, _: Command<'LDEL'>, queue: QueueRec): Outcome {
  context.core.store.deleteLink(queue.rcvId)
  return durable(OK)
}

/** LKEY: secures an invitation with the sender's key (checked before) and returns its link data. */
export function secureByLink(context: Context, command: Command<'LKEY'>, queue: QueueRec): Outcome {
  const { store, stats } = context.core
  const reply = linkReply(context, queue)
  if (reply === undefined) return fail({ type: 'AUTH' })
  if (queue.senderKey === undefined) store.secureQueue(queue.rcvId, command.key)
  stats.qSecured++
  return durable(reply)
}

/** Whether anyone may read the link data: of contact addresses, and of queues of unknown mode until they are secured. */
function isOpenToRead(queue: QueueRec): boolean {
  return queue.queueMode === 'C' || (queue.queueMode === undefined && queue.senderKey === undefined)
}

/** LGET comes without an authorization, and is answered for links that anyone may read. */
export function openLink(queue: QueueRec): RequiredKeys {
  return isOpenToRead(queue) ? 'anyone' : []
}

/** LGET: returns the link data of a queue. */
export function getLink(context: Context, _: Command<'LGET'>, queue: QueueRec): Outcome {
  const reply = linkReply(context, queue)
  return reply ? { reply } : fail({ type: 'AUTH' })
}

function linkReply(context: Context, queue: QueueRec): Reply | undefined {
  const link = queue.linkId === undefined ? undefined : context.core.store.linkData(queue.linkId)
  return link && { type: 'LNK', sndId: queue.sndId, link }
}
