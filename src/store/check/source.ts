import { join } from 'node:path'
import type { Codec } from '../tables/codec.ts'
import { RecordReader } from '../tables/record.ts'
import { cannotOpen, damaged } from '../lmdb/errors.ts'
import { DataFile } from '../lmdb/file/data-file.ts'
import type { Meta, Tree } from '../lmdb/file/page.ts'
import { RecordFile } from '../lmdb/file/records.ts'
import { faultText } from '../lmdb/file/require-sound.ts'
import { verifyPages } from '../lmdb/file/verify.ts'
import type { PageSet } from '../lmdb/file/page-set.ts'
import type { Faults } from './faults.ts'

/** The records of a store that may be damaged, read from its file. */
export class StoreSource {
  readonly file: DataFile
  readonly meta: Meta
  /** Pages that the trees lead to, and that can be read. */
  readonly used: PageSet
  readonly #records: RecordFile
  readonly #trees: Map<string, Tree>
  readonly #faults: Faults
  #damagedPages = 0

  /** @param pages sentences about damaged pages go here, records that cannot be read to `faults` */
  constructor(file: DataFile, meta: Meta, { faults, pages }: { faults: Faults; pages: string[] }) {
    this.file = file
    this.meta = meta
    this.#faults = faults
    for (const [index, found] of file.metas.entries()) {
      if (found === undefined)
        pages.push(`page ${index} of data.mdb, one of two that lead to all others, cannot be read`)
    }
    this.used = verifyPages(file, meta, (fault) => pages.push(faultText(file, meta, fault)))
    this.#records = new RecordFile(file, meta, () => this.#damagedPages++)
    this.#trees = this.#records.tables()
  }

  /** How often a damaged page was met so far. */
  get damagedPages(): number {
    return this.#damagedPages
  }

  has(table: string): boolean {
    return this.#trees.has(table)
  }

  /** The records of a table that can be read, in the order of their keys. */
  *records<V>(table: string, codec: Codec<V>): Generator<[key: string, value: V], void, undefined> {
    for (const { key, value } of this.#records.records(this.#trees.get(table))) {
      const decoded = value && decodeAll(codec, value, key)
      if (decoded === undefined) this.#faults.add(`records of the table ${table} that cannot be read`)
      else yield [key, decoded]
    }
  }

  /** The record of a table with one key, if it is there. */
  *only<V>(table: string, wanted: string, codec: Codec<V>): Generator<[key: string, value: V], void, undefined> {
    for (const { key, value } of this.#records.records(this.#trees.get(table))) {
      const decoded = key === wanted && value ? decodeAll(codec, value, key) : undefined
      if (decoded !== undefined) yield [key, decoded]
    }
  }

  /** The records of any page. */
  pageRecords(page: Buffer): Iterable<{ readonly key: string; readonly value: Buffer | undefined }> {
    return this.#records.pageRecords(page)
  }
}

/** The value of a record; undefined when its bytes are not all of one. */
export function decodeAll<V>(codec: Codec<V>, value: Buffer, key: string): V | undefined {
  try {
    const reader = new RecordReader(value)
    const decoded = codec.decode(reader, key)
    return reader.isAtEnd ? decoded : undefined
  } catch {
    return undefined
  }
}

/**
 * Opens the file of a store that nobody has open.
 *
 * @throws AppError `STORE_DAMAGED` when not even its beginning can be read; what keeps the file from being read
 */
export function openDataFile(path: string): { readonly file: DataFile; readonly meta: Meta } {
  let file: DataFile
  try {
    file = new DataFile(join(path, 'data.mdb'))
  } catch (error) {
    throw cannotOpen(path, error)
  }
  if (file.latest !== undefined) return { file, meta: file.latest }
  file.close()
  throw damaged(path, 'data.mdb is not the file of a message store, or its beginning was overwritten')
}
