/** What a check found, counted: one sentence each, the kinds in the order in which they were found. */
export class Faults {
  readonly #counts = new Map<string, number>()

  /** @param what goes on after a number: `queues without their sender id` */
  add(what: string, count = 1): void {
    if (count > 0) this.#counts.set(what, (this.#counts.get(what) ?? 0) + count)
  }

  get isEmpty(): boolean {
    return this.#counts.size === 0
  }

  /** `3 queues without their sender id` */
  lines(): string[] {
    return [...this.#counts].map(([what, count]) => `${count} ${what}`)
  }
}
