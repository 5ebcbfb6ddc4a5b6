import type { FifoState } from './codecs.ts'
import type { Table } from './table.ts'

/** Entries that are removed in one go. */
const FEW_ENTRIES = 200

const EMPTY: FifoState = { first: 0, next: 0, canWrite: true }

/**
 * First-in-first-out lists, one for each id: the messages of a queue, the notifications of a notifier. Entries are
 * numbered; an empty list takes no room at all.
 */
export class Fifo<T> {
  readonly #states: Table<FifoState>
  readonly #entries: Table<T>
  /** Lists that were dropped, with the entries that are still to be removed. */
  readonly #dropped: Table<FifoState>

  constructor(states: Table<FifoState>, entries: Table<T>, dropped: Table<FifoState>) {
    this.#states = states
    this.#entries = entries
    this.#dropped = dropped
  }

  size(id: string): number {
    const { first, next } = this.#state(id)
    return next - first
  }

  /** Whether the list has not been closed since it was empty. */
  canWrite(id: string): boolean {
    return this.#state(id).canWrite
  }

  first(id: string): T | undefined {
    const { first, next } = this.#state(id)
    return first === next ? undefined : this.#entry(id, first)
  }

  /** Appends an entry; `canWrite` is remembered until the list is empty. */
  append(id: string, entry: T, canWrite = true): void {
    const { first, next } = this.#state(id)
    this.#entries.insert(entryKey(id, next), entry)
    this.#setState(id, { first, next: next + 1, canWrite })
  }

  /** Removes up to `count` entries from the head; the number removed. */
  removeFirst(id: string, count = 1): number {
    const { first, next, canWrite } = this.#state(id)
    const end = Math.min(first + count, next)
    for (let n = first; n < end; n++) this.#entries.remove(entryKey(id, n))
    this.#setState(id, { first: end, next, canWrite })
    return end - first
  }

  /**
   * Empties a list, however long it is: the entries of a long one are left to {@link purge}, and numbers that they have
   * are not used again. The number of entries.
   */
  drop(id: string): number {
    const { first, next } = this.#state(id)
    if (next - first <= FEW_ENTRIES) return this.removeFirst(id, Infinity)
    this.#dropped.put(id, { first: this.#dropped.get(id)?.first ?? first, next, canWrite: false })
    this.#states.remove(id)
    return next - first
  }

  /** Removes some entries of lists that were dropped; false when there are none left. */
  purge(): boolean {
    for (const id of this.#dropped.keys()) {
      const state = this.#dropped.get(id)
      if (state === undefined) continue
      const end = Math.min(state.first + FEW_ENTRIES, state.next)
      for (let n = state.first; n < end; n++) this.#entries.remove(entryKey(id, n))
      if (end < state.next) this.#dropped.put(id, { ...state, first: end })
      else this.#dropped.remove(id)
      return true
    }
    return false
  }

  /** The entries, head first, as they are now. */
  *entries(id: string, limit = Infinity): Generator<T, void, undefined> {
    const { first, next } = this.#state(id)
    const end = Math.min(first + limit, next)
    for (let n = first; n < end; n++) yield this.#entry(id, n)
  }

  /** The ids of lists that are not empty. */
  ids(): Iterable<string> {
    return this.#states.keys()
  }

  #state(id: string): FifoState {
    const state = this.#states.get(id)
    if (state !== undefined) return state
    const dropped = this.#dropped.get(id)
    return dropped === undefined ? EMPTY : { first: dropped.next, next: dropped.next, canWrite: true }
  }

  #setState(id: string, state: FifoState): void {
    if (state.first < state.next) this.#states.put(id, state)
    else if (this.#states.has(id)) this.#states.remove(id)
  }

  #entry(id: string, n: number): T {
    const entry = this.#entries.get(entryKey(id, n))
    if (entry === undefined) throw new Error('an entry of the store is missing')
    return entry
  }
}

/** One length byte ‖ id ‖ number in 6 bytes: the entries of one list lie together and in order. */
function entryKey(id: string, n: number): string {
  const high = Math.floor(n / 0x1000000)
  return (
    String.fromCharCode(id.length) +
    id +
    String.fromCharCode(
      (high >>> 16) & 0xff,
      (high >>> 8) & 0xff,
      high & 0xff,
      (n >>> 16) & 0xff,
      (n >>> 8) & 0xff,
      n & 0xff,
    )
  )
}

/** The list and the number of an entry, by its key; undefined when it is none. */
export function entryOf(key: string): { readonly id: string; readonly number: number } | undefined {
  const length = key.charCodeAt(0)
  if (key.length !== 1 + length + 6) return undefined
  let number = 0
  for (let i = 1 + length; i < key.length; i++) number = number * 256 + key.charCodeAt(i)
  return { id: key.slice(1, 1 + length), number }
}
