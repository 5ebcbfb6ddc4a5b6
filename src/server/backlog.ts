interface Wakeable {
  wake(): void
}

/** Received bytes whose effects are not durable yet, over all connections: the disk slows down those who wait for it. */
export class Backlog {
  readonly #limit: number
  readonly #stopped = new Set<Wakeable>()
  #bytes = 0

  /** @param limit bytes */
  constructor(limit: number) {
    this.#limit = limit
  }

  /** Whether no further commands should be executed. */
  get isFull(): boolean {
    return this.#bytes > this.#limit
  }

  add(bytes: number): void {
    this.#bytes += bytes
  }

  remove(bytes: number): void {
    this.#bytes -= bytes
    if (this.isFull || this.#stopped.size === 0) return
    const stopped = [...this.#stopped]
    this.#stopped.clear()
    for (const one of stopped) one.wake()
  }

  /** Wakes `stopped` once, when the backlog is not full any more. */
  whenRoom(stopped: Wakeable): void {
    this.#stopped.add(stopped)
  }
}
