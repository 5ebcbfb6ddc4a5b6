import type { Party } from '../../protocol/command-table.ts'
import type { Reply } from '../../protocol/reply.ts'
import type { CounterName, Stats } from './counters.ts'

/**
 * The commands of one received block. Several of the same party, all of recipients or all of notifiers, are a batch, and
 * the first one says how the batch is counted (SMP server behaviour §2).
 */
export class ReceivedBatch {
  #counter: CounterName | undefined
  #party: Party | 'mixed' | undefined
  #commands = 0

  /**
   * Notes a command whose syntax and credentials are in order.
   *
   * @param counter of batches that begin with this command
   */
  note(party: Party, counter: CounterName | undefined): void {
    if (this.#commands === 0) this.#counter = counter
    this.#party = this.#party === undefined || this.#party === party ? party : 'mixed'
    this.#commands++
  }

  count(stats: Stats): void {
    if (this.#counter !== undefined && this.#commands > 1 && this.#party !== 'mixed') stats[this.#counter]++
  }
}

/** The sizes in which other SMP relays count events that are sent together. */
const ENDS_PER_BATCH = 255
const NOTIFICATIONS_PER_BATCH = 80

/** Counts ended subscriptions and notifications among items that are sent together. */
export function countEvents(stats: Stats, items: readonly { readonly reply: Reply }[]): void {
  let ends = 0
  let notifications = 0
  for (const { reply } of items) {
    if (reply.type === 'END' || reply.type === 'DELD' || reply.type === 'ENDS') ends++
    else if (reply.type === 'NMSG') notifications++
  }
  if (ends > 0) {
    stats.qSubEnd += ends
    stats.qSubEndB += Math.floor(ends / ENDS_PER_BATCH) + 1
  }
  if (notifications > 0) {
    stats.msgNtfs += notifications
    stats.msgNtfsB += Math.floor(notifications / NOTIFICATIONS_PER_BATCH) + 1
  }
}
