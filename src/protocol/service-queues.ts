import { IDS_HASH_SIZE } from './limits.ts'
import type { Reader } from './reader.ts'
import { since } from './versions.ts'
import type { Writer } from './writer.ts'

/** The queues of a service, in short. */
export interface ServiceQueues {
  /** -1 when a client did not say. */
  readonly count: number
  /** XOR of the MD5 hashes of the queue ids, 16 bytes; zeros when the other side did not say. */
  readonly idsHash: Buffer
}

/** `SP int64(count) short(idsHash)` since v19, nothing before. */
export function readClaimedQueues(r: Reader, version: number): ServiceQueues {
  if (version < since.serviceHash) return { count: -1, idsHash: Buffer.alloc(IDS_HASH_SIZE) }
  r.space()
  return { count: r.integer(), idsHash: r.idsHash() }
}

export function writeClaimedQueues(w: Writer, { count, idsHash }: ServiceQueues, version: number): void {
  if (version >= since.serviceHash) w.space().integer(count).short(idsHash)
}

/** `SP int64(count) short(idsHash)` since v19, `SP int64(count)` before. */
export function readServiceQueues(r: Reader, version: number): ServiceQueues {
  r.space()
  const count = r.integer()
  return { count, idsHash: version >= since.serviceHash ? r.idsHash() : Buffer.alloc(IDS_HASH_SIZE) }
}

export function writeServiceQueues(w: Writer, { count, idsHash }: ServiceQueues, version: number): void {
  w.space().integer(count)
  if (version >= since.serviceHash) w.short(idsHash)
}
