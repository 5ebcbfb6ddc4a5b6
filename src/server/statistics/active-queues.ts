import { hash, hkdfSync } from 'node:crypto'
import type { RcvId } from '../../protocol/ids.ts'
import { ALL_SETS, MembershipTable, type Membership } from './membership-table.ts'

export const periods = ['day', 'week', 'month'] as const
export type Period = (typeof periods)[number]

/** All queues that a message was sent to or received from, or those whose message was to be notified of. */
export const activeSets = ['activeQueues', 'activeQueuesNtf'] as const
export type ActiveSet = (typeof activeSets)[number]

/** Hashes of queues by the set that they became members of. */
export type NewlyActive = Readonly<Record<ActiveSet, readonly bigint[]>>

const KEY_SIZE = 32
const FIRST_SLOTS = 1024
/** Slots of the table before that are moved with each hash: all of them before the next table is full. */
const MOVES_PER_INSERT = 8
/** Slots that are looked at in one go. */
const SLOTS_PER_TURN = 16_384
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
 * microseconds per message, most of them for the hash. It never grows above 72 MiB, and 108 MiB while hashes are
 * moved from one table to the next, a few with each message.
 */
export class ActiveQueues {
  readonly #key: Uint8Array
  readonly #maxSlots: number
  #table = new MembershipTable(FIRST_SLOTS)
  /** The table before, from which the hashes are moved a few at a time, and how many of its slots are done. */
  #before: { readonly table: MembershipTable; moved: number } | undefined
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
    let staying: Membership = ALL_SETS
    for (const period of over) {
      for (const set of activeSets) {
        staying &= ~(1 << bitOf(set, period))
        this.#sizes[bitOf(set, period)] = 0
      }
    }
    this.#table.keepOnly(staying)
    this.#before?.table.keepOnly(staying)
  }

  /** The hashes as signed numbers of 64 bits, and undefined now and then where others may be given their turn. */
  *hashes(set: ActiveSet, period: Period): Iterable<bigint | undefined> {
    const bit = 1 << bitOf(set, period)
    const [table, before] = [this.#table, this.#before?.table]
    for (const part of before === undefined ? [table] : [table, before]) {
      for (let slot = 0; slot < part.slots; slot++) {
        if (slot % SLOTS_PER_TURN === SLOTS_PER_TURN - 1) yield undefined
        if ((part.membership(slot) & bit) === 0) continue
        const [low, high] = [part.low(slot), part.high(slot)]
        if (part === before && (table.membership(table.find(low, high)) & bit) !== 0) continue
        yield BigInt.asIntN(64, (BigInt(high) << 32n) | BigInt(low))
      }
    }
  }

  /** The hashes of the day, which are forgotten, as everything is. For the process that counts for all. */
  take(): NewlyActive {
    const all = (set: ActiveSet): bigint[] => [...this.hashes(set, 'day')].filter((hash) => hash !== undefined)
    const taken = { activeQueues: all('activeQueues'), activeQueuesNtf: all('activeQueuesNtf') }
    this.#table = new MembershipTable(FIRST_SLOTS)
    this.#before = undefined
    this.#sizes.fill(0)
    return taken
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
    this.#move(MOVES_PER_INSERT)
    const known = this.#membership(low, high)
    if (known === undefined && !this.#hasRoom()) return
    const before = known ?? 0
    this.#table.put(this.#table.find(low, high), low, high, before | membership)
    const added = membership & ~before
    for (const bit of this.#sizes.keys()) if ((added & (1 << bit)) !== 0) this.#sizes[bit] = (this.#sizes[bit] ?? 0) + 1
  }

  /** Of a hash in either table. */
  #membership(low: number, high: number): Membership | undefined {
    for (const table of [this.#table, this.#before?.table]) {
      const slot = table?.find(low, high)
      if (table !== undefined && slot !== undefined && table.isUsed(slot)) return table.membership(slot)
    }
    return undefined
  }

  #hasRoom(): boolean {
    if (!this.#table.isFull) return true
    this.#move(Infinity)
    const { slots } = this.#table
    // As large again when many of the hashes are of periods that are over.
    const next = this.#table.countMembers() < slots / 2 ? slots : slots * 2
    if (next > this.#maxSlots) return false
    this.#before = { table: this.#table, moved: 0 }
    this.#table = new MembershipTable(next)
    return true
  }

  /** Moves what is left in some slots of the table before; what is in the table already is more recent. */
  #move(slots: number): void {
    const before = this.#before
    if (before === undefined) return
    const end = Math.min(before.moved + slots, before.table.slots)
    for (; before.moved < end; before.moved++) {
      const { moved: slot, table } = before
      if (table.membership(slot) === 0) continue
      const [low, high] = [table.low(slot), table.high(slot)]
      const to = this.#table.find(low, high)
      if (!this.#table.isUsed(to)) this.#table.put(to, low, high, table.membership(slot))
    }
    if (end === before.table.slots) this.#before = undefined
  }
}

/** The secret of {@link ActiveQueues}, from the relay's private key. */
export function activeQueuesKey(keyPem: string): Buffer {
  return Buffer.from(hkdfSync('sha256', keyPem, '', 'smp-onion statistics: active queues', KEY_SIZE))
}

function bitOf(set: ActiveSet, period: Period): number {
  return activeSets.indexOf(set) * periods.length + periods.indexOf(period)
}
