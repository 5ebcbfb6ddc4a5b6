import type { SmpError } from '../protocol/errors.ts'
import type { EntityId } from '../protocol/ids.ts'
import type { Reply } from '../protocol/reply.ts'
import type { Transmission } from '../protocol/transmission.ts'
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
 * What a command led to. `durable`: the reply promises something, and is sent once the store has made that durable.
 * `later`: work that waits for others. It starts when the connection has few enough of them running; its reply is sent
 * when it is ready and delays no other reply.
 */
export type Outcome = { readonly reply: Reply; readonly durable?: boolean } | { readonly later: () => Promise<Reply> }

/** The command inside RFWD, which is executed next, and how its reply becomes the one to RFWD. */
export interface ForwardedCommand {
  readonly inner: Transmission
  /** The version that the client and this relay speak. */
  readonly version: number
  readonly wrap: (reply: Reply) => Reply
}

export function fail(error: SmpError): Outcome {
  return { reply: { type: 'ERR', error } }
}

/** A reply that is sent once everything that the command did is durable. */
export function durable(reply: Reply): Outcome {
  return { reply, durable: true }
}

export const OK: Reply = { type: 'OK' }

export function blockedError(status: BlockedStatus): SmpError {
  return status.notice === undefined
    ? { type: 'BLOCKED', reason: status.reason }
    : { type: 'BLOCKED', reason: status.reason, notice: status.notice }
}
