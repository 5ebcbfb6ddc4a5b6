/** Ends an iteration with what the signal was aborted for, so that whoever iterates can tidy up. */
export async function* untilAborted<T>(
  items: AsyncIterable<T>,
  signal: AbortSignal,
): AsyncGenerator<T, void, undefined> {
  for await (const item of items) {
    signal.throwIfAborted()
    yield item
  }
}
