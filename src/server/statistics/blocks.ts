import { commandTable, type CommandType, type Party } from '../../protocol/command-table.ts'
import type { Reply } from '../../protocol/reply.ts'
import type { CounterName, Stats } from './counters.ts'

const COUNTED_BATCHES: Partial<Record<CommandType, CounterName>> = {
  SUB: 'qSubAllB',
  DEL: 'qDeletedAllB',
  NDEL: 'ntfDeletedB',
  NSUB: 'ntfSubB',
}

/**
 * The commands of one received block. Several of the same party, all of recipients or all of notifiers, are a batch, and
 * the first one gives its name to it (SMP server behaviour §2).
 */
export class ReceivedBatch {
  #first: CommandType | undefined
  #party: Party | 'mixed' | undefined
  #commands = 0

  /** Notes a command whose syntax and credentials are in order. */
  note(type: CommandType): void {
    const { party } = commandTable[type]
    this.#first ??= type
    this.#party = this.#party === undefined || this.#party === party ? party : 'mixed'
    this.#commands++
  }

  count(stats: Stats): void {
    if (this.#first === undefined || this.#commands < 2 || this.#party === 'mixed') return
    const counter = COUNTED_BATCHES[this.#first]
    if (counter !== undefined) stats[counter]++
  }
}

/** Events in which other SMP relays count what leaves together. */
const ENDS_PER_BATCH = 255
const NOTIFICATIONS_PER_BATCH = 80

/** Counts ended subscriptions and notifications among what leaves together for one connection. */
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
