/**
 * Node's TLS keeps every buffer that it ever needed for as long as a connection lives: 64 KiB to read from a socket, 16
 * or 32 KiB to write a block. Most connections of a relay are idle nearly all the time, so these buffers would be most
 * of its memory. When TLS gets at most 1000 bytes at a time, it reads with its first buffer, of 1 KiB; and records of at
 * most 1000 bytes, each sent before the next, are written with the buffer that the TLS handshake needed.
 */
export const LOW_MEMORY_PIECE = 1000

const BURST_BYTES = 64 * 16384
const BYTES_PER_MS = 64

/** Connections of one port that need not save memory: about 40 KiB more each, 40 MiB in all. */
export const ROOMY_CONNECTIONS = 1000

/** Whether one connection saves memory, at the cost of about 0.15 ms of work for a block each way, or time. */
export class LowMemory {
  /**
   * Whether it saves memory: until there is more traffic than 64 blocks in a burst or 4 blocks per second; then no more,
   * for good.
   */
  active: boolean
  #recentBytes = 0
  #countedAt = 0

  /** @param active whether it saves memory at first */
  constructor(active: boolean) {
    this.active = active
  }

  /** Counts traffic in either direction. */
  count(bytes: number, now: number): void {
    if (!this.active) return
    this.#recentBytes = Math.max(0, this.#recentBytes - (now - this.#countedAt) * BYTES_PER_MS) + bytes
    this.#countedAt = now
    this.active = this.#recentBytes <= BURST_BYTES
  }
}
