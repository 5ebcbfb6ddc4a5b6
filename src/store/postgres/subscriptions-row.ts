import { idsHashLength } from '../../crypto/ids-hash.ts'
import type { ServiceSubscriptions } from '../store.ts'

/** Number and hash of a service's subscriptions: of its row after migration 6, counted before it. */
export interface SubscriptionsRow {
  readonly queue_count: number
  /** 16 bytes, or 128 digits of 0 and 1; null when there are none to be combined. */
  readonly queue_ids_hash: Buffer | string | null
}

export function subscriptionsOf({ queue_count: count, queue_ids_hash: hash }: SubscriptionsRow): ServiceSubscriptions {
  if (hash === null) return { count, idsHash: Buffer.alloc(idsHashLength) }
  return { count, idsHash: typeof hash === 'string' ? bytesOfBits(hash) : hash }
}

function bytesOfBits(bits: string): Buffer {
  return Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)))
}
