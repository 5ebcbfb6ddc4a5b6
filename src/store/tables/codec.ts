import type { RecordReader, RecordWriter } from './record.ts'

/** How the values of one table are kept on disk. */
export interface Codec<V> {
  encode(value: V, out: RecordWriter): Buffer
  decode(record: RecordReader, key: string): V
}
