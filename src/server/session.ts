import { packBatches, parsePayload, parseTransmission } from '../protocol/transmission.ts'
import { encodeReplyTransmission, type Reply } from '../protocol/reply.ts'
import { NO_ENTITY, type EntityId, type NotifierId, type RcvId } from '../protocol/ids.ts'
import { BLOCK_SIZE } from '../protocol/limits.ts'
import type { StoreError } from '../store/store.ts'
import type { SmpLink } from '../transport/smp-link.ts'
import { AgreedKeys } from './authorization.ts'
import type { Core } from './core.ts'
import { pushHeldBack } from './delivery.ts'
import { execute } from './dispatch.ts'
import { notifyHeldBack } from './notifications.ts'
import type { Outcome } from './outcome.ts'
import type { Scheduler, Worker } from './scheduler.ts'
import { countEvents, ReceivedBatch } from './statistics/blocks.ts'
import type { Subscriber, Subscription } from './subscriber.ts'

/** One reply or event on its way out. */
interface Item {
  readonly corrId: Buffer
  readonly entityId: EntityId
  readonly reply: Reply
  /** The reply promises something that the store has to keep first. */
  readonly kept: boolean
  /** Leaves in a block of its own. */
  readonly alone?: boolean
}

/** Replies and events that leave together, in their turn. */
interface Group {
  items: Item[]
  ready: boolean
}

/** Received blocks that wait for the processor before the socket is paused. */
const MAX_INBOX = 4
/** Blocks whose effects are not durable yet before the socket is paused. */
const MAX_WAITING = 64
/** Replies and events of those blocks before the socket is paused; each may hold a message. */
const MAX_WAITING_ITEMS = 512
/** Commands for other relays that wait for their turn before the socket is paused; each may hold its block. */
const MAX_POSTPONED = 64
/** Messages that leave in one turn of the loop before further ones are held back: each fills its block. */
const MAX_LEAVING_MESSAGES = 16
const NO_CORR_ID = Buffer.alloc(0)

/**
 * One client connection after its handshake. Blocks are worked on one at a time; replies leave in the order of the
 * commands, after the effects that they promise are durable, and only those of commands for other relays come when they
 * come; a client that does not read is not read from either.
 */
export class Session implements Worker, Subscriber {
  readonly core: Core
  /** A number of its own since the relay started, for operators. */
  readonly id: number
  readonly link: SmpLink
  /** Queues that this connection receives from, by SUB, NEW or GET. */
  readonly subscriptions = new Map<RcvId, Subscription>()
  /** Notifiers that this connection is subscribed to. */
  readonly notifiers = new Set<NotifierId>()
  /** Keys agreed on with the queues that this connection works with. */
  readonly agreed = new AgreedKeys()
  /** What could not be pushed because the client was not reading. */
  readonly heldBack = {
    subscriptions: new Set<Subscription>(),
    notifiers: new Set<NotifierId>(),
    /** Notifiers will be gone through again in the next turn of the loop. */
    continuing: false,
  }
  /** The service of this session has subscribed: its queues are pushed to this connection. */
  serviceSubscribed = false
  /** SUBS or NSUBS was answered on this connection. */
  subscribedAll = false
  closed = false
  /** Milliseconds. */
  readonly createdAt: number
  /** Time of the last block received, or of the beginning; milliseconds. */
  receivedAt: number
  /** Time of the last block sent, or of the beginning; milliseconds. */
  sentAt: number
  /** Since when the client has not taken what waits for it, milliseconds; undefined while nothing waits. */
  stalledAt: number | undefined
  private readonly scheduler: Scheduler
  private readonly inbox: Buffer[] = []
  private readonly waiting: Group[] = []
  private outgoing: Item[] = []
  private leavingMessages = 0
  /** Encoded, block by block. */
  private readonly batches: Buffer[][] = []
  private executing: Item[] | undefined
  private flushScheduled = false
  private paused = false
  private congested = false
  private writers: (() => void)[] = []
  private waitingItems = 0
  /** Commands that are answered later: those under way, and those that wait for one of them to end. */
  private underWay = 0
  private readonly postponed: (() => void)[] = []

  constructor(core: Core, id: number, link: SmpLink, scheduler: Scheduler, onClose: (session: Session) => void) {
    this.core = core
    this.id = id
    this.link = link
    this.scheduler = scheduler
    this.createdAt = this.receivedAt = this.sentAt = core.now()
    scheduler.add(this)
    link.channel.attach({
      block: (block) => this.receive(block),
      drain: () => this.drained(),
      close: () => {
        this.end()
        onClose(this)
      },
    })
  }

  /** Time of the last block received or sent, milliseconds. */
  get activeAt(): number {
    return Math.max(this.receivedAt, this.sentAt)
  }

  /** Whether an event may be pushed now. What may not must be held back and offered again when the client reads. */
  get canPush(): boolean {
    return !this.closed && !this.congested && this.leavingMessages < MAX_LEAVING_MESSAGES
  }

  /** What is kept in memory for this connection: received blocks, and replies and events on their way out. */
  get queued(): { readonly received: number; readonly sending: number } {
    const sending = this.waitingItems + this.outgoing.length + this.batches.length
    return { received: this.inbox.length + this.postponed.length, sending }
  }

  get hasSubscriptions(): boolean {
    if (this.serviceSubscribed || this.notifiers.size > 0) return true
    for (const subscription of this.subscriptions.values()) if (subscription.mode === 'subscribed') return true
    return false
  }

  /** Sends an event: a transmission that answers no command. */
  event(entityId: EntityId, reply: Reply): void {
    const item: Item = { corrId: NO_CORR_ID, entityId, reply, kept: false }
    if (this.executing) this.executing.push(item)
    else this.emit([item])
  }

  /**
   * Hands on a message that has just arrived. When this connection sent it itself, it leaves before the reply to its
   * SEND, in a block of its own, as clients know it from other relays.
   */
  handOn(entityId: EntityId, reply: Reply): void {
    this.emit([{ corrId: NO_CORR_ID, entityId, reply, kept: false, alone: this.executing !== undefined }])
  }

  /** Resolves when events may be pushed, or the connection has ended. */
  writable(): Promise<void> | undefined {
    if (this.canPush || this.closed) return undefined
    return new Promise((resolve) => this.writers.push(resolve))
  }

  close(): void {
    this.link.channel.close()
  }

  private receive(block: Buffer): void {
    this.receivedAt = this.core.now()
    this.inbox.push(block)
    this.regulate()
    this.scheduler.wake(this)
  }

  /** Works on one received block; false when none is left or none may be worked on now. */
  work(): boolean {
    if (this.closed || this.mustWait()) return false
    const block = this.inbox.shift()
    try {
      if (block !== undefined) this.handle(block)
    } catch (error) {
      this.core.log.error('a command failed in this relay, its connection is closed', { error })
      this.close()
      return false
    }
    this.regulate()
    return this.inbox.length > 0 && !this.mustWait()
  }

  private handle(block: Buffer): void {
    const payload = this.link.openPayload(block)
    const transmissions = payload && parsePayload(payload)
    if (transmissions === undefined) {
      this.emit([
        { corrId: NO_CORR_ID, entityId: NO_ENTITY, reply: { type: 'ERR', error: { type: 'BLOCK' } }, kept: false },
      ])
      return
    }
    const replies: Item[] = []
    const events: Item[] = []
    this.executing = events
    const batch = new ReceivedBatch()
    let kept = false
    for (const bytes of transmissions) {
      const parsed = parseTransmission(bytes, this.link.transmissionContext)
      if (parsed.type === 'error') {
        replies.push({
          corrId: parsed.corrId,
          entityId: NO_ENTITY,
          reply: { type: 'ERR', error: parsed.error },
          kept: false,
        })
        continue
      }
      const { corrId, entityId } = parsed
      const outcome = outcomeOf(
        execute({ core: this.core, session: this, version: this.link.version, forwarded: false, batch }, parsed),
      )
      if ('later' in outcome) this.answerLater(corrId, entityId, outcome)
      else {
        replies.push({ corrId, entityId, reply: outcome.reply, kept: outcome.durable === true })
        kept ||= outcome.durable === true
      }
    }
    this.executing = undefined
    batch.count(this.core.stats)
    for (const event of events) replies.push(event)
    this.emit(replies, kept ? this.core.store.flushed() : undefined)
  }

  private answerLater(corrId: Buffer, entityId: EntityId, { later }: Extract<Outcome, { later: unknown }>): void {
    const answer = (reply: Reply): void => {
      this.underWay--
      if (this.closed) return
      this.emit([{ corrId, entityId, reply, kept: false }])
      this.postponed.shift()?.()
      this.regulate()
      if (this.inbox.length > 0) this.scheduler.wake(this)
    }
    const begin = (): void => {
      this.underWay++
      later().then(answer, (error: unknown) => {
        this.core.log.error('a command failed in this relay', { error })
        answer({ type: 'ERR', error: { type: 'INTERNAL' } })
      })
    }
    if (this.underWay < this.core.proxying.clientConcurrency) begin()
    else this.postponed.push(begin)
  }

  /** Puts items in line; they leave after everything before them has left, and after `durable` when it is given. */
  private emit(items: Item[], durable?: Promise<void>): void {
    if (items.length === 0) return
    if (durable === undefined && this.waiting.length === 0) {
      this.leave(items)
      return
    }
    const group: Group = { items, ready: durable === undefined }
    this.waiting.push(group)
    this.waitingItems += items.length
    if (durable === undefined) return
    const { backlog } = this.core
    backlog.bytes += BLOCK_SIZE
    durable.then(
      () => {
        backlog.bytes -= BLOCK_SIZE
        this.release(group)
      },
      (error: unknown) => {
        backlog.bytes -= BLOCK_SIZE
        group.items = group.items.map((item) => (item.kept ? notKept(item, error as StoreError) : item))
        this.release(group)
      },
    )
  }

  private release(group: Group): void {
    group.ready = true
    while (this.waiting[0]?.ready === true) {
      const { items } = this.waiting.shift() ?? group
      this.waitingItems -= items.length
      this.leave(items)
    }
    this.regulate()
    if (this.inbox.length > 0) this.scheduler.wake(this)
  }

  private leave(items: Item[]): void {
    if (this.closed) return
    for (const item of items) {
      this.outgoing.push(item)
      if (item.reply.type === 'MSG') this.leavingMessages++
    }
    if (this.flushScheduled) return
    this.flushScheduled = true
    process.nextTick(this.flush)
  }

  /** Packs what became ready in this turn of the loop into as few blocks as possible. */
  private readonly flush = (): void => {
    this.flushScheduled = false
    if (this.closed) return
    const beganMs = performance.now()
    const { transmissionContext } = this.link
    const items = this.outgoing
    this.outgoing = []
    this.leavingMessages = 0
    countEvents(this.core.stats, items)
    let together: Buffer[] = []
    const pack = (): void => {
      for (const batch of packBatches(together)) this.batches.push(batch)
      together = []
    }
    for (const { corrId, entityId, reply, alone } of items) {
      if (alone === true) pack()
      together.push(encodeReplyTransmission(corrId, entityId, reply, transmissionContext))
      if (alone === true) pack()
    }
    pack()
    this.writeBatches()
    this.scheduler.charge(this, performance.now() - beganMs)
    this.offerAgain()
  }

  private writeBatches(): void {
    let writable = !this.congested
    while (writable) {
      const batch = this.batches.shift()
      if (batch === undefined) break
      writable = this.link.sendTransmissions(batch)
      this.sentAt = this.core.now()
    }
    if (!writable && !this.congested) this.stalledAt = this.core.now()
    this.congested = !writable
    this.regulate()
  }

  private drained(): void {
    this.congested = false
    this.stalledAt = undefined
    this.writeBatches()
    this.offerAgain()
    if (!this.mustWait() && this.inbox.length > 0) this.scheduler.wake(this)
  }

  /** Offers what was held back while the client did not read, or while as much was leaving already. */
  private offerAgain(): void {
    if (!this.canPush) return
    const { subscriptions, notifiers } = this.heldBack
    if (subscriptions.size > 0) pushHeldBack(this.core, this)
    if (notifiers.size > 0) notifyHeldBack(this.core, this)
    this.wakeWriters()
  }

  private wakeWriters(): void {
    for (const resolve of this.writers.splice(0)) resolve()
  }

  private mustWait(): boolean {
    return (
      this.congested ||
      this.waiting.length >= MAX_WAITING ||
      this.waitingItems >= MAX_WAITING_ITEMS ||
      this.postponed.length >= MAX_POSTPONED
    )
  }

  /** Reads from the client again, unless it has to wait by now. */
  read(): void {
    if (!this.paused && !this.closed) this.link.channel.resume()
  }

  /** Stops reading from the client while it does not read, sends faster than we work, or than the disk takes. */
  private regulate(): void {
    const mostBlocks = this.scheduler.isBusy(this) ? 1 : MAX_INBOX
    const pause = this.inbox.length >= mostBlocks || this.mustWait()
    if (pause === this.paused || this.closed) return
    this.paused = pause
    if (pause) this.link.channel.pause()
    else this.scheduler.admit(this)
  }

  private end(): void {
    this.closed = true
    this.scheduler.remove(this)
    this.inbox.length = 0
    this.waiting.length = 0
    this.waitingItems = 0
    this.postponed.length = 0
    this.batches.length = 0
    this.outgoing = []
    this.wakeWriters()
  }
}

function outcomeOf(execution: ReturnType<typeof execute>): Outcome {
  for (;;) {
    const step = execution.next()
    if (step.done === true) return step.value
  }
}

function notKept(item: Item, error: StoreError): Item {
  return { ...item, reply: { type: 'ERR', error: { type: 'STORE', message: error.message } } }
}
