/**
 * Node's TLS keeps, for as long as a connection lives, every buffer that it once needed: 64 KiB to read from a socket,
 * 16 or 32 KiB to write a block. Most connections of a relay are idle nearly always, and these buffers would be most of
 * its memory. TLS that is handed at most 1000 bytes at a time reads with its first buffer, of 1 KiB, and records of at
 * most 1000 bytes, each sent before the next, are written with the buffer that the TLS handshake needed.
 */
export const THRIFTY_BYTES = 1000

const BURST_BYTES = 64 * 16384
const BYTES_PER_MS = 64

/** Whether one connection should be sparing with memory, at about 0.15 ms of work for a block each way, or with time. */
export class Thrift {
  /** Until there was more traffic than 64 blocks at once or 4 in a second all the time; then false for good. */
  sparing = true
  private recentBytes = 0
  private countedAt = 0

  /** Notes traffic in either direction. */
  count(bytes: number, now: number): void {
    if (!this.sparing) return
    this.recentBytes = Math.max(0, this.recentBytes - (now - this.countedAt) * BYTES_PER_MS) + bytes
    this.countedAt = now
    this.sparing = this.recentBytes <= BURST_BYTES
  }
}
