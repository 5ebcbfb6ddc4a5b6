import type { LinkId, MsgId } from '../../protocol/ids.ts'
import type { LinkData, Message, OrdinaryMessage, QueueRec, QuotaMarker, WriteResult } from '../store.ts'
import { admission } from '../tables/quota.ts'

/** A message that is in the database. */
export interface StoredMessage {
  readonly messageId: number
  readonly message: Message
}

/** The counters that upstream keeps in a queue's row. */
export interface MessageCounters {
  readonly canWrite: boolean
  readonly size: number
  /** Upstream's expiry looks at the queue; false only when it holds nothing but a quota marker. */
  readonly expire: boolean
}

const NEW_QUEUE: MessageCounters = { canWrite: true, size: 0, expire: false }

/**
 * One queue in a unit of work: as it was loaded, and as it is now. Its messages are those at the head that were loaded,
 * those behind them that were not, and those that the unit has added.
 */
export class LoadedQueue {
  /** As in the database; undefined when the queue is new. */
  readonly stored: QueueRec | undefined
  /** undefined when it was deleted. */
  current: QueueRec | undefined
  /** The link of a deleted queue, which stays reserved. */
  reservedLink: LinkId | undefined
  /** What was loaded, or set since. */
  link: LinkData | undefined
  linkChanged = false
  readonly storedCounters: MessageCounters
  /** Ids of messages that are to be deleted. */
  readonly deletedMessages: number[] = []
  /** Messages that are to be added, in their order. */
  added: Message[] = []
  #canWrite: boolean
  #head: StoredMessage[] = []
  #unread: number
  #expirable: readonly { readonly messageId: number; readonly timestamp: number }[] = []

  constructor(queue: QueueRec, loaded?: MessageCounters) {
    this.stored = loaded && queue
    this.current = queue
    this.storedCounters = loaded ?? NEW_QUEUE
    this.#canWrite = this.storedCounters.canWrite
    this.#unread = this.storedCounters.size
  }

  get size(): number {
    return this.#head.length + this.#unread + this.added.length
  }

  /** The counters for the row. */
  get counters(): MessageCounters {
    const { size } = this
    // A queue that was emptied keeps being looked at: cleaning up is cheaper than changing the index at every message.
    const expire = this.storedCounters.expire || this.added.some(({ type }) => type === 'message')
    return { size, canWrite: this.#canWrite || size === 0, expire }
  }

  delete(): void {
    this.reservedLink = this.current?.linkId
    this.current = undefined
  }

  /** @param complete all messages of the queue */
  loadHead(head: readonly StoredMessage[], complete: boolean): void {
    this.#head = [...head]
    // The counter of a row may be wrong after a crash of another program; the rows are right.
    this.#unread = complete ? 0 : Math.max(0, this.#unread - head.length)
  }

  loadExpirable(messages: readonly { readonly messageId: number; readonly timestamp: number }[]): void {
    this.#expirable = messages
  }

  first(): Message | undefined {
    const [head] = this.#head
    if (head !== undefined) return head.message
    if (this.#unread > 0) throw new Error('the head of a queue was not loaded')
    return this.added[0]
  }

  removeFirst(): void {
    const head = this.#head.shift()
    if (head !== undefined) this.deletedMessages.push(head.messageId)
    else this.added.shift()
    this.#opened()
  }

  deleteFirst(msgId: MsgId): Message | undefined {
    const first = this.first()
    if (first?.id !== msgId) return undefined
    this.removeFirst()
    return first
  }

  write(message: OrdinaryMessage, quota: number): WriteResult {
    const { size } = this
    const admitted = admission({ canWrite: this.#canWrite, size }, quota)
    if (admitted === 'nothing') return { stored: false }
    this.#canWrite = admitted === 'message'
    if (admitted === 'message') {
      this.added.push(message)
      return { stored: true, wasEmpty: size === 0 }
    }
    this.added.push({ type: 'quota', id: message.id, timestamp: message.timestamp })
    return { stored: false }
  }

  /** A marker at the end, as it was in another store. */
  restoreMarker(marker: QuotaMarker): void {
    this.#canWrite = false
    this.added.push(marker)
  }

  expire(before: number): number {
    const last = this.deletedMessages.at(-1) ?? 0
    let expired = 0
    for (const { messageId, timestamp } of this.#expirable) {
      if (messageId <= last) continue
      if (timestamp >= before) break
      this.deletedMessages.push(messageId)
      if (this.#head[0]?.messageId === messageId) this.#head.shift()
      else this.#unread--
      expired++
    }
    if (this.#head.length === 0 && this.#unread === 0) {
      const kept = this.added.findIndex((message) => message.type !== 'message' || message.timestamp >= before)
      const old = kept < 0 ? this.added.length : kept
      this.added.splice(0, old)
      expired += old
    }
    this.#opened()
    return expired
  }

  /** An empty queue takes messages again. */
  #opened(): void {
    if (this.size === 0) this.#canWrite = true
  }
}
