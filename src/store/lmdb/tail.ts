import { open, statfs, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { DataFile } from './file/data-file.ts'

const CHUNK = 1 << 20
const ZEROS = Buffer.alloc(CHUNK)
/** File systems that store zeros as holes whatever is done: btrfs, ZFS. Their room cannot be reserved. */
const COMPRESSING = [0x9123683e, 0x2fc12fc1]

/** The end of a data file, where pages are reserved by writing them. */
export interface Tail {
  readonly pageSize: number
  /** Whole pages of the file. */
  readonly pages: number
  /** Appends pages of zeros, on disk when it resolves. @throws the system's error; what was written stays reserved */
  grow(pages: number): Promise<void>
  close(): Promise<void>
}

/** @param path the directory of the store */
export async function openTail(path: string): Promise<Tail> {
  const name = join(path, 'data.mdb')
  const { pageSize } = readFacts(name)
  const file = await open(name, 'r+')
  const { size, blocks } = await file.stat()
  if (blocks * 512 < size && !COMPRESSING.includes((await statfs(path)).type)) await fillHoles(file, size, pageSize)
  return new FileTail(file, pageSize, Math.floor(size / pageSize))
}

class FileTail implements Tail {
  readonly pageSize: number
  readonly #file: FileHandle
  #pages: number

  constructor(file: FileHandle, pageSize: number, pages: number) {
    this.#file = file
    this.pageSize = pageSize
    this.#pages = pages
  }

  get pages(): number {
    return this.#pages
  }

  async grow(pages: number): Promise<void> {
    const end = (this.#pages + pages) * this.pageSize
    for (let at = this.#pages * this.pageSize; at < end;) {
      const { bytesWritten } = await this.#file.write(ZEROS, 0, Math.min(CHUNK, end - at), at)
      at += bytesWritten
    }
    await this.#file.datasync()
    this.#pages += pages
  }

  async close(): Promise<void> {
    await this.#file.close()
  }
}

function readFacts(name: string): { pageSize: number } {
  const file = new DataFile(name)
  file.close()
  return { pageSize: file.pageSize }
}

/** A copy that leaves zeros out would find the disk full later: pages of zeros are written again. */
async function fillHoles(file: FileHandle, size: number, pageSize: number): Promise<void> {
  const chunk = Buffer.allocUnsafe(CHUNK)
  for (let at = 0; at < size;) {
    const { bytesRead } = await file.read(chunk, 0, CHUNK, at)
    if (bytesRead === 0) break
    for (let page = 0; page + pageSize <= bytesRead; page += pageSize) {
      if (chunk.compare(ZEROS, 0, pageSize, page, page + pageSize) === 0)
        await file.write(ZEROS, 0, pageSize, at + page)
    }
    at += bytesRead - (bytesRead % pageSize)
  }
  await file.datasync()
}
