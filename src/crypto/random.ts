import { randomFillSync } from 'node:crypto'

/** Returns `size` random bytes in a buffer of their own, which shares its memory with nothing. */
export type RandomBytes = (size: number) => Buffer

const POOL_BYTES = 8192

/** The system's randomness, fetched in larger portions because one call costs as much for 24 bytes as for thousands. */
export function pooledRandom(): RandomBytes {
  const pool = Buffer.alloc(POOL_BYTES)
  let used = POOL_BYTES
  return (size) => {
    if (size > POOL_BYTES) return randomFillSync(Buffer.allocUnsafeSlow(size))
    if (used + size > POOL_BYTES) {
      randomFillSync(pool)
      used = 0
    }
    const bytes = Buffer.allocUnsafeSlow(size)
    // Byte by byte: for the few bytes of a key or an id, copying and filling through Buffer takes five times as long.
    for (let i = 0; i < size; i++) {
      bytes[i] = pool[used] ?? 0
      pool[used++] = 0
    }
    return bytes
  }
}
