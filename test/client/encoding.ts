/** SMP binary encoding of the test client: written on the protocol text alone, nothing is imported from src. */

export const word16 = (value: number): Buffer => {
  const out = Buffer.allocUnsafe(2)
  out.writeUInt16BE(value)
  return out
}

export const int64 = (value: number): Buffer => {
  const out = Buffer.allocUnsafe(8)
  out.writeBigInt64BE(BigInt(value))
  return out
}

/** One length byte, then the bytes. */
export const short = (bytes: Uint8Array): Buffer => {
  if (bytes.length > 255) throw new Error(`a short string cannot hold ${bytes.length} bytes`)
  const out = Buffer.allocUnsafe(bytes.length + 1)
  out[0] = bytes.length
  out.set(bytes, 1)
  return out
}

/** Two length bytes, then the bytes. */
export const large = (bytes: Uint8Array): Buffer => {
  const out = Buffer.allocUnsafe(bytes.length + 2)
  out.writeUInt16BE(bytes.length)
  out.set(bytes, 2)
  return out
}

export const ascii = (text: string): Buffer => Buffer.from(text, 'latin1')
export const bool = (value: boolean): Buffer => ascii(value ? 'T' : 'F')
export const maybe = (bytes: Uint8Array | undefined): Buffer =>
  bytes === undefined ? ascii('0') : Buffer.concat([ascii('1'), bytes])
export const list = (items: readonly Uint8Array[]): Buffer => Buffer.concat([Buffer.of(items.length), ...items])

/** Word16 length, the bytes, then `#` up to `size`. */
export const pad = (bytes: Uint8Array, size: number): Buffer => {
  if (bytes.length > size - 2) throw new Error(`${bytes.length} bytes cannot be padded to ${size}`)
  const out = Buffer.allocUnsafe(size)
  out.writeUInt16BE(bytes.length)
  out.set(bytes, 2)
  out.fill(0x23, bytes.length + 2)
  return out
}

export const unpad = (padded: Buffer): Buffer => {
  if (padded.length < 2) throw new Error('padding: no length')
  const end = 2 + padded.readUInt16BE()
  if (end > padded.length) throw new Error('padding: shorter than its length')
  return padded.subarray(2, end)
}

/** Reads values from the front of a buffer; throws when the bytes do not hold them. */
export class Reader {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  get left(): number {
    return this.#bytes.length - this.#at
  }

  take(count: number): Buffer {
    if (count > this.left) throw new Error(`${count} bytes wanted, ${this.left} left`)
    const taken = this.#bytes.subarray(this.#at, this.#at + count)
    this.#at += count
    return taken
  }

  /** All that is left. */
  tail(): Buffer {
    return this.take(this.left)
  }

  /** The next bytes without taking them. */
  peek(count: number): Buffer {
    return this.#bytes.subarray(this.#at, this.#at + count)
  }

  byte(): number {
    return this.take(1).readUInt8()
  }

  word16(): number {
    return this.take(2).readUInt16BE()
  }

  int64(): number {
    return Number(this.take(8).readBigInt64BE())
  }

  short(): Buffer {
    return this.take(this.byte())
  }

  large(): Buffer {
    return this.take(this.word16())
  }

  bool(): boolean {
    const tag = this.byte()
    if (tag !== 0x54 && tag !== 0x46) throw new Error(`not a Bool: ${tag}`)
    return tag === 0x54
  }

  maybe<T>(read: () => T): T | undefined {
    const tag = this.byte()
    if (tag === 0x30) return undefined
    if (tag !== 0x31) throw new Error(`not a Maybe: ${tag}`)
    return read()
  }

  list<T>(read: () => T): T[] {
    const count = this.byte()
    if (count === 0) throw new Error('an empty list')
    return Array.from({ length: count }, read)
  }

  /** Takes exactly these ASCII bytes. */
  literal(text: string): void {
    const found = this.take(text.length).toString('latin1')
    if (found !== text) throw new Error(`"${text}" wanted, "${found}" found`)
  }

  end(): void {
    if (this.left > 0) throw new Error(`${this.left} bytes too many: ${this.peek(40).toString('latin1')}`)
  }
}
