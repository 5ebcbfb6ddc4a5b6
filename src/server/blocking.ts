import { idAs, type EntityId, type LinkId, type SndId } from '../protocol/ids.ts'
import type { BlockedStatus, QueueRec, QueueStatus } from '../store/store.ts'
import type { Core } from './core.ts'
import { pushTarget } from './delivery.ts'
import { blockedError } from './outcome.ts'

/** The result of an operator's command. `status`: the queue's status before it. */
export interface BlockingResult {
  readonly changed: boolean
  readonly status: QueueStatus
}

const sameBlock = (a: BlockedStatus, b: BlockedStatus): boolean =>
  a.reason === b.reason && (a.notice === undefined) === (b.notice === undefined) && a.notice?.ttl === b.notice?.ttl

/** The queue with this sender id, as in invitations, or this link id. */
export function queueToModerate(core: Core, id: EntityId): QueueRec | undefined {
  return core.store.queueBySender(idAs<SndId>(id)) ?? core.store.queueByLink(idAs<LinkId>(id))
}

/**
 * Blocks an active queue: nothing can be sent to it or received from it, and its subscriber is told why at once (SMP
 * server behaviour §7). A blocked queue gets the new reason; a suspended one stays suspended. Undefined: no such queue.
 */
export function blockQueue(core: Core, id: EntityId, status: BlockedStatus): BlockingResult | undefined {
  const queue = queueToModerate(core, id)
  if (queue === undefined) return undefined
  const before = queue.status
  if (before.type === 'off' || (before.type === 'blocked' && sameBlock(before, status))) {
    return { changed: false, status: before }
  }
  core.store.setStatus(queue.rcvId, status)
  if (before.type === 'active') core.stats.qBlocked++
  pushTarget(core, queue)?.session.event(queue.rcvId, { type: 'ERR', error: blockedError(status) })
  return { changed: true, status: before }
}

/** Makes a blocked queue active again; a suspended one stays suspended. Undefined: no such queue. */
export function unblockQueue(core: Core, id: EntityId): BlockingResult | undefined {
  const queue = queueToModerate(core, id)
  if (queue === undefined) return undefined
  const changed = queue.status.type === 'blocked'
  if (changed) core.store.setStatus(queue.rcvId, { type: 'active' })
  return { changed, status: queue.status }
}
