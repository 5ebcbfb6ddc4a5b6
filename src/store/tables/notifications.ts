import type { NotifierId } from '../../protocol/ids.ts'
import { inSlices } from './slices.ts'
import type { Notification } from '../store.ts'
import type { Counts } from './counts.ts'
import type { Fifo } from './fifo.ts'

/** The pending notifications of all notifiers. Whether a notifier exists is for the caller to know. */
export class Notifications {
  readonly #lists: Fifo<Notification>
  readonly #counts: Counts

  constructor(lists: Fifo<Notification>, counts: Counts) {
    this.#lists = lists
    this.#counts = counts
  }

  add(notifierId: NotifierId, notification: Notification): void {
    this.#lists.append(notifierId, notification)
    this.#counts.add('notifications', 1)
  }

  first(notifierId: NotifierId, limit: number): Notification[] {
    return [...this.#lists.entries(notifierId, limit)]
  }

  deleteFirst(notifierId: NotifierId, count: number): void {
    const deleted = this.#lists.removeFirst(notifierId, count)
    this.#counts.add('notifications', -deleted)
  }

  async expire(before: number): Promise<number> {
    let expired = 0
    await inSlices(this.#lists.ids(), (id) => {
      let old = 0
      for (const { timestamp } of this.#lists.entries(id)) {
        if (timestamp >= before) break
        old++
      }
      this.deleteFirst(id as NotifierId, old)
      expired += old
    })
    return expired
  }
}
