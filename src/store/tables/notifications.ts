import { setImmediate as nextTurn } from 'node:timers/promises'
import type { NotifierId } from '../../protocol/ids.ts'
import { inSlices } from './slices.ts'
import { StoreError, type Notification } from '../store.ts'
import type { Counts } from './counts.ts'
import type { Fifo } from './fifo.ts'

/** Notifications that are looked at in one go. */
const PORTION = 100

/** The pending notifications of all notifiers. Whether a notifier exists is for the caller to know. */
export class Notifications {
  readonly #lists: Fifo<Notification>
  readonly #counts: Counts
  readonly #flushed: () => Promise<void>
  #isPurging = false
  #isStopped = false

  /** @param flushed when all effects so far are durable */
  constructor(lists: Fifo<Notification>, counts: Counts, flushed: () => Promise<void>) {
    this.#lists = lists
    this.#counts = counts
    this.#flushed = flushed
    void this.#purge()
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

  /** Deletes all, however many there are: what takes long is done a little at a time. */
  deleteAll(notifierId: NotifierId): void {
    this.#counts.add('notifications', -this.#lists.drop(notifierId))
    void this.#purge()
  }

  async dropAll(): Promise<void> {
    await inSlices(this.#lists.ids(), (id) => {
      this.deleteAll(id as NotifierId)
    })
  }

  async expire(before: number): Promise<number> {
    let expired = 0
    await inSlices(this.#oldPortions(before), ({ id, old }) => {
      this.deleteFirst(id, old)
      expired += old
    })
    return expired
  }

  /** Ends the work that goes on by itself; what is left is done after the next start. */
  stop(): void {
    this.#isStopped = true
  }

  /** How many of the first few entries of each list are old, again and again until one is not. */
  *#oldPortions(before: number): Generator<{ readonly id: NotifierId; readonly old: number }, void, undefined> {
    for (const id of this.#lists.ids()) {
      let old = PORTION
      while (old === PORTION) {
        old = 0
        for (const { timestamp } of this.#lists.entries(id, PORTION)) {
          if (timestamp >= before) break
          old++
        }
        yield { id: id as NotifierId, old }
      }
    }
  }

  /** One portion a transaction, so that no turn gets long. */
  async #purge(): Promise<void> {
    if (this.#isPurging) return
    this.#isPurging = true
    try {
      while (!this.#isStopped && this.#lists.purge()) {
        await nextTurn()
        await this.#flushed()
      }
    } catch (error) {
      // The disk is full: what is left is removed after the next deletion, or the next start.
      if (!(error instanceof StoreError)) throw error
    } finally {
      this.#isPurging = false
    }
  }
}
