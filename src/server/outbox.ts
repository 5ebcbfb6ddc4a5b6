import type { EntityId } from '../protocol/ids.ts'
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

/** Replies and events that are sent together, in their turn. */
interface Group {
  readonly items: Item[]
  /** Commits that it waits for. */
  commits: number
  /** More replies to the same block follow. */
  isOpen: boolean
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
 * Everything that one connection is sent. The replies to one block leave together, in the order of the blocks, once all
 * that they promise is durable; events go between them. All is packed into as few blocks as possible. While the client
 * does not read, nothing is encoded, and events are deferred.
 */
export class Outbox {
  /** When the client stopped reading, milliseconds; undefined while it reads. */
  stalledAt: number | undefined
  /** When the last block was sent, or the session began; milliseconds. */
  sentAt: number
  readonly #link: SmpLink
  readonly #options: OutboxOptions
  /** The first one cannot be sent yet; only the last one may be open. */
  readonly #groups: Group[] = []
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
    return this.#isCongested || this.#groups.length >= MAX_GROUPS || this.#bytes >= MAX_BYTES
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
    const last = this.#groups.at(-1)
    if (last === undefined) this.#makeReady([item], hasTime)
    else if (last.isOpen) last.items.push(item)
    else this.#groups.push({ items: [item], commits: 0, isOpen: false })
  }

  /** Puts a counted item before the group that is open. */
  putFirst(item: Item): void {
    const open = this.#groups.at(-1)?.isOpen === true ? this.#groups.pop() : undefined
    this.put(item)
    if (open !== undefined) this.#groups.push(open)
  }

  /**
   * Puts counted replies, and the events that go with them, into the group of their block.
   *
   * @param flushed when what the replies promise is durable; undefined: they promise nothing
   * @param areLast they complete the group
   */
  putReplies(items: readonly Item[], flushed: Promise<void> | undefined, areLast: boolean): void {
    const last = this.#groups.at(-1)
    const group: Group = last?.isOpen === true ? last : { items: [], commits: 0, isOpen: true }
    if (group !== last) this.#groups.push(group)
    const from = group.items.length
    group.items.push(...items)
    // A large group is sent in parts.
    if (areLast || this.#bytes >= MAX_PUSHED_BYTES) group.isOpen = false
    if (flushed === undefined) this.#sendReady()
    else this.#await(flushed, group, from, from + items.length)
  }

  /**
   * Sends what is ready, block by block, until the client takes no more or the time is up.
   *
   * @returns whether more can be sent at once
   */
  send(untilMs: number): boolean {
    while (!this.#isCongested && !this.#isClosed) {
      const batch = this.#batches.shift()
      if (batch === undefined) {
        if (this.#ready.length === 0) return false
        this.#pack()
        continue
      }
      const isWritable = this.#link.sendTransmissions(batch)
      this.sentAt = this.#options.now()
      if (!isWritable) this.stalledAt = this.sentAt
      if (performance.now() >= untilMs) return isWritable && (this.#batches.length > 0 || this.#ready.length > 0)
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
    this.#groups.length = 0
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
      if (!this.#isClosed) this.#sendReady()
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

  #sendReady(): void {
    for (;;) {
      const [first] = this.#groups
      if (first === undefined || first.isOpen || first.commits > 0) break
      this.#groups.shift()
      this.#makeReady(first.items)
    }
    // One group fewer: the next block may be executed.
    this.#options.onChange()
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
