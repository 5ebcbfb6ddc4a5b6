import { isUtf8 } from 'node:buffer'
import { idFromBytes, type EntityId, type MsgId } from './ids.ts'
import { IDS_HASH_SIZE, NONCE_SIZE } from './limits.ts'
import type { VersionRange } from './versions.ts'

class ParseFailure extends Error {}

// One instance for all: a peer's garbage must not cost a stack trace each time.
const parseFailure = new ParseFailure('unparsable bytes')

const SPACE = 0x20
const ZERO = 0x30
const ONE = 0x31
const TRUE = 0x54
const FALSE = 0x46

/** Ends the current parse: the bytes break a rule that the primitives do not know. */
export function refuse(): never {
  throw parseFailure
}

/**
 * The primitive encodings of SMP (wire format §1) over one buffer. Every method checks the length before it reads and
 * refuses what does not fit; `parseWhole` and `parsePrefix` turn a refusal into undefined. Buffers returned are views of
 * the input unless a method says otherwise.
 */
export class Reader {
  readonly #bytes: Buffer
  #offset: number

  constructor(bytes: Buffer, offset = 0) {
    this.#bytes = bytes
    this.#offset = offset
  }

  get remaining(): number {
    return this.#bytes.length - this.#offset
  }

  byte(): number {
    return this.#bytes[this.#advance(1)] ?? refuse()
  }

  word16(): number {
    return this.#bytes.readUInt16BE(this.#advance(2))
  }

  word32(): number {
    return this.#bytes.readUInt32BE(this.#advance(4))
  }

  int64(): bigint {
    return this.#bytes.readBigInt64BE(this.#advance(8))
  }

  /** Int64 as a safe integer, the nearest one when it is beyond. For times and counts. */
  integer(): number {
    const value = Number(this.int64())
    return Math.min(Math.max(value, Number.MIN_SAFE_INTEGER), Number.MAX_SAFE_INTEGER)
  }

  bool(): boolean {
    const tag = this.byte()
    if (tag !== TRUE && tag !== FALSE) refuse()
    return tag === TRUE
  }

  /** One ASCII character out of `choices`. */
  letter<T extends string>(choices: readonly T[]): T {
    const letter = String.fromCharCode(this.byte())
    return choices.find((choice) => choice === letter) ?? refuse()
  }

  space(): void {
    if (this.byte() !== SPACE) refuse()
  }

  /** These ASCII characters and no others. */
  expect(text: string): void {
    if (this.take(text.length).toString('latin1') !== text) refuse()
  }

  take(length: number): Buffer {
    const start = this.#advance(length)
    return this.#bytes.subarray(start, this.#offset)
  }

  short(): Buffer {
    return this.take(this.byte())
  }

  large(): Buffer {
    return this.take(this.word16())
  }

  tail(): Buffer {
    return this.take(this.remaining)
  }

  /** Copies. */
  shortCopy(): Buffer {
    return Buffer.from(this.short())
  }

  /** Copies. */
  largeCopy(): Buffer {
    return Buffer.from(this.large())
  }

  shortLatin1(): string {
    return this.short().toString('latin1')
  }

  shortText(): string {
    return utf8(this.short())
  }

  tailText(): string {
    return utf8(this.tail())
  }

  // eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- the grammar says which kind of id stands here
  id<T extends EntityId | MsgId>(): T {
    return idFromBytes<T>(this.short())
  }

  /** Copies. */
  nonce(): Buffer {
    return Buffer.from(this.take(NONCE_SIZE))
  }

  /** Copies. */
  idsHash(): Buffer {
    const hash = this.shortCopy()
    return hash.length === IDS_HASH_SIZE ? hash : refuse()
  }

  versionRange(): VersionRange {
    const min = this.word16()
    const max = this.word16()
    return min <= max ? { min, max } : refuse()
  }

  maybe<T>(parse: (reader: this) => T): T | undefined {
    const tag = this.byte()
    if (tag === ZERO) return undefined
    return tag === ONE ? parse(this) : refuse()
  }

  list<T>(parse: (reader: this) => T): T[] {
    const items: T[] = []
    for (let count = this.byte(); count > 0; count--) items.push(parse(this))
    return items
  }

  nonEmpty<T>(parse: (reader: this) => T): T[] {
    const items = this.list(parse)
    return items.length > 0 ? items : refuse()
  }

  /** What `parse` reads, or undefined with the position restored when it refuses. */
  attempt<T>(parse: (reader: this) => T): T | undefined {
    const start = this.#offset
    try {
      return parse(this)
    } catch (error) {
      if (!(error instanceof ParseFailure)) throw error
      this.#offset = start
      return undefined
    }
  }

  /** The ASCII word up to the next space, or to the end. The space is not taken. */
  word(): string {
    const space = this.#bytes.indexOf(SPACE, this.#offset)
    return this.take((space < 0 ? this.#bytes.length : space) - this.#offset).toString('latin1')
  }

  /** Skips everything before the next space. */
  skipToSpace(): void {
    const space = this.#bytes.indexOf(SPACE, this.#offset)
    this.#offset = space < 0 ? this.#bytes.length : space
  }

  end(): void {
    if (this.#offset !== this.#bytes.length) refuse()
  }

  #advance(length: number): number {
    const start = this.#offset
    if (length > this.#bytes.length - start) refuse()
    this.#offset = start + length
    return start
  }
}

/** What `parse` reads from `bytes`; undefined when it refuses or leaves bytes over. */
export function parseWhole<T>(bytes: Buffer, parse: (reader: Reader) => T): T | undefined {
  return new Reader(bytes).attempt((reader) => {
    const value = parse(reader)
    reader.end()
    return value
  })
}

/** What `parse` reads from the start of `bytes`, whatever follows; undefined when it refuses. */
export function parsePrefix<T>(bytes: Buffer, parse: (reader: Reader) => T): T | undefined {
  return new Reader(bytes).attempt(parse)
}

function utf8(bytes: Buffer): string {
  return isUtf8(bytes) ? bytes.toString('utf8') : refuse()
}
