/*
 * The tar format of POSIX (ustar, IEEE 1003.1-1988), for regular files only:
 *
 *   archive = *(header content) 2*empty         everything in blocks of 512 bytes, content padded with zeros
 *   header  = name{100} mode{8} uid{8} gid{8} size{12} mtime{12} checksum{8} type{1} link{100}
 *             "ustar" %x00 "00" user{32} group{32} devmajor{8} devminor{8} prefix{155} zero{12}
 *
 * Numbers are octal text; a size of 8 GiB or more is written as GNU tar does, %x80 and 11 bytes.
 */

export interface TarFile {
  /** At most 100 bytes of ASCII. */
  readonly name: string
  readonly mode: number
  readonly modifiedAt: Date
  readonly size: number
  /** Exactly `size` bytes. */
  readonly content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>
}

export interface TarEntry {
  readonly name: string
  readonly size: number
  /** To be read to the end before the next entry is asked for. */
  readonly content: AsyncIterable<Uint8Array>
}

/** Something that an archive of regular files does not have. The message is a predicate: `ends too early`. */
export class TarError extends Error {
  override readonly name = 'TarError'
}

/** Bytes of a header, and what contents are padded to. */
export const TAR_HEADER = 512
const FIRST_LARGE_SIZE = 8 ** 11

/** Writes an archive, one file after another. */
export async function* writeTar(
  files: AsyncIterable<TarFile> | Iterable<TarFile>,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const file of files) {
    yield tarHeader(file)
    let written = 0
    for await (const chunk of file.content) {
      written += chunk.length
      yield chunk
    }
    if (written !== file.size) throw new Error(`${file.name} has another size than announced`)
    yield Buffer.alloc(padding(file.size))
  }
  yield Buffer.alloc(2 * TAR_HEADER)
}

export function tarHeader({ name, mode, modifiedAt, size }: Omit<TarFile, 'content'>): Buffer {
  const header = Buffer.alloc(TAR_HEADER)
  if (!/^[\x21-\x7e]{1,100}$/.test(name)) throw new Error('not a name of a file in an archive')
  const octal = (value: number, at: number, length: number): void => {
    header.write(value.toString(8).padStart(length - 1, '0'), at, 'latin1')
  }
  header.write(name, 0, 'latin1')
  octal(mode, 100, 8)
  octal(0, 108, 8)
  octal(0, 116, 8)
  if (size < FIRST_LARGE_SIZE) octal(size, 124, 12)
  else {
    header.writeUInt8(0x80, 124)
    header.writeBigUInt64BE(BigInt(size), 128)
  }
  octal(Math.floor(modifiedAt.getTime() / 1000), 136, 12)
  header.write('0', 156, 'latin1')
  header.write('ustar\x0000', 257, 'latin1')
  header.write(`${checksum(header).toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  return header
}

/** Whether bytes are the beginning of an archive whose first file has this name. */
export function isTarStart(head: Buffer, name: string): boolean {
  return (
    head.length >= TAR_HEADER && textOf(head.subarray(0, 100)) === name && head.toString('latin1', 257, 262) === 'ustar'
  )
}

/**
 * Reads an archive of regular files.
 *
 * @throws TarError for links, directories and devices, and for anything but an archive; and whatever reading throws
 */
export async function* readTar(archive: AsyncIterable<Uint8Array>): AsyncGenerator<TarEntry, void, undefined> {
  const source = new Source(archive)
  for (;;) {
    const header = await source.exactly(TAR_HEADER)
    if (isEmpty(header)) break
    const { name, size } = parseHeader(header)
    let left = size
    const content = (async function* (): AsyncGenerator<Uint8Array, void, undefined> {
      while (left > 0) {
        const chunk = await source.some(left)
        left -= chunk.length
        yield chunk
      }
    })()
    yield { name, size, content }
    if (left > 0) throw new Error('an entry of an archive was not read')
    if (!isEmpty(await source.exactly(padding(size)))) throw damaged()
  }
  // The rest is read as well: only the end of an encrypted file shows that it is complete.
  for await (const rest of source.rest()) if (!isEmpty(rest)) throw damaged()
}

function parseHeader(header: Buffer): { name: string; size: number } {
  const stored = parseOctal(header.subarray(148, 156))
  if (stored !== checksum(header) || header.toString('latin1', 257, 262) !== 'ustar') throw damaged()
  const name = [textOf(header.subarray(345, 500)), textOf(header.subarray(0, 100))]
    .filter((part) => part !== '')
    .join('/')
  const type = header.toString('latin1', 156, 157)
  if (type !== '0' && type !== '\0') {
    const kind = { '1': 'a link', '2': 'a link', '5': 'a directory' }[type] ?? 'something other than a file'
    throw new TarError(`holds ${kind}, ${JSON.stringify(name)}`)
  }
  const size = parseSize(header.subarray(124, 136))
  if (size === undefined) throw damaged()
  return { name, size }
}

function parseSize(field: Buffer): number | undefined {
  if (field[0] !== 0x80) return parseOctal(field)
  const size = field.readBigUInt64BE(4)
  const isLarge = !isEmpty(field.subarray(1, 4)) || size > BigInt(Number.MAX_SAFE_INTEGER)
  return isLarge ? undefined : Number(size)
}

function parseOctal(field: Buffer): number | undefined {
  const digits = /^ *([0-7]+)[ \0]*$/.exec(field.toString('latin1'))?.[1]
  return digits === undefined ? undefined : Number.parseInt(digits, 8)
}

function textOf(field: Buffer): string {
  const end = field.indexOf(0)
  return field.toString('latin1', 0, end === -1 ? field.length : end)
}

/** The sum of all bytes of the header, with blanks instead of the sum itself. */
function checksum(header: Buffer): number {
  return header.reduce((sum, byte, at) => sum + (at >= 148 && at < 156 ? 0x20 : byte), 0)
}

function padding(size: number): number {
  return (TAR_HEADER - (size % TAR_HEADER)) % TAR_HEADER
}

function isEmpty(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0)
}

function damaged(): TarError {
  return new TarError('is not a tar file, or a damaged one')
}

/** Bytes out of chunks of any size. */
class Source {
  readonly #chunks: AsyncIterator<Uint8Array>
  #waiting: Uint8Array = new Uint8Array()

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks[Symbol.asyncIterator]()
  }

  /** From 1 to `limit` bytes. @throws TarError when there are none left */
  async some(limit: number): Promise<Uint8Array> {
    while (this.#waiting.length === 0) {
      const next = await this.#chunks.next()
      if (next.done) throw new TarError('ends too early')
      this.#waiting = next.value
    }
    const taken = this.#waiting.subarray(0, limit)
    this.#waiting = this.#waiting.subarray(taken.length)
    return taken
  }

  async exactly(count: number): Promise<Buffer> {
    const parts: Uint8Array[] = []
    for (let left = count; left > 0;) {
      const part = await this.some(left)
      parts.push(part)
      left -= part.length
    }
    return Buffer.concat(parts)
  }

  async *rest(): AsyncGenerator<Uint8Array, void, undefined> {
    yield this.#waiting
    for (let next = await this.#chunks.next(); !next.done; next = await this.#chunks.next()) yield next.value
  }
}
