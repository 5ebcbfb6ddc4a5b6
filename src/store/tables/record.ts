const CHUNK_BYTES = 1 << 20

/**
 * Writes records of one batch one after the other into a few large buffers, which are used again for the next batch:
 * no allocation and no address look-up per record. What `end` gives is valid until `reset`.
 */
export class RecordWriter {
  #chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES)
  #start = 0
  #at = 0

  /** Starts a record of at most `maxBytes`. */
  begin(maxBytes: number): this {
    if (this.#chunk.length - this.#at < maxBytes) {
      this.#chunk = Buffer.allocUnsafeSlow(Math.max(CHUNK_BYTES, maxBytes))
      this.#at = 0
    }
    this.#start = this.#at
    return this
  }

  end(): Buffer {
    return this.#chunk.subarray(this.#start, this.#at)
  }

  /** Only after the batch that was written from here has been committed or rolled back. */
  reset(): void {
    if (this.#chunk.length > CHUNK_BYTES) this.#chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES)
    this.#at = 0
  }

  u8(value: number): this {
    this.#at = this.#chunk.writeUInt8(value, this.#at)
    return this
  }

  u16(value: number): this {
    this.#at = this.#chunk.writeUInt16BE(value, this.#at)
    return this
  }

  u32(value: number): this {
    this.#at = this.#chunk.writeUInt32BE(value, this.#at)
    return this
  }

  u48(value: number): this {
    this.#at = this.#chunk.writeUIntBE(value, this.#at, 6)
    return this
  }

  f64(value: number): this {
    this.#at = this.#chunk.writeDoubleBE(value, this.#at)
    return this
  }

  bytes(value: Uint8Array): this {
    this.#chunk.set(value, this.#at)
    this.#at += value.length
    return this
  }

  /** One length byte and up to 255 bytes. */
  short(value: Uint8Array): this {
    return this.u8(value.length).bytes(value)
  }

  /** A byte string (latin1). */
  text(value: string): this {
    this.#at += this.#chunk.write(value, this.#at, 'latin1')
    return this
  }

  /** One length byte and a byte string of up to 255 bytes. */
  shortText(value: string): this {
    return this.u8(value.length).text(value)
  }
}

/** Reads what {@link RecordWriter} wrote; throws RangeError past the end. The buffers that it gives are copies. */
export class RecordReader {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length
  }

  u8(): number {
    return this.#bytes.readUInt8(this.#take(1))
  }

  u16(): number {
    return this.#bytes.readUInt16BE(this.#take(2))
  }

  u32(): number {
    return this.#bytes.readUInt32BE(this.#take(4))
  }

  u48(): number {
    return this.#bytes.readUIntBE(this.#take(6), 6)
  }

  f64(): number {
    return this.#bytes.readDoubleBE(this.#take(8))
  }

  bytes(length: number): Buffer {
    const start = this.#take(length)
    return Buffer.from(this.#bytes.subarray(start, this.#at))
  }

  short(): Buffer {
    return this.bytes(this.u8())
  }

  shortText(): string {
    const length = this.u8()
    const start = this.#take(length)
    return this.#bytes.toString('latin1', start, this.#at)
  }

  rest(): Buffer {
    return this.bytes(this.#bytes.length - this.#at)
  }

  restText(): string {
    const start = this.#take(this.#bytes.length - this.#at)
    return this.#bytes.toString('latin1', start, this.#at)
  }

  #take(length: number): number {
    const start = this.#at
    if (start + length > this.#bytes.length) throw new RangeError('a record of the store is too short')
    this.#at = start + length
    return start
  }
}
