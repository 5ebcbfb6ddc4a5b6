import type { SmpError } from '../protocol/errors.ts'
import type { EntityId } from '../protocol/ids.ts'
import type { Reply } from '../protocol/reply.ts'
import type { BlockedStatus } from '../store/store.ts'
import type { Core } from './core.ts'
import type { Subscriber } from './subscriber.ts'
import type { ReceivedBatch } from './statistics/blocks.ts'

/** Who asks, in which version; `forwarded` when another relay passed the command on for a client that we do not see. */
export interface Request {
  readonly core: Core
  readonly session: Subscriber
  readonly version: number
  readonly forwarded: boolean
  /** The block that the command came in; absent in one that was forwarded. */
  readonly batch?: ReceivedBatch
}

/** A request with the ids of its command. */
export interface Context extends Request {
  readonly corrId: Buffer
  readonly entityId: EntityId
}

/**
 * What a command led to. `kept`: the reply promises something, and leaves after the store has made it durable.
 * `later`: work that waits for others. It is begun when the connection has few enough of them under way, its reply
 * comes when it comes and holds nothing else up.
 */
export type Outcome = { readonly reply: Reply; readonly kept?: boolean } | { readonly later: () => Promise<Reply> }

export function fail(error: SmpError): Outcome {
  return { reply: { type: 'ERR', error } }
}

export function kept(reply: Reply): Outcome {
  return { reply, kept: true }
}

export const OK: Reply = { type: 'OK' }

export function blockedError(status: BlockedStatus): SmpError {
  return status.notice === undefined
    ? { type: 'BLOCKED', reason: status.reason }
    : { type: 'BLOCKED', reason: status.reason, notice: status.notice }
}
