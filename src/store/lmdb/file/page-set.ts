/** A set of page numbers below a limit, one bit each. */
export class PageSet {
  readonly limit: number
  readonly #bits: Uint8Array
  #size = 0

  constructor(limit: number, from?: PageSet) {
    this.limit = limit
    this.#bits = new Uint8Array(Math.ceil(limit / 8))
    if (from === undefined) return
    this.#bits.set(from.#bits)
    this.#size = from.#size
  }

  copy(): PageSet {
    return new PageSet(this.limit, this)
  }

  get size(): number {
    return this.#size
  }

  /** False when it is there already. */
  add(page: number): boolean {
    const bits = this.#bits[page >>> 3] ?? 0
    const bit = 1 << (page & 7)
    if ((bits & bit) !== 0) return false
    this.#bits[page >>> 3] = bits | bit
    this.#size++
    return true
  }

  has(page: number): boolean {
    return ((this.#bits[page >>> 3] ?? 0) & (1 << (page & 7))) !== 0
  }

  /** In ascending order. */
  *[Symbol.iterator](): Generator<number, void, undefined> {
    for (let page = 0; page < this.limit; page++) {
      if (this.#bits[page >>> 3] === 0) page |= 7
      else if (this.has(page)) yield page
    }
  }

  /** A function that tells how many members are smaller than a page. */
  ranking(): (page: number) => number {
    const before = new Uint32Array(this.#bits.length)
    let sum = 0
    for (let i = 0; i < before.length; i++) {
      before[i] = sum
      sum += bitCount(this.#bits[i] ?? 0)
    }
    return (page) => (before[page >>> 3] ?? 0) + bitCount((this.#bits[page >>> 3] ?? 0) & ((1 << (page & 7)) - 1))
  }
}

function bitCount(byte: number): number {
  let count = 0
  for (let rest = byte; rest !== 0; rest &= rest - 1) count++
  return count
}
