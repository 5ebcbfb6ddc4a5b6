import type { StoreCounts } from '../store.ts'
import { NOTHING_COUNTED } from './codecs.ts'
import type { Table } from './table.ts'

/** Their key in the table `meta`. */
export const COUNTS = 'counts'

/** How many of each there are, changed in the same transaction as what is counted. */
export class Counts {
  readonly #table: Table<StoreCounts>

  constructor(table: Table<StoreCounts>) {
    this.#table = table
  }

  all(): StoreCounts {
    return this.#table.get(COUNTS) ?? NOTHING_COUNTED
  }

  add(name: keyof StoreCounts, change: number): void {
    if (change === 0) return
    const counts = this.all()
    this.#table.put(COUNTS, { ...counts, [name]: counts[name] + change })
  }
}
