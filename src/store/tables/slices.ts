import { setImmediate as nextTurn } from 'node:timers/promises'

/** Longest stretch of work on the main thread in one walk, in milliseconds. */
const SLICE_MS = 3

/**
 * Calls `visit` for each item, and lets the event loop turn whenever a slice of a few milliseconds is used up.
 * The iterable must bear changes of the store between two of its items.
 */
export async function inSlices<T>(items: Iterable<T>, visit: (item: T) => void): Promise<void> {
  let sliceEnd = performance.now() + SLICE_MS
  for (const item of items) {
    visit(item)
    if (performance.now() < sliceEnd) continue
    await nextTurn()
    sliceEnd = performance.now() + SLICE_MS
  }
}
