import type { Stats } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'

/** Larger files are not kept in memory. */
export const MAX_CACHED_FILE = 256 * 1024
const MAX_CACHED_BYTES = 4 * 1024 * 1024

const compress = promisify(gzip)

interface CachedFile {
  readonly version: string
  readonly size: number
  readonly bytes: Promise<Buffer>
  compressed?: Promise<Buffer>
}

/**
 * Small files in memory, the least recently used ones dropped first. Responses share the bytes, so that clients that do
 * not read hold no open file and no memory of their own, and a file is compressed once.
 */
export class FileCache {
  readonly #files = new Map<string, CachedFile>()
  #bytes = 0

  /**
   * The content of a file of at most {@link MAX_CACHED_FILE} bytes.
   *
   * @param stats of the file now
   * @throws when the file cannot be read or is being changed
   */
  async read(path: string, stats: Stats, compressed: boolean): Promise<Buffer> {
    const file = this.#file(path, stats)
    try {
      const bytes = await file.bytes
      if (bytes.length !== stats.size) throw new Error('the file is being changed')
      return compressed ? await (file.compressed ??= compress(bytes)) : bytes
    } catch (error) {
      if (this.#files.get(path) === file) this.#drop(path, file)
      throw error
    }
  }

  #file(path: string, { ino, size, mtimeMs }: Stats): CachedFile {
    const version = `${ino}:${size}:${mtimeMs}`
    const known = this.#files.get(path)
    if (known !== undefined) this.#drop(path, known)
    const file = known?.version === version ? known : { version, size, bytes: readFile(path) }
    this.#files.set(path, file)
    this.#bytes += file.size
    for (const [oldest, { size: oldestSize }] of this.#files) {
      if (this.#bytes <= MAX_CACHED_BYTES) break
      this.#files.delete(oldest)
      this.#bytes -= oldestSize
    }
    return file
  }

  #drop(path: string, file: CachedFile): void {
    this.#files.delete(path)
    this.#bytes -= file.size
  }
}
