import type { EntityId, LinkId, NotifierId, RcvId, ServiceId, SndId } from '../protocol/ids.ts'
import type { ExpiryResult, Store, StoreCounts } from './store.ts'
import type { StoreWalks } from './walks.ts'

/**
 * What a unit of work may touch. A store whose rows are elsewhere loads them, and keeps others from changing them, before
 * the work is done; one that has them at hand does not look at it.
 */
export interface Needs {
  readonly queues?: readonly QueueNeed[]
  /** Ids that a client chose for something new: nobody else takes them meanwhile. */
  readonly newIds?: readonly EntityId[]
  /** Services whose record, subscriptions or connection matter. */
  readonly services?: readonly ServiceId[]
  /** A certificate (SHA-256) of a service that may be new. */
  readonly certHash?: Buffer
}

/** A queue by one of its ids, and how much of what belongs to it. The same queue may be named more than once. */
export type QueueNeed =
  | {
      readonly by: 'rcvId'
      readonly id: RcvId
      /** How many messages may be looked at, from the head; none when absent. */
      readonly messages?: number
      /** Messages older than this (seconds) may be expired. */
      readonly expiredBefore?: number | undefined
      /** The data of its link. */
      readonly link?: boolean
    }
  | {
      readonly by: 'sndId'
      readonly id: SndId
      readonly expiredBefore?: number | undefined
      /** How many pending notifications of its notifier may be looked at. */
      readonly notifications?: number
    }
  | { readonly by: 'notifierId'; readonly id: NotifierId; readonly notifications?: number }
  | { readonly by: 'linkId'; readonly id: LinkId; readonly link?: boolean }

/** What the handlers of commands use of the store; synchronous, because everything in it is at hand. */
export interface Work extends Pick<
  Store,
  | 'addQueue'
  | 'queue'
  | 'queueBySender'
  | 'queueByNotifier'
  | 'queueByLink'
  | 'linkData'
  | 'setLink'
  | 'deleteLink'
  | 'secureQueue'
  | 'setRecipientKeys'
  | 'setStatus'
  | 'touchQueue'
  | 'setNotifier'
  | 'deleteNotifier'
  | 'deleteQueue'
  | 'writeMessage'
  | 'restoreMarker'
  | 'firstMessage'
  | 'deleteFirstMessage'
  | 'queueSize'
  | 'expireMessages'
  | 'addNotification'
  | 'notifications'
  | 'deleteNotifications'
  | 'service'
  | 'serviceByCertHash'
  | 'addService'
  | 'setQueueService'
  | 'serviceSubscriptions'
> {
  /**
   * Makes this relay the one that pushes what arrives for a queue, a notifier or a service, and has the relay that did so
   * before told. True when that has to become durable before anybody may rely on it.
   */
  claim(kind: ClaimKind, id: RcvId | NotifierId | ServiceId): boolean
  /** The relay that pushes what arrives for this id is another one, and alive as far as anybody knows. */
  isElsewhere(id: RcvId | NotifierId | ServiceId): boolean
  /** Resolves when everything that this unit has done is durable, and rejects with StoreError when it is undone. */
  committed(): Promise<void>
}

/** What a relay can push for. */
export type ClaimKind = 'queue' | 'notifier' | 'service'

/** A store as the relay uses it: units of work, and what goes through everything. */
export interface WorkStore {
  /**
   * Lets `decide` work with what `needs` names. A store that has it at hand calls `decide` at once and returns what it
   * returns; one that has to load it returns a promise of that.
   *
   * @throws StoreError (by the promise) when nothing could be loaded; `decide` was not called then
   */
  run<T>(needs: () => Needs, decide: (work: Work) => T | Promise<T>): T | Promise<T>
  /** They may be a little old when counting takes long. */
  counts(): StoreCounts | Promise<StoreCounts>
  /** Resolves when the store takes data, and everything that was done so far is durable. */
  flushed(): Promise<void>
  /** Removes old messages of every queue, see {@link Work.expireMessages}. */
  expireQueues(before: number): Promise<ExpiryResult>
  /** Removes old pending notifications; the number removed. */
  expireNotifications(before: number): Promise<number>
  /** Removes services that have no association. */
  removeUnusedServices(): Promise<void>
  /** Makes everything durable and closes. */
  close(): Promise<void>
}

/** A store elsewhere, from which everything has to be loaded. */
export interface LoadingStore extends WorkStore {
  readonly loads: true
  /** Work for which nothing was loaded. */
  readonly nothing: Work
  walks(): StoreWalks
  /** Says who is told about what this relay did not do itself; one listener. */
  listen(listener: StoreListener): void
  run<T>(needs: () => Needs, decide: (work: Work) => T | Promise<T>): Promise<T>
  /**
   * Waits for the turn to do what one relay at a time does, and keeps it.
   *
   * @param onTurn called with the first answer, when this relay gets the turn, and when it has lost it and has to stop within
   *   five seconds
   */
  takeTurns(onTurn: (isMine: boolean) => void): Turns
}

/** A wait for the turn, or the turn itself. */
export interface Turns {
  /** Gives it to the next relay; what was done with it is over. */
  end(): Promise<void>
}

/** Is told what a relay has to look at again. */
export interface StoreListener {
  /** What was decided about these queues could not be kept. */
  undone(rcvIds: Iterable<RcvId>): void
  /** Other relays have changed these. */
  woken(wakes: Iterable<Wake>): void
  /** Nobody knows what other relays have changed: everything that this relay pushes for. */
  missed(): void
}

/** What a relay has to look at again because another one has changed it. */
export interface Wake {
  readonly kind: WakeKind
  readonly id: EntityId
}

/** `blocked`: the queue, whose recipient has to be told that it is blocked by now. */
export type WakeKind = ClaimKind | 'blocked'

/** A store of one process alone, in which everything is at hand at any time. */
export interface EmbeddedStore extends Store, Work, WorkStore {
  readonly loads: false
  counts(): StoreCounts
  run<T>(needs: () => Needs, decide: (work: Work) => T): T
}

/** Any store that a relay can serve from. */
export type RelayStore = EmbeddedStore | LoadingStore
