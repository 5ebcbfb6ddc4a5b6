import type { RecordReader, RecordWriter } from './record.ts'

/** The encoding of one table's values on disk. */
export interface Codec<V> {
  encode(value: V, out: RecordWriter): Buffer
  decode(record: RecordReader, key: string): V
}
