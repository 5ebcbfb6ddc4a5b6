import type { MsgId, RcvId } from '../../protocol/ids.ts'
import { admission } from './quota.ts'
import { inSlices } from './slices.ts'
import type { Message, OrdinaryMessage, QuotaMarker, WriteResult } from '../store.ts'
import type { Counts } from './counts.ts'
import type { Fifo } from './fifo.ts'

/** The messages of all queues, under the quota rule. Whether a queue exists is for the caller to know. */
export class Messages {
  /** By recipient id; to be read from only. */
  readonly lists: Fifo<Message>
  readonly #counts: Counts
  readonly #quota: number

  constructor(lists: Fifo<Message>, counts: Counts, quota: number) {
    this.lists = lists
    this.#counts = counts
    this.#quota = quota
  }

  write(rcvId: RcvId, message: OrdinaryMessage): WriteResult {
    const size = this.lists.size(rcvId)
    const admitted = admission({ canWrite: this.lists.canWrite(rcvId), size }, this.#quota)
    if (admitted === 'nothing') return { stored: false }
    this.#counts.add('messages', 1)
    if (admitted === 'message') {
      this.lists.append(rcvId, message)
      return { stored: true, wasEmpty: size === 0 }
    }
    this.lists.append(rcvId, { type: 'quota', id: message.id, timestamp: message.timestamp }, false)
    return { stored: false }
  }

  restoreMarker(rcvId: RcvId, marker: QuotaMarker): void {
    if (this.lists.first(rcvId)?.type === 'quota') this.#removeFirst(rcvId)
    this.lists.append(rcvId, marker, false)
    this.#counts.add('messages', 1)
  }

  deleteFirst(rcvId: RcvId, msgId: MsgId): Message | undefined {
    const first = this.lists.first(rcvId)
    if (first?.id !== msgId) return undefined
    this.#removeFirst(rcvId)
    return first
  }

  /** The number of messages that there were. */
  deleteAll(rcvId: RcvId): number {
    const deleted = this.lists.removeFirst(rcvId, Infinity)
    this.#counts.add('messages', -deleted)
    return deleted
  }

  expire(rcvId: RcvId, before: number): number {
    let expired = 0
    for (;;) {
      const first = this.lists.first(rcvId)
      if (first?.type !== 'message' || first.timestamp >= before) return expired
      this.#removeFirst(rcvId)
      expired++
    }
  }

  async expireAll(before: number): Promise<number> {
    let expired = 0
    await inSlices(this.lists.ids(), (rcvId) => {
      expired += this.expire(rcvId as RcvId, before)
    })
    return expired
  }

  #removeFirst(rcvId: RcvId): void {
    this.#counts.add('messages', -this.lists.removeFirst(rcvId))
  }
}
