import type { Database } from 'lmdb'
import { GenerationCache } from './cache.ts'
import type { Codec } from '../tables/codec.ts'
import { RecordReader, type RecordWriter } from '../tables/record.ts'
import type { Table } from '../tables/table.ts'

/** What one batch does to one key. */
interface Effect<V> {
  /** undefined: removed. */
  readonly value: V | undefined
  /** The key is nowhere but in this batch: removing it leaves nothing to do. */
  readonly fresh: boolean
}

/** Keys that are read from disk at once when a table is walked. */
const WALK_CHUNK = 256

/** What a batch asks of the disk. */
export interface CommitLoad {
  /** Records written or removed. */
  effects: number
  inserted: number
  removed: number
  /** More pages than the batch can need. */
  pages: number
}

// A record in pages of its own, and the path to it in the tree, copied on write.
const PAGE_ROOM = 4000
const PATH_PAGES = 4
/** More bytes than a key and the header of its node take in a leaf. */
const KEY_ROOM = 64

/** The part of a table that the group commit needs. */
export interface CommittingTable {
  /** Moves the effects gathered so far to the batch that is being committed, writes their records, and adds them up. */
  beginCommit(out: RecordWriter, load: CommitLoad): void
  /** Hands the records over to the transaction. */
  writeCommit(): void
  endCommit(): void
  /** Forgets all effects that are not on disk. */
  rollBack(): void
  /** More pages than the batch that is being committed can need: closer, and dearer, than its part of the load. */
  pagesToCommit(): number
  stats(): TreeStats
}

/** Pages of a table's tree. */
export interface TreeStats {
  readonly treeDepth: number
  readonly treeBranchPageCount: number
  readonly treeLeafPageCount: number
  readonly overflowPages: number
}

/**
 * One database of the environment, seen through the effects that are not on disk yet: first those that are gathered
 * for the next transaction, then those of the transaction that is being committed, then the disk.
 * Keys are byte strings in byte order.
 */
export class LmdbTable<V> implements Table<V>, CommittingTable {
  readonly #db: Database<Buffer, string>
  readonly #codec: Codec<V>
  readonly #changed: () => void
  readonly #cache: GenerationCache<V | undefined>
  #gathering = new Map<string, Effect<V>>()
  #committing = new Map<string, Effect<V>>()
  #records: (Buffer | undefined)[] = []

  /**
   * @param changed is called at every effect
   * @param cached decoded values kept in memory, at most twice this number
   */
  constructor(db: Database<Buffer, string>, codec: Codec<V>, changed: () => void, cached: number) {
    this.#db = db
    this.#codec = codec
    this.#changed = changed
    this.#cache = new GenerationCache(cached)
  }

  get(key: string): V | undefined {
    const effect = this.#effect(key)
    if (effect !== undefined) return effect.value
    const cached = this.#cache.get(key)
    if (cached !== undefined || this.#cache.has(key)) return cached
    const value = this.#read(key)
    this.#cache.set(key, value)
    return value
  }

  peek(key: string): V | undefined {
    const effect = this.#effect(key)
    return effect === undefined ? this.#read(key) : effect.value
  }

  has(key: string): boolean {
    return this.get(key) !== undefined
  }

  put(key: string, value: V): void {
    this.#set(key, { value, fresh: this.#gathering.get(key)?.fresh ?? false })
  }

  insert(key: string, value: V): void {
    this.#set(key, { value, fresh: !this.#gathering.has(key) })
  }

  remove(key: string): void {
    if (this.#gathering.get(key)?.fresh === true) this.#gathering.delete(key)
    else this.#set(key, { value: undefined, fresh: false })
  }

  /** In byte order; no read transaction is held between two keys. A group is the keys that start with it. */
  *keys(prefix = ''): Generator<string, void, undefined> {
    const end = prefix === '' ? undefined : successor(prefix)
    let start: string | undefined = prefix === '' ? '\0' : prefix
    while (start !== undefined) {
      const chunk = this.#chunk(start, end)
      for (const key of chunk.keys) yield key
      start = chunk.next
    }
  }

  beginCommit(out: RecordWriter, load: CommitLoad): void {
    if (this.#gathering.size === 0) return
    this.#committing = this.#gathering
    this.#gathering = new Map()
    load.effects += this.#committing.size
    for (const { value, fresh } of this.#committing.values()) {
      const record = value === undefined ? undefined : this.#codec.encode(value, out)
      this.#records.push(record)
      load.pages += PATH_PAGES + Math.ceil((record?.length ?? 0) / PAGE_ROOM)
      if (record === undefined) load.removed++
      else if (fresh) load.inserted++
    }
  }

  writeCommit(): void {
    let i = 0
    for (const key of this.#committing.keys()) {
      const record = this.#records[i++]
      if (record === undefined) void this.#db.remove(key)
      else void this.#db.put(key, record)
    }
  }

  endCommit(): void {
    if (this.#records.length === 0) return
    for (const [key, { value }] of this.#committing) this.#cache.set(key, value)
    this.#committing = new Map()
    this.#records = []
  }

  rollBack(): void {
    this.#gathering = new Map()
    this.#committing = new Map()
    this.#records = []
  }

  pagesToCommit(): number {
    if (this.#records.length === 0) return 0
    let overflow = 0
    let bytes = 0
    for (const record of this.#records) {
      const size = record?.length ?? 0
      if (size > PAGE_ROOM / 2 - KEY_ROOM) overflow += Math.ceil((size + 24) / PAGE_ROOM)
      else bytes += KEY_ROOM + size
    }
    const { treeDepth, treeBranchPageCount, treeLeafPageCount } = this.stats()
    // Leaves that are copied, each of which may be split; and the branches above them.
    const leaves = Math.min(this.#records.length, treeLeafPageCount + Math.ceil((4 * bytes) / PAGE_ROOM) + 1)
    const branches = Math.min(
      leaves * (treeDepth + 1),
      2 * treeBranchPageCount + Math.ceil(leaves / 10) + treeDepth + 2,
    )
    return 2 * leaves + branches + overflow
  }

  stats(): TreeStats {
    return this.#db.getStats() as TreeStats
  }

  #effect(key: string): Effect<V> | undefined {
    return this.#gathering.get(key) ?? this.#committing.get(key)
  }

  #set(key: string, effect: Effect<V>): void {
    this.#gathering.set(key, effect)
    this.#changed()
  }

  #read(key: string): V | undefined {
    // The buffer is used again for the next read, and longer than the value: `length` is that of the value.
    const bytes = this.#db.getBinaryFast(key)
    return bytes && this.#codec.decode(new RecordReader(bytes.subarray(0, bytes.length)), key)
  }

  /** Some of the keys in [start, end), and where to go on. */
  #chunk(start: string, end: string | undefined): { keys: string[]; next: string | undefined } {
    const range = end === undefined ? { start, limit: WALK_CHUNK } : { start, end, limit: WALK_CHUNK }
    const keys = new Set(this.#db.getKeys(range))
    const last = keys.size < WALK_CHUNK ? undefined : [...keys].at(-1)
    const next = last === undefined ? undefined : `${last}\0`
    for (const overlay of [this.#committing, this.#gathering]) {
      for (const [key, { value }] of overlay) {
        if (key < start || (end !== undefined && key >= end) || (next !== undefined && key >= next)) continue
        if (value === undefined) keys.delete(key)
        else keys.add(key)
      }
    }
    return { keys: [...keys].sort(byteOrder), next }
  }
}

function byteOrder(a: string, b: string): number {
  return a < b ? -1 : Number(a > b)
}

/** The first byte string that is greater than all that start with this one; undefined when there is none. */
function successor(prefix: string): string | undefined {
  for (let i = prefix.length - 1; i >= 0; i--) {
    const byte = prefix.charCodeAt(i)
    if (byte < 0xff) return prefix.slice(0, i) + String.fromCharCode(byte + 1)
  }
  return undefined
}
