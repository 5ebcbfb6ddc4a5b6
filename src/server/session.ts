import { NO_ENTITY, type EntityId, type NotifierId } from '../protocol/ids.ts'
import type { Reply } from '../protocol/reply.ts'
import { parsePayload } from '../protocol/transmission.ts'
import { StoreError } from '../store/store.ts'
import type { Work } from '../store/work.ts'
import type { SmpLink } from '../transport/smp-link.ts'
import { AgreedKeys } from './authorization.ts'
import { BlockExecution } from './block-execution.ts'
import type { Core } from './core.ts'
import { Deferred } from './deferred.ts'
import { pushDeferred } from './delivery.ts'
import { LaterReplies } from './later-replies.ts'
import { pushLoading } from './loading-delivery.ts'
import { notifyDeferred } from './notifications.ts'
import { Outbox, type Item } from './outbox.ts'
import type { Scheduler, Worker } from './scheduler.ts'
import { SubscriptionMap, type Subscriber } from './subscriber.ts'

/** Received blocks that wait for the processor before the socket is paused. */
const MAX_INBOX = 4
/** Events of commands in one stretch of a unit of work, before others are deferred. */
const MAX_UNIT_EVENTS = 16
/** Work of one block before others get their turn, in the unit of work that it shares with them; milliseconds. */
const UNIT_SLICE_MS = 2
const NO_CORR_ID = Buffer.alloc(0)

/**
 * One client connection after its handshake. Blocks are executed one at a time, and replies are sent in the order of the
 * commands; only a command that waits for another relay or a resolver is answered when that is done. A client that does
 * not read is not read from either.
 */
export class Session implements Worker, Subscriber {
  readonly core: Core
  /** Unique since the relay started; shown to operators. */
  readonly id: number
  readonly link: SmpLink
  /** Queues that this connection receives from, by SUB, NEW or GET. */
  readonly subscriptions = new SubscriptionMap()
  /** Notifiers that this connection is subscribed to. */
  readonly notifiers = new Set<NotifierId>()
  /** Agreed keys of the queues that this connection uses. */
  readonly agreed = new AgreedKeys()
  /** What is pushed as soon as the client takes more. */
  readonly deferred = new Deferred()
  /** The service of this session has subscribed: its queues are pushed to this connection. */
  serviceSubscribed = false
  /** SUBS or NSUBS was answered on this connection. */
  subscribedAll = false
  closed = false
  /** Milliseconds. */
  readonly createdAt: number
  /** When the last block was received, or the session began; milliseconds. */
  receivedAt: number
  readonly #scheduler: Scheduler
  readonly #outbox: Outbox
  readonly #later: LaterReplies
  readonly #inbox: Buffer[] = []
  /** The block that is being executed. */
  #execution: BlockExecution | undefined
  /** Events of the commands being executed: they follow the replies. */
  #events: Item[] | undefined
  /** The same, in a unit of work. */
  #unitEvents: Item[] | undefined
  #isPaused = false
  /** The block for whose commands something is being loaded. */
  #loading: BlockExecution | undefined
  /** Ends the unit of work in which the present block is executed. */
  #unitEnded: (() => void) | undefined
  /** Deferred events are being loaded. */
  #isPushing = false

  constructor(core: Core, id: number, link: SmpLink, scheduler: Scheduler, onClose: (session: Session) => void) {
    this.core = core
    this.id = id
    this.link = link
    this.#scheduler = scheduler
    this.#outbox = new Outbox(link, {
      stats: core.stats,
      backlog: core.backlog,
      now: core.now,
      onChange: () => scheduler.wake(this),
    })
    this.#later = new LaterReplies(core.proxying.clientConcurrency, core.log)
    this.createdAt = this.receivedAt = core.now()
    scheduler.add(this)
    link.channel.attach({
      block: (block) => this.#receive(block),
      drain: () => this.#outbox.drained(),
      close: () => {
        this.#end()
        onClose(this)
      },
    })
  }

  /** When the last block was sent, or the session began; milliseconds. */
  get sentAt(): number {
    return this.#outbox.sentAt
  }

  /** When the last block was received or sent, milliseconds. */
  get activeAt(): number {
    return Math.max(this.receivedAt, this.sentAt)
  }

  /** When the client stopped reading, milliseconds; undefined while it reads. */
  get stalledAt(): number | undefined {
    return this.#outbox.stalledAt
  }

  /** Whether an event may be pushed now; otherwise it is deferred. */
  get canPush(): boolean {
    // In a unit of work the outbox gets the events of many commands at once.
    return this.#outbox.canPush && (this.#unitEvents?.length ?? 0) < MAX_UNIT_EVENTS
  }

  /** In memory for this connection: received blocks and waiting commands; replies and events to be sent. */
  get queued(): { readonly received: number; readonly sending: number } {
    const executing = this.#execution === undefined ? 0 : 1
    return { received: this.#inbox.length + executing + this.#later.waiting, sending: this.#outbox.size }
  }

  get hasSubscriptions(): boolean {
    return this.serviceSubscribed || this.notifiers.size > 0 || this.subscriptions.pushed > 0
  }

  /** Sends an event: a transmission that answers no command; `alone`: in a block of its own. */
  event(entityId: EntityId, reply: Reply, alone = false): void {
    const item: Item = { corrId: NO_CORR_ID, entityId, reply, alone }
    this.#outbox.count(item)
    if (this.#events) this.#events.push(item)
    else this.#outbox.put(item, reply.type === 'END' || reply.type === 'DELD')
  }

  /**
   * Pushes a message that has just arrived. To the connection that sent it, it goes before the reply to SEND, in a block
   * of its own, as from other relays.
   */
  pushNew(entityId: EntityId, reply: Reply): void {
    const item: Item = { corrId: NO_CORR_ID, entityId, reply, alone: this.#events !== undefined }
    this.#outbox.count(item)
    this.#outbox.put(item)
  }

  /** Schedules this session: it has deferred events, or may execute commands again. */
  wake(): void {
    this.#scheduler.wake(this)
  }

  close(): void {
    this.link.channel.close()
  }

  /** Executes commands, sends, and pushes what was deferred, in turn. */
  work(untilMs: number): boolean {
    try {
      let more = true
      while (more && !this.closed) {
        const executed = this.#execute(untilMs)
        const sent = this.#outbox.send(untilMs)
        const pushed = this.#pushDeferred()
        more = executed || pushed || sent
        if (performance.now() >= untilMs) break
      }
      this.#regulate()
      return more
    } catch (error) {
      this.core.log.error('a command failed, its connection is closed', { error })
      this.close()
      return false
    }
  }

  /** Reads from the client again, unless it has to wait by now. */
  read(): void {
    if (!this.#isPaused && !this.closed) this.link.channel.resume()
  }

  #receive(block: Buffer): void {
    this.receivedAt = this.core.now()
    this.#inbox.push(block)
    this.#regulate()
    this.#scheduler.wake(this)
  }

  /** Executes commands of received blocks; false when there are none, or none may be executed now. */
  #execute(untilMs: number): boolean {
    // A unit of work that has begun goes on to its end: others wait for what it holds.
    if (this.#loading !== undefined) return false
    if (this.#unitEnded === undefined && (this.#outbox.isSending || this.#mustWait())) return false
    const execution = (this.#execution ??= this.#nextBlock())
    if (execution === undefined) return false
    if (execution.isUnloaded) {
      if (!execution.prepare(untilMs)) return true
      this.#load(execution)
      return !execution.isUnloaded
    }
    this.#run(execution, untilMs)
    if (execution.isDone) {
      this.#unitEnded?.()
      this.#unitEnded = undefined
    }
    return true
  }

  #run(execution: BlockExecution, untilMs: number): void {
    const events: Item[] = []
    this.#events = events
    if (this.core.engine.loads) this.#unitEvents = events
    const replies = execution.run(untilMs)
    this.#events = this.#unitEvents = undefined
    if (execution.isDone) this.#execution = undefined
    for (const reply of replies) this.#outbox.count(reply)
    // Must be called in the same turn of the event loop as the effects.
    const flushed = replies.some(({ durable }) => durable === true) ? execution.committed() : undefined
    this.#outbox.putReplies([...replies, ...events], flushed, execution.isDone)
  }

  /** Has what the commands of a block need loaded, and executes them in that unit of work. */
  #load(execution: BlockExecution): void {
    const { engine, log } = this.core
    const { needs } = execution
    if (!engine.loads || needs === undefined) {
      execution.load(this.core.store)
      return
    }
    this.#loading = execution
    engine
      .run(
        () => needs,
        (work) => this.#begin(execution, work),
      )
      .catch((error: unknown) => {
        if (error instanceof StoreError && execution.isUnloaded) {
          execution.refuse(error)
          return
        }
        log.error('a command failed, its connection is closed', { error })
        this.close()
      })
      .finally(() => {
        if (this.#loading === execution) this.#loading = undefined
        this.#scheduler.wake(this)
      })
  }

  /** Executes the commands of a block: at once as many as there is time for, and the others in this connection's turns. */
  #begin(execution: BlockExecution, work: Work): undefined | Promise<void> {
    if (this.closed) return undefined
    const beganMs = performance.now()
    execution.load(work)
    this.#run(execution, beganMs + UNIT_SLICE_MS)
    this.#scheduler.charge(this, performance.now() - beganMs)
    this.#loading = undefined
    this.#scheduler.wake(this)
    if (execution.isDone) return undefined
    return new Promise((resolve) => {
      this.#unitEnded = resolve
    })
  }

  #nextBlock(): BlockExecution | undefined {
    const block = this.#inbox.shift()
    if (block === undefined) return undefined
    const payload = this.link.openPayload(block)
    const transmissions = payload && parsePayload(payload)
    if (transmissions === undefined) {
      this.#reply({ corrId: NO_CORR_ID, entityId: NO_ENTITY, reply: { type: 'ERR', error: { type: 'BLOCK' } } })
    }
    return new BlockExecution(this.core, this, transmissions ?? [], (corrId, entityId, work) =>
      this.#later.add(work, (reply) => {
        if (!this.closed) this.#reply({ corrId, entityId, reply })
      }),
    )
  }

  #reply(item: Item): void {
    this.#outbox.count(item)
    this.#outbox.put(item)
  }

  /** Takes one step in each kind of deferred events; false when there are none, or the client takes no more now. */
  #pushDeferred(): boolean {
    const { deferred } = this
    if (deferred.isEmpty || !this.canPush || this.#isPushing) return false
    if (this.core.engine.loads) {
      this.#isPushing = true
      void pushLoading(this.core, this.core.engine, this).finally(() => {
        this.#isPushing = false
        if (!deferred.isEmpty) this.wake()
      })
      return false
    }
    const [walk] = deferred.walks
    if (walk?.next().done === true) deferred.walks.shift()
    const subscription = deferred.subscriptions.take()
    if (subscription !== undefined) pushDeferred(this.core, subscription)
    const notifierId = deferred.notifiers.take()
    if (notifierId !== undefined) notifyDeferred(this.core, this, notifierId)
    return true
  }

  #mustWait(): boolean {
    if (this.core.backlog.isFull) {
      this.core.backlog.whenRoom(this)
      return true
    }
    return this.#outbox.isFull || this.#later.isFull
  }

  /** Stops reading from a client that does not read, or that sends faster than the processor or the disk can follow. */
  #regulate(): void {
    const blocks = this.#inbox.length + (this.#execution === undefined ? 0 : 1)
    const isPaused = blocks >= (this.#scheduler.isShort ? 1 : MAX_INBOX) || this.#mustWait()
    if (isPaused === this.#isPaused || this.closed) return
    this.#isPaused = isPaused
    if (isPaused) this.link.channel.pause()
    else this.#scheduler.admit(this)
  }

  #end(): void {
    this.closed = true
    this.#scheduler.remove(this)
    this.#outbox.close()
    this.#later.clear()
    this.#inbox.length = 0
    this.#execution = undefined
    this.#unitEnded?.()
    this.#unitEnded = undefined
    this.deferred.walks.length = 0
    this.deferred.loadingWalks.length = 0
  }
}
