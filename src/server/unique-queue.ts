/** First in, first out, without duplicates. */
export class UniqueQueue<T> {
  readonly #items = new Set<T>()
  #next: Iterator<T> | undefined

  get size(): number {
    return this.#items.size
  }

  add(item: T): void {
    this.#items.add(item)
  }

  delete(item: T): void {
    this.#items.delete(item)
  }

  clear(): void {
    this.#items.clear()
  }

  take(): T | undefined {
    if (this.#items.size === 0) return undefined
    // One iterator for many calls: each new one would have to pass everything that was taken before.
    for (;;) {
      this.#next ??= this.#items.values()
      const { done, value } = this.#next.next() as IteratorResult<T, undefined>
      if (done !== true) {
        this.#items.delete(value)
        return value
      }
      this.#next = undefined
    }
  }
}
