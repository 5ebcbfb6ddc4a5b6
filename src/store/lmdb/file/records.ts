import type { DataFile } from './data-file.ts'
import { childPage, HEADER, leafData, leafKey, nodeCount, pageFault, pageKind, type Meta, type Tree } from './page.ts'
import type { FileFault } from './verify.ts'

export interface FileRecord {
  /** A byte string. */
  readonly key: string
  /** Undefined when the pages of the value are damaged. */
  readonly value: Buffer | undefined
}

/** The records of an LMDB file without LMDB: those of damaged pages are left out, and the faults are told. */
export class RecordFile {
  readonly #file: DataFile
  readonly #meta: Meta
  readonly #onFault: (fault: FileFault) => void

  constructor(file: DataFile, meta: Meta, onFault: (fault: FileFault) => void) {
    this.#file = file
    this.#meta = meta
    this.#onFault = onFault
  }

  /** The tables by their names. */
  tables(): Map<string, Tree> {
    const tables = new Map<string, Tree>()
    for (const page of this.#leaves(this.#meta.main)) {
      for (let i = 0; i < nodeCount(page); i++) {
        const data = leafData(page, i)
        if (data.type === 'tree') tables.set(leafKey(page, i).toString('latin1').replace(/\0$/, ''), data.tree)
      }
    }
    return tables
  }

  /** The records of a table, in the order of their keys. */
  *records(tree: Tree | undefined): Generator<FileRecord, void, undefined> {
    if (tree === undefined) return
    for (const page of this.#leaves(tree)) yield* this.pageRecords(page)
  }

  *pageRecords(page: Buffer): Generator<FileRecord, void, undefined> {
    for (let i = 0; i < nodeCount(page); i++) {
      const key = leafKey(page, i).toString('latin1')
      const data = leafData(page, i)
      if (data.type === 'data') yield { key, value: data.bytes }
      else if (data.type === 'overflow') yield { key, value: this.#overflow(data) }
      else yield { key, value: undefined }
    }
  }

  /** The leaves below a root, from left to right; each page is its own buffer. */
  *#leaves(tree: Tree): Generator<Buffer, void, undefined> {
    if (tree.root === undefined) return
    const stack = [{ number: tree.root, depth: 1 }]
    for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
      const page = this.#page(next.number)
      if (page === undefined) continue
      if (pageKind(page) === 'leaf') {
        yield page
        continue
      }
      const depth = next.depth + 1
      // A damaged branch may lead back to itself.
      if (depth > tree.depth) this.#onFault({ type: 'page', page: next.number, fault: 'kind' })
      else for (let i = nodeCount(page) - 1; i >= 0; i--) stack.push({ number: childPage(page, i), depth })
    }
  }

  #page(number: number): Buffer | undefined {
    if (!this.#exists(number, 1)) return undefined
    const { pageSize, txnId } = this.#meta
    const page = this.#file.bytes(number * pageSize, pageSize)
    const fault = pageFault(page, { number, txnId, kind: 'tree' })
    if (fault === undefined) return page
    this.#onFault({ type: 'page', page: number, fault })
    return undefined
  }

  #overflow({ page: number, pages, size }: { page: number; pages: number; size: number }): Buffer | undefined {
    const { pageSize, txnId } = this.#meta
    if (!this.#exists(number, pages) || pages * pageSize < HEADER + size) return undefined
    const bytes = this.#file.bytes(number * pageSize, HEADER + size)
    const fault = pageFault(bytes, { number, txnId, kind: 'overflow' })
    if (fault === undefined) return bytes.subarray(HEADER)
    this.#onFault({ type: 'page', page: number, fault })
    return undefined
  }

  #exists(number: number, pages: number): boolean {
    if (number >= 2 && number <= this.#meta.lastPage && number + pages <= this.#file.pages) return true
    this.#onFault({ type: 'page', page: number, fault: 'beyond' })
    return false
  }
}
