import type { VersionRange } from './versions.ts'

const INITIAL_CAPACITY = 256

/**
 * The primitive encodings of SMP (wire format §1) into one growing buffer. What cannot be encoded (a short string of
 * more than 255 bytes, a number out of range) is a bug of the caller and throws RangeError.
 */
export class Writer {
  #buffer: Buffer
  #length = 0

  /** @param room how many bytes are expected, or the buffer to begin in; more may be written. */
  constructor(room: number | Buffer = INITIAL_CAPACITY) {
    this.#buffer = typeof room === 'number' ? Buffer.allocUnsafe(room) : room
  }

  byte(value: number): this {
    const start = this.#reserve(1)
    this.#buffer.writeUInt8(value, start)
    return this
  }

  word16(value: number): this {
    const start = this.#reserve(2)
    this.#buffer.writeUInt16BE(value, start)
    return this
  }

  word32(value: number): this {
    const start = this.#reserve(4)
    this.#buffer.writeUInt32BE(value, start)
    return this
  }

  int64(value: bigint): this {
    const start = this.#reserve(8)
    this.#buffer.writeBigInt64BE(value, start)
    return this
  }

  /** Int64 from an integral number. */
  integer(value: number): this {
    return this.int64(BigInt(value))
  }

  bool(value: boolean): this {
    return this.ascii(value ? 'T' : 'F')
  }

  bytes(value: Uint8Array): this {
    const start = this.#reserve(value.length)
    this.#buffer.set(value, start)
    return this
  }

  /** The characters of a latin1 string as they are, without a length: words, letters, spaces. */
  ascii(value: string): this {
    const start = this.#reserve(value.length)
    this.#buffer.write(value, start, 'latin1')
    return this
  }

  fill(byte: number, count: number): this {
    const start = this.#reserve(count)
    this.#buffer.fill(byte, start, start + count)
    return this
  }

  space(): this {
    return this.byte(0x20)
  }

  short(value: Uint8Array): this {
    return this.byte(shortLength(value.length)).bytes(value)
  }

  /** A short string from a latin1 string: ids, passwords, port texts. */
  shortLatin1(value: string): this {
    return this.byte(shortLength(value.length)).ascii(value)
  }

  shortText(value: string): this {
    return this.short(Buffer.from(value, 'utf8'))
  }

  text(value: string): this {
    return this.bytes(Buffer.from(value, 'utf8'))
  }

  large(value: Uint8Array): this {
    return this.word16(value.length).bytes(value)
  }

  versionRange(value: VersionRange): this {
    return this.word16(value.min).word16(value.max)
  }

  maybe<T>(value: T | undefined, write: (value: T) => void): this {
    if (value === undefined) return this.ascii('0')
    this.ascii('1')
    write(value)
    return this
  }

  list<T>(values: readonly T[], write: (value: T) => void): this {
    this.byte(values.length)
    values.forEach((value) => write(value))
    return this
  }

  nonEmpty<T>(values: readonly T[], write: (value: T) => void): this {
    if (values.length === 0) throw new RangeError('a non-empty list needs an item')
    return this.list(values, write)
  }

  /** What was written so far; a view, so nothing may be written after it. */
  done(): Buffer {
    return this.#buffer.subarray(0, this.#length)
  }

  /** Makes room, and so may replace `buffer`: nothing may hold on to it across this. */
  #reserve(size: number): number {
    const start = this.#length
    const needed = start + size
    if (needed > this.#buffer.length) {
      const grown = Buffer.allocUnsafe(Math.max(needed, 2 * this.#buffer.length))
      grown.set(this.#buffer.subarray(0, start))
      this.#buffer = grown
    }
    this.#length = needed
    return start
  }
}

function shortLength(length: number): number {
  if (length > 255) throw new RangeError(`a short string holds 255 bytes, not ${length}`)
  return length
}
