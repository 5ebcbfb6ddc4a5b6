import type { EntityId, MsgId, NotifierId, RcvId } from '../protocol/ids.ts'
import type { Reply } from '../protocol/reply.ts'
import type { SmpLink } from '../transport/smp-link.ts'
import type { AgreedKeys } from './authorization.ts'

/** How one connection receives from one queue; it ends with the connection. */
export interface Subscription {
  readonly session: Subscriber
  readonly rcvId: RcvId
  /** `get`: the connection polls with GET and is never pushed to. */
  readonly mode: 'subscribed' | 'get'
  /** Message that was handed out and is not acknowledged yet, with the time in milliseconds. */
  delivered: { readonly msgId: MsgId; readonly at: number } | undefined
  /** A message waits until the connection can take it. */
  pending: boolean
}

/** What commands and deliveries need of a connection. */
export interface Subscriber {
  /** A number of its own since the relay started, for operators. */
  readonly id: number
  readonly link: SmpLink
  /** Queues that this connection receives from, by SUB, NEW or GET. */
  readonly subscriptions: Map<RcvId, Subscription>
  /** Notifiers that this connection is subscribed to. */
  readonly notifiers: Set<NotifierId>
  /** Keys agreed on with the queues that this connection works with. */
  readonly agreed: AgreedKeys
  /** What could not be pushed because the client was not reading. */
  readonly heldBack: {
    readonly subscriptions: Set<Subscription>
    readonly notifiers: Set<NotifierId>
    /** Notifiers will be gone through again in the next turn of the loop. */
    continuing: boolean
  }
  /** The service of this session has subscribed: its queues are pushed to this connection. */
  serviceSubscribed: boolean
  /** SUBS or NSUBS was answered on this connection. */
  subscribedAll: boolean
  readonly closed: boolean
  /** Whether an event may be pushed now. What may not must be held back and offered again when the client reads. */
  readonly canPush: boolean
  /** Sends an event: a transmission that answers no command. */
  event(entityId: EntityId, reply: Reply): void
  /** Hands on a message that has just arrived; to its own sender before the reply to SEND, in a block of its own. */
  handOn(entityId: EntityId, reply: Reply): void
  /** Resolves when events may be pushed, or the connection has ended. */
  writable(): Promise<void> | undefined
}
