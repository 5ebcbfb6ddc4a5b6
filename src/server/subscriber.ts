import type { EntityId, MsgId, NotifierId, RcvId } from '../protocol/ids.ts'
import type { Reply } from '../protocol/reply.ts'
import type { SmpLink } from '../transport/smp-link.ts'
import type { AgreedKeys } from './authorization.ts'
import type { Deferred } from './deferred.ts'

/** How one connection receives from one queue; it ends with the connection. */
export interface Subscription {
  readonly session: Subscriber
  readonly rcvId: RcvId
  /** `get`: the connection polls with GET and is never pushed to. */
  readonly mode: 'subscribed' | 'get'
  /** The message that was delivered and not acknowledged yet, with the time in milliseconds. */
  delivered: { readonly msgId: MsgId; readonly at: number } | undefined
  /** A message waits until the connection can take it. */
  pending: boolean
}

/** The subscriptions of one connection by queue, with the number of those that are pushed to. */
export class SubscriptionMap extends Map<RcvId, Subscription> {
  #pushed = 0

  /** Subscriptions by SUB or NEW, not by GET. */
  get pushed(): number {
    return this.#pushed
  }

  override set(rcvId: RcvId, subscription: Subscription): this {
    this.delete(rcvId)
    if (subscription.mode === 'subscribed') this.#pushed++
    return super.set(rcvId, subscription)
  }

  override delete(rcvId: RcvId): boolean {
    if (this.get(rcvId)?.mode === 'subscribed') this.#pushed--
    return super.delete(rcvId)
  }

  override clear(): void {
    this.#pushed = 0
    super.clear()
  }
}

/** What commands and deliveries need of a connection. */
export interface Subscriber {
  /** Unique since the relay started; shown to operators. */
  readonly id: number
  readonly link: SmpLink
  /** Queues that this connection receives from, by SUB, NEW or GET. */
  readonly subscriptions: SubscriptionMap
  /** Notifiers that this connection is subscribed to. */
  readonly notifiers: Set<NotifierId>
  /** Agreed keys of the queues that this connection uses. */
  readonly agreed: AgreedKeys
  /** What is pushed as soon as the client takes more. */
  readonly deferred: Deferred
  /** The service of this session has subscribed: its queues are pushed to this connection. */
  serviceSubscribed: boolean
  /** SUBS or NSUBS was answered on this connection. */
  subscribedAll: boolean
  readonly closed: boolean
  /** Whether an event may be pushed now; otherwise it is deferred. */
  readonly canPush: boolean
  /** Sends an event: a transmission that answers no command; `alone`: in a block of its own. */
  event(entityId: EntityId, reply: Reply, alone?: boolean): void
  /** Pushes a message that has just arrived; to its own sender before the reply to SEND, in a block of its own. */
  pushNew(entityId: EntityId, reply: Reply): void
  /** Schedules the session: it has deferred events. */
  wake(): void
}
