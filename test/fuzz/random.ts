/** A small generator of reproducible randomness (mulberry32): the same seed, the same inputs. */
export class Random {
  #state: number

  constructor(seed: number, ...more: number[]) {
    this.#state = more.reduce((state, value) => Math.imul(state ^ value, 0x9e3779b1) >>> 0, seed >>> 0)
    this.word()
  }

  /** 0..2³²−1 */
  word(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = this.#state
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return (mixed ^ (mixed >>> 14)) >>> 0
  }

  /** 0..limit−1 */
  below(limit: number): number {
    return this.word() % limit
  }

  /** True once in `count` times. */
  once(count: number): boolean {
    return this.below(count) === 0
  }

  bytes(length: number): Buffer {
    const out = Buffer.allocUnsafe(length)
    for (let at = 0; at < length; at++) out[at] = this.word()
    return out
  }

  of<T>(items: readonly [T, ...T[]]): T {
    return items[this.below(items.length)] ?? items[0]
  }
}
