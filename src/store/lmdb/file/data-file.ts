import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { META_BYTES, readMeta, type Meta } from './page.ts'

const CHUNK = 1 << 18

export interface FoundMeta {
  readonly meta: Meta
  readonly bytes: Buffer
}

/** The file of an LMDB environment, read without mapping it: damage can then be reported, and a truncated file too. */
export class DataFile {
  /** Bytes. */
  readonly size: number
  /** The two meta pages; undefined where one cannot be read. */
  readonly metas: readonly [Meta | undefined, Meta | undefined]
  /** The one of the latest transaction. */
  readonly latest: Meta | undefined
  readonly pageSize: number
  /** Whole pages. */
  readonly pages: number
  readonly #fd: number
  readonly #chunk = Buffer.allocUnsafeSlow(CHUNK)
  #chunkAt = -1

  /** @throws the system's error */
  constructor(path: string) {
    this.#fd = openSync(path, 'r')
    this.size = fstatSync(this.#fd).size
    const [first, second] = this.#metasAt(readMeta(this.bytes(0, META_BYTES), 0)?.pageSize)
    this.metas = [first?.meta, second?.meta]
    this.latest = later(...this.metas)
    this.pageSize = this.latest?.pageSize ?? 4096
    this.pages = Math.floor(this.size / this.pageSize)
  }

  /** A page below {@link pages}; valid until the next call. */
  page(number: number): Buffer {
    const { pageSize } = this
    const at = number * pageSize
    const chunk = Math.floor(at / CHUNK)
    if (chunk !== this.#chunkAt) {
      readSync(this.#fd, this.#chunk, 0, CHUNK, chunk * CHUNK)
      this.#chunkAt = chunk
    }
    const start = at - chunk * CHUNK
    return this.#chunk.subarray(start, start + pageSize)
  }

  /** `length` bytes from `at`, in a buffer of their own; fewer at the end of the file. */
  bytes(at: number, length: number): Buffer {
    const bytes = Buffer.alloc(length)
    return bytes.subarray(0, readSync(this.#fd, bytes, 0, length, at))
  }

  close(): void {
    closeSync(this.#fd)
  }

  /** The meta pages as they are now, which may be later than when the file was opened. */
  readMetas(): FoundMeta[] {
    return this.#metasAt(this.pageSize).filter((found) => found !== undefined)
  }

  /** Without the size of pages, which the first meta page tells, the second one is found by trying. */
  #metasAt(pageSize: number | undefined): [FoundMeta | undefined, FoundMeta | undefined] {
    const sizes = pageSize === undefined ? [4096, 8192, 16_384, 32_768, 65_536] : [pageSize]
    const seconds = sizes.map((size) => ({ size, found: this.#meta(size, 1) }))
    return [this.#meta(0, 0), seconds.find(({ size, found }) => found?.meta.pageSize === size)?.found]
  }

  #meta(at: number, index: 0 | 1): FoundMeta | undefined {
    const bytes = this.bytes(at, META_BYTES)
    const meta = readMeta(bytes, index)
    return meta && { meta, bytes }
  }
}

function later(first: Meta | undefined, second: Meta | undefined): Meta | undefined {
  if (first === undefined || second === undefined) return first ?? second
  return first.txnId >= second.txnId ? first : second
}
