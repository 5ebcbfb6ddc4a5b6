import type { EntityId } from '../../protocol/ids.ts'
import { StoreError, type BlockedStatus } from '../../store/store.ts'
import { blockQueue, queueToModerate, unblockQueue } from '../blocking.ts'
import { today, type Core } from '../core.ts'
import { removeQueue } from '../remove-queue.ts'
import { showBlocking, showDay, showQueueMode, showStatus } from './show.ts'

const UNKNOWN_QUEUE = 'error: AUTH'

/**
 * What operators do with single queues. Each answer is one line; "ok" means durable.
 */
export class Moderation {
  readonly #core: Core
  readonly #quota: number
  /** Queues blocked on a day, UTC. */
  #blocked = { day: 0, count: 0 }

  /** @param dailyBlockQuota queues that may be blocked a day; 0 is any number, -1 is none */
  constructor(core: Core, dailyBlockQuota: number) {
    this.#core = core
    this.#quota = dailyBlockQuota
  }

  status(id: EntityId): string {
    const queue = queueToModerate(this.#core, id)
    if (queue === undefined) return UNKNOWN_QUEUE
    const { status, updatedAt, queueMode } = queue
    return `status: ${showStatus(status)}, updatedAt: ${showDay(updatedAt)}, queueMode: ${showQueueMode(queueMode)}`
  }

  async delete(id: EntityId): Promise<string> {
    const queue = queueToModerate(this.#core, id)
    if (queue === undefined) return UNKNOWN_QUEUE
    const messages = removeQueue(this.#core, queue)
    return this.#durable(`ok, ${messages} messages deleted`)
  }

  async block(id: EntityId, status: BlockedStatus): Promise<string> {
    const today = this.#today()
    if (this.#quota !== 0 && today.count >= this.#quota) {
      return `error: reached limit of ${this.#quota} queues blocked daily`
    }
    const result = blockQueue(this.#core, id, status)
    if (result === undefined) return UNKNOWN_QUEUE
    const before = result.status
    if (before.type !== 'active') {
      return this.#durable(`ok, already inactive: ${showStatus(before.type === 'off' ? before : status)}`)
    }
    today.count++
    return this.#durable(`ok, queue blocked: ${showStatus(status)}`, () => today.count--)
  }

  async unblock(id: EntityId): Promise<string> {
    const result = unblockQueue(this.#core, id)
    if (result === undefined) return UNKNOWN_QUEUE
    const { status } = result
    switch (status.type) {
      case 'active':
        return this.#durable('ok, queue was active')
      case 'off':
        return 'error, queue is inactive'
      case 'blocked':
        return this.#durable(`ok, queue unblocked, reason to block was: ${showBlocking(status)}`)
    }
  }

  /** The count of the present day; it begins again at 00:00 UTC, as the daily statistics do. */
  #today(): { day: number; count: number } {
    const day = today(this.#core)
    if (this.#blocked.day !== day) this.#blocked = { day, count: 0 }
    return this.#blocked
  }

  async #durable(answer: string, onLost?: () => void): Promise<string> {
    try {
      await this.#core.store.flushed()
      return answer
    } catch (error) {
      if (!(error instanceof StoreError)) throw error
      onLost?.()
      return `error: nothing was changed: ${error.reason}`
    }
  }
}
