import { idAs, type EntityId, type LinkId, type SndId } from '../../protocol/ids.ts'
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

  async status(id: EntityId): Promise<string> {
    const queue = await onQueue(this.#core, id, (core) => queueToModerate(core, id))
    if (queue === undefined) return UNKNOWN_QUEUE
    const { status, updatedAt, queueMode } = queue
    return `status: ${showStatus(status)}, updatedAt: ${showDay(updatedAt)}, queueMode: ${showQueueMode(queueMode)}`
  }

  async delete(id: EntityId): Promise<string> {
    return this.#changing(id, (core) => {
      const queue = queueToModerate(core, id)
      return queue && { answer: `ok, ${removeQueue(core, queue)} messages deleted` }
    })
  }

  async block(id: EntityId, status: BlockedStatus): Promise<string> {
    const today = this.#today()
    if (this.#quota !== 0 && today.count >= this.#quota) {
      return `error: reached limit of ${this.#quota} queues blocked daily`
    }
    return this.#changing(id, (core) => {
      const before = blockQueue(core, id, status)?.status
      if (before === undefined) return undefined
      if (before.type !== 'active') {
        return { answer: `ok, already inactive: ${showStatus(before.type === 'off' ? before : status)}` }
      }
      today.count++
      return { answer: `ok, queue blocked: ${showStatus(status)}`, onLost: () => today.count-- }
    })
  }

  async unblock(id: EntityId): Promise<string> {
    return this.#changing(id, (core) => {
      const status = unblockQueue(core, id)?.status
      if (status === undefined) return undefined
      switch (status.type) {
        case 'active':
          return { answer: 'ok, queue was active' }
        case 'off':
          return { answer: 'error, queue is inactive' }
        case 'blocked':
          return { answer: `ok, queue unblocked, reason to block was: ${showBlocking(status)}` }
      }
    })
  }

  /** The count of the present day; it begins again at 00:00 UTC, as the daily statistics do. */
  #today(): { day: number; count: number } {
    const day = today(this.#core)
    if (this.#blocked.day !== day) this.#blocked = { day, count: 0 }
    return this.#blocked
  }

  /** Gives the answer of a change once it is durable; `undefined` stands for a queue that there is not. */
  async #changing(id: EntityId, change: (core: Core) => Change | undefined): Promise<string> {
    let made: Change | undefined
    try {
      const { result, committed } = await onQueue(this.#core, id, (core) => {
        const done = change(core)
        // Not the promise alone, which the unit of work would wait for.
        return { result: done, committed: { done: core.store.committed() } }
      })
      made = result
      await committed.done
      return made?.answer ?? UNKNOWN_QUEUE
    } catch (error) {
      if (!(error instanceof StoreError)) throw error
      made?.onLost?.()
      return `error: nothing was changed: ${error.reason}`
    }
  }
}

interface Change {
  readonly answer: string
  /** Undoes what was counted when the change could not be kept. */
  readonly onLost?: () => void
}

/** Works with the queue of an id that an operator may give. */
async function onQueue<T>(core: Core, id: EntityId, decide: (core: Core) => T): Promise<T> {
  return await core.engine.run<T>(
    () => ({
      queues: [
        { by: 'sndId', id: idAs<SndId>(id) },
        { by: 'linkId', id: idAs<LinkId>(id) },
      ],
    }),
    (store) => decide({ ...core, store }),
  )
}
