import { hash, hkdfSync } from 'node:crypto'
import type { RcvId } from '../../protocol/ids.ts'

export const periods = ['day', 'week', 'month'] as const
export type Period = (typeof periods)[number]

/** All queues that a message was sent to or received from, or those whose message was to be notified of. */
export const activeSets = ['activeQueues', 'activeQueuesNtf'] as const
export type ActiveSet = (typeof activeSets)[number]

/** One bit for each of the six sets that a hash may be a member of. */
type Membership = number

const KEY_SIZE = 32
const FIRST_SLOTS = 1024
/** 6.3 million queues; the table then takes 72 MiB, and more queues of a month are not counted. */
const MAX_SLOTS = 8_388_608

const scratch = Buffer.alloc(KEY_SIZE + 255)

/**
 * Which queues were used in the present day, week and month: only how many is ever shown.
 *
 * As in all SMP relays 64-bit hashes of recipient ids are stored, and saved across restarts. Here they are hashed with a
 * secret, so that a leaked statistics file does not reveal whether a queue with a known id was used.
 * The secret is derived from the relay's private key: it needs no file of its own and is the same after a restart. A
 * secret per day would say even less but could not be restored; when the key changes (`smp-server cert`, another server's
 * snapshot), the queues of the present periods are counted once more, and that is all.
 *
 * One table without pointers instead of six sets: 12 to 24 bytes per queue that was active in the month, and a few
 * microseconds per message, most of them for the hash. It never grows above 72 MiB.
 */
export class ActiveQueues {
  readonly #key: Uint8Array
  readonly #maxSlots: number
  #lows = new Uint32Array(FIRST_SLOTS)
  #highs = new Uint32Array(FIRST_SLOTS)
  /** 0 in an empty slot. */
  #memberships = new Uint8Array(FIRST_SLOTS)
  #used = 0
  readonly #sizes = [0, 0, 0, 0, 0, 0]

  /** @param key 32 secret bytes */
  constructor(key: Uint8Array, maxSlots = MAX_SLOTS) {
    if (key.length !== KEY_SIZE) throw new Error('the key of the active queues has 32 bytes')
    this.#key = key
    this.#maxSlots = maxSlots
  }

  /** Counts a queue as active now; `notify`: also among those with notifications. */
  add(rcvId: RcvId, notify: boolean): void {
    this.#addTo(rcvId, notify ? 0b111_111 : 0b000_111)
  }

  /** Number of queues. */
  size(set: ActiveSet, period: Period): number {
    return this.#sizes[bitOf(set, period)] ?? 0
  }

  /** Forgets the queues of these periods, which are over. */
  end(over: readonly Period[]): void {
    let kept = 0b111_111
    for (const period of over) for (const set of activeSets) kept &= ~(1 << bitOf(set, period))
    this.#rebuild(this.#memberships.length, kept)
  }

  /** The hashes as signed numbers of 64 bits. */
  *hashes(set: ActiveSet, period: Period): Iterable<bigint> {
    const bit = 1 << bitOf(set, period)
    const [lows, highs, memberships] = [this.#lows, this.#highs, this.#memberships]
    for (const [slot, membership] of memberships.entries()) {
      if ((membership & bit) === 0) continue
      yield BigInt.asIntN(64, (BigInt(highs[slot] ?? 0) << 32n) | BigInt(lows[slot] ?? 0))
    }
  }

  /** Adds one of {@link hashes}, whichever server made it. */
  restore(set: ActiveSet, period: Period, value: bigint): void {
    this.#insert(Number(value & 0xffff_ffffn), Number((value >> 32n) & 0xffff_ffffn), 1 << bitOf(set, period))
  }

  /** Adds a queue to one set alone. */
  restoreId(set: ActiveSet, period: Period, rcvId: RcvId): void {
    this.#addTo(rcvId, 1 << bitOf(set, period))
  }

  #addTo(rcvId: RcvId, membership: Membership): void {
    scratch.set(this.#key)
    const length = scratch.write(rcvId, KEY_SIZE, 'latin1')
    const digest = hash('sha256', scratch.subarray(0, KEY_SIZE + length), 'buffer')
    this.#insert(digest.readUInt32LE(0), digest.readUInt32LE(4), membership)
  }

  #insert(low: number, high: number, membership: Membership): void {
    const slot = this.#slotOf(low, high)
    const before = this.#memberships[slot] ?? 0
    if (before === 0 && !this.#hasRoom()) return
    // Making room has moved everything.
    const at = before === 0 ? this.#slotOf(low, high) : slot
    if (before === 0) this.#used++
    this.#lows[at] = low
    this.#highs[at] = high
    this.#memberships[at] = before | membership
    const added = membership & ~before
    for (const bit of this.#sizes.keys()) if ((added & (1 << bit)) !== 0) this.#sizes[bit] = (this.#sizes[bit] ?? 0) + 1
  }

  /** Where the hash is, or the empty slot that it would come into. */
  #slotOf(low: number, high: number): number {
    const mask = this.#memberships.length - 1
    let slot = low & mask
    while (this.#memberships[slot] !== 0 && (this.#lows[slot] !== low || this.#highs[slot] !== high)) {
      slot = (slot + 1) & mask
    }
    return slot
  }

  #hasRoom(): boolean {
    const slots = this.#memberships.length
    if (this.#used < (slots / 4) * 3) return true
    if (slots >= this.#maxSlots) return false
    this.#rebuild(slots * 2, 0b111_111)
    return true
  }

  /** Moves what is still a member of one of the `kept` sets into a new table. */
  #rebuild(slots: number, kept: Membership): void {
    const [lows, highs, memberships] = [this.#lows, this.#highs, this.#memberships]
    this.#lows = new Uint32Array(slots)
    this.#highs = new Uint32Array(slots)
    this.#memberships = new Uint8Array(slots)
    this.#used = 0
    this.#sizes.fill(0)
    for (const [slot, membership] of memberships.entries()) {
      const left = membership & kept
      if (left !== 0) this.#insert(lows[slot] ?? 0, highs[slot] ?? 0, left)
    }
  }
}

/** The secret of {@link ActiveQueues}, from the relay's private key. */
export function activeQueuesKey(keyPem: string): Buffer {
  return Buffer.from(hkdfSync('sha256', keyPem, '', 'smp-onion statistics: active queues', KEY_SIZE))
}

function bitOf(set: ActiveSet, period: Period): number {
  return activeSets.indexOf(set) * periods.length + periods.indexOf(period)
}
