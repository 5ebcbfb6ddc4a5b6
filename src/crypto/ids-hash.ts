import { md5 } from './hash.ts'

// SMP, service subscriptions: hash of a set of queue ids = XOR of the MD5 of each. Adding and removing an id are the
// same operation, and the empty set has the hash of 16 zeros.

export const idsHashLength = 16

/** The hash (16 bytes) of a set with this one id. */
export function idHash(id: Uint8Array): Buffer {
  return md5(id)
}

/** The hash (16 bytes) of a set of ids. */
export function idsHash(ids: Iterable<Uint8Array>): Buffer {
  const hash = Buffer.alloc(idsHashLength)
  for (const id of ids) xorInto(hash, md5(id))
  return hash
}

/** The hash of the symmetric difference of two sets: adds an id, or takes it away. */
export function xorHash(a: Uint8Array, b: Uint8Array): Buffer {
  const hash = Buffer.from(a)
  xorInto(hash, b)
  return hash
}

function xorInto(hash: Uint8Array, other: Uint8Array): void {
  if (hash.length !== idsHashLength || other.length !== idsHashLength) throw new RangeError('an ids hash is 16 bytes')
  for (let i = 0; i < idsHashLength; i++) hash[i] = (hash[i] ?? 0) ^ (other[i] ?? 0)
}
