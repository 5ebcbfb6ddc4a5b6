import { NO_ENTITY, type EntityId } from '../protocol/ids.ts'
import { BLOCK_SIZE } from '../protocol/limits.ts'
import { encodeReplyTransmission, expectedSize, type Reply } from '../protocol/reply.ts'
import { packBatches } from '../protocol/transmission.ts'
import { NOT_STORED } from '../store/store.ts'
import type { SmpLink } from '../transport/smp-link.ts'
import type { Backlog } from './backlog.ts'
import { countEvents } from './statistics/blocks.ts'
import type { Stats } from './statistics/counters.ts'

/** One reply or event to be sent. */
export interface Item {
  readonly corrId: Buffer
  readonly entityId: EntityId
  readonly reply: Reply
  /** It promises something that has to be durable first. */
  readonly durable?: boolean
  /** Sent in a block of its own. */
  readonly alone?: boolean
}

/** The replies to one block, with the events that go with them: sent together. */
interface Group {
  readonly items: Item[]
  /** The queues that they are about. */
  readonly queues: EntityId[]
  /** Commits that it waits for. */
  commits: number
  /** Groups before it that are about one of its queues and have not left. */
  predecessors: number
  readonly successors: Group[]
}

/** Groups waiting for the disk; with more, no further commands are executed. */
const MAX_GROUPS = 64
/** Bytes of replies and events; with more, no further commands are executed. */
const MAX_BYTES = 48 * BLOCK_SIZE
/** Bytes of replies and events; with more, further events are deferred. */
const MAX_PUSHED_BYTES = 16 * BLOCK_SIZE
/** How long an event that is not urgent waits for others that fit the same block, milliseconds. */
const LINGER_MS = 20
/** Items that are packed at once. */
const MAX_PACKED = 1024

/** The queue that an item is about: to its client it exists from IDS on. */
function queueOf({ entityId, reply }: Item): EntityId {
  return reply.type === 'IDS' ? reply.rcvId : entityId
}

/** The cause is in the operator's log. */
const LOST: Reply = { type: 'ERR', error: { type: 'STORE', message: NOT_STORED } }

export interface OutboxOptions {
  readonly stats: Stats
  readonly backlog: Backlog
  /** Milliseconds since the epoch. */
  readonly now: () => number
  /** There is something to send, or room for more. */
  readonly onChange: () => void
}

/**
 * Everything that one connection is sent. The replies to one block leave together, once all that they promise is durable.
 * What promises nothing does not wait for what does: only for what comes before it and is about the same queue. All is
 * packed into as few blocks as possible. While the client does not read, nothing is encoded, and events are deferred.
 */
export class Outbox {
  /** When the client stopped reading, milliseconds; undefined while it reads. */
  stalledAt: number | undefined
  /** When the last block was sent, or the session began; milliseconds. */
  sentAt: number
  readonly #link: SmpLink
  readonly #options: OutboxOptions
  /** What cannot be sent yet, in order. */
  readonly #groups = new Set<Group>()
  /** The last of them, while more replies to the same block follow. */
  #open: Group | undefined
  /** The last of them that is about a queue. */
  #groupsAbout: Map<EntityId, Group> | undefined
  /** What can be sent. */
  #ready: Item[] = []
  /** Packed, block by block. */
  #batches: Buffer[][] = []
  /** Of everything that is not packed, about. */
  #bytes = 0
  #items = 0
  #isClosed = false
  #linger: NodeJS.Timeout | undefined

  constructor(link: SmpLink, options: OutboxOptions) {
    this.#link = link
    this.#options = options
    this.sentAt = options.now()
  }

  /** Replies, events and packed blocks that have not been sent. */
  get size(): number {
    return this.#items + this.#batches.length
  }

  /** Whether no more commands should be executed. */
  get isFull(): boolean {
    return this.#isCongested || this.#groups.size >= MAX_GROUPS || this.#bytes >= MAX_BYTES
  }

  /** Whether blocks are packed; they leave before more commands are executed. */
  get isSending(): boolean {
    return this.#batches.length > 0
  }

  /** Whether events may be pushed; otherwise they are deferred. */
  get canPush(): boolean {
    const bytes = this.#bytes + this.#batches.length * BLOCK_SIZE
    return !this.#isClosed && !this.#isCongested && bytes < MAX_PUSHED_BYTES
  }

  /** Counts an item that will be put in line soon. */
  count({ reply }: Item): void {
    this.#items++
    this.#bytes += expectedSize(reply)
  }

  /**
   * Puts a counted item at the end of the line, or into the group that is open.
   *
   * @param hasTime it may wait a little for others
   */
  put(item: Item, hasTime = false): void {
    const isAboutAll = item.entityId === NO_ENTITY && item.corrId.length === 0
    const before = isAboutAll ? [...this.#groups].at(-1) : this.#groupsAbout?.get(item.entityId)
    if (before === undefined) this.#makeReady([item], hasTime)
    else before.items.push(item)
  }

  /**
   * Puts counted replies, and the events that go with them, into the group of their block.
   *
   * @param flushed when what the replies promise is durable; undefined: they promise nothing
   * @param areLast they complete the group
   */
  putReplies(items: readonly Item[], flushed: Promise<void> | undefined, areLast: boolean): void {
    const isComplete = areLast || this.#bytes >= MAX_PUSHED_BYTES
    if (flushed === undefined && isComplete && this.#groups.size === 0) {
      this.#makeReady(items)
      return
    }
    const group = (this.#open ??= this.#newGroup())
    const from = group.items.length
    for (const item of items) this.#add(group, item)
    // A large group is sent in parts.
    if (isComplete) this.#open = undefined
    if (flushed !== undefined) this.#await(flushed, group, from, from + items.length)
    else this.#sendIfReady(group)
  }

  /**
   * Sends what is ready, block by block, until the client takes no more or the time is up.
   *
   * @returns whether blocks have left and the client takes more
   */
  send(untilMs: number): boolean {
    let hasSent = false
    while (!this.#isCongested && !this.#isClosed) {
      const batch = this.#batches.shift()
      if (batch === undefined) {
        if (this.#ready.length === 0) return hasSent
        this.#pack()
        continue
      }
      const isWritable = this.#link.sendTransmissions(batch)
      this.sentAt = this.#options.now()
      if (!isWritable) this.stalledAt = this.sentAt
      hasSent = true
      if (performance.now() >= untilMs) return isWritable
    }
    return false
  }

  /** The client takes more. */
  drained(): void {
    this.stalledAt = undefined
    this.#options.onChange()
  }

  close(): void {
    this.#isClosed = true
    clearTimeout(this.#linger)
    this.#groups.clear()
    this.#open = undefined
    this.#groupsAbout = undefined
    this.#ready = []
    this.#batches = []
    this.#items = 0
    this.#bytes = 0
  }

  get #isCongested(): boolean {
    return this.stalledAt !== undefined
  }

  #await(flushed: Promise<void>, group: Group, from: number, to: number): void {
    const { backlog } = this.#options
    group.commits++
    backlog.add(BLOCK_SIZE)
    const end = (): void => {
      backlog.remove(BLOCK_SIZE)
      group.commits--
      if (!this.#isClosed) this.#sendIfReady(group)
    }
    flushed.then(end, () => {
      for (let at = from; at < to; at++) this.#lose(group.items, at)
      end()
    })
  }

  /** Replaces a reply whose effect was lost. */
  #lose(items: Item[], at: number): void {
    const item = items[at]
    if (item?.durable !== true) return
    items[at] = { ...item, reply: LOST }
    this.#bytes += expectedSize(LOST) - expectedSize(item.reply)
  }

  #newGroup(): Group {
    const group: Group = { items: [], queues: [], commits: 0, predecessors: 0, successors: [] }
    this.#groups.add(group)
    return group
  }

  #add(group: Group, item: Item): void {
    group.items.push(item)
    const queue = queueOf(item)
    if (queue === NO_ENTITY) return
    this.#groupsAbout ??= new Map()
    const before = this.#groupsAbout.get(queue)
    if (before === group) return
    this.#groupsAbout.set(queue, group)
    group.queues.push(queue)
    if (before === undefined) return
    before.successors.push(group)
    group.predecessors++
  }

  #sendIfReady(group: Group): void {
    if (group === this.#open || group.commits > 0 || group.predecessors > 0) return
    this.#groups.delete(group)
    for (const queue of group.queues) {
      if (this.#groupsAbout?.get(queue) === group) this.#groupsAbout.delete(queue)
    }
    this.#makeReady(group.items)
    for (const next of group.successors) {
      next.predecessors--
      this.#sendIfReady(next)
    }
  }

  #makeReady(items: readonly Item[], hasTime = false): void {
    if (this.#isClosed) return
    for (const item of items) this.#ready.push(item)
    if (!hasTime) this.#options.onChange()
    else this.#linger ??= setTimeout(this.#options.onChange, LINGER_MS)
  }

  /** Packs what is ready, or the first part of it. */
  #pack(): void {
    clearTimeout(this.#linger)
    this.#linger = undefined
    let bytes = 0
    let count = 0
    for (const { reply } of this.#ready) {
      bytes += expectedSize(reply)
      count++
      if (bytes >= MAX_PUSHED_BYTES || count === MAX_PACKED) break
    }
    const items = this.#ready.splice(0, count)
    this.#bytes -= bytes
    this.#items -= count
    countEvents(this.#options.stats, items)
    let together: Buffer[] = []
    const end = (): void => {
      for (const batch of packBatches(together)) this.#batches.push(batch)
      together = []
    }
    for (const { corrId, entityId, reply, alone } of items) {
      if (alone === true) end()
      together.push(encodeReplyTransmission(corrId, entityId, reply, this.#link.transmissionContext))
      if (alone === true) end()
    }
    end()
  }
}
