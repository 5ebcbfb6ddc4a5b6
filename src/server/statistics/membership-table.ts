/** Bits of the sets that a hash is a member of. */
export type Membership = number

/** In use, also when the hash is a member of no set any more: the hashes that were placed behind it must be found. */
const USED = 0b1000_0000
export const ALL_SETS: Membership = 0b0111_1111

/** 64-bit hashes and their memberships, 9 bytes each, in one table of open addressing that never grows. */
export class MembershipTable {
  readonly #lows: Uint32Array
  readonly #highs: Uint32Array
  readonly #memberships: Uint8Array
  /** The same, four at a time. */
  readonly #fours: Uint32Array
  #used = 0

  /** @param slots a power of 2 */
  constructor(slots: number) {
    this.#lows = new Uint32Array(slots)
    this.#highs = new Uint32Array(slots)
    this.#memberships = new Uint8Array(slots)
    this.#fours = new Uint32Array(this.#memberships.buffer)
  }

  get slots(): number {
    return this.#memberships.length
  }

  /** Three quarters of the slots are in use: looking for a hash would take long with more. */
  get isFull(): boolean {
    return this.#used >= (this.slots / 4) * 3
  }

  /** The slot of a hash, or the one where it would be put. */
  find(low: number, high: number): number {
    const mask = this.#memberships.length - 1
    let slot = low & mask
    while (this.#memberships[slot] !== 0 && (this.#lows[slot] !== low || this.#highs[slot] !== high)) {
      slot = (slot + 1) & mask
    }
    return slot
  }

  isUsed(slot: number): boolean {
    return this.#memberships[slot] !== 0
  }

  membership(slot: number): Membership {
    return (this.#memberships[slot] ?? 0) & ALL_SETS
  }

  low(slot: number): number {
    return this.#lows[slot] ?? 0
  }

  high(slot: number): number {
    return this.#highs[slot] ?? 0
  }

  put(slot: number, low: number, high: number, membership: Membership): void {
    if (!this.isUsed(slot)) this.#used++
    this.#lows[slot] = low
    this.#highs[slot] = high
    this.#memberships[slot] = membership | USED
  }

  /** Hashes that are members of a set. A few milliseconds for millions of slots. */
  countMembers(): number {
    const all = fourTimes(ALL_SETS)
    let count = 0
    for (const four of this.#fours) {
      const members = four & all
      if (members === 0) continue
      for (let shift = 0; shift < 32; shift += 8) if (((members >>> shift) & 0xff) !== 0) count++
    }
    return count
  }

  /** Ends the memberships of all hashes in all but the sets that stay. A few milliseconds for millions of slots. */
  keepOnly(staying: Membership): void {
    const mask = fourTimes(staying | USED)
    const fours = this.#fours
    for (let index = 0; index < fours.length; index++) fours[index] = (fours[index] ?? 0) & mask
  }
}

function fourTimes(byte: number): number {
  return byte * 0x01010101
}
