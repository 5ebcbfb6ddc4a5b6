import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { LowMemory, LOW_MEMORY_PIECE } from './low-memory.ts'

/** Of the relay: a few kilobytes of certificates. The first block that follows is longer. */
const MAX_OWN_HANDSHAKE = 12_288

/** A TCP connection for TLS to run over; it passes on what arrives in the small pieces that {@link LowMemory} needs. */
export class LowMemoryStream extends Duplex {
  readonly #tcp: Socket
  readonly #onEstablished: (() => void) | undefined
  /** Bytes that the peer may still send before this side has sent more than a TLS handshake. */
  #allowance: number
  #written = 0
  readonly #lowMemory: LowMemory

  /**
   * @param allowance bytes that the peer may send in its TLS handshake
   * @param onEstablished called when the handshake is complete: once this side has sent more than one
   */
  constructor(tcp: Socket, lowMemory: LowMemory, allowance: number, onEstablished?: () => void) {
    super({ allowHalfOpen: false })
    this.#tcp = tcp
    this.#lowMemory = lowMemory
    this.#allowance = allowance
    this.#onEstablished = onEstablished
    tcp.on('data', (chunk: Buffer) => this.#received(chunk))
    tcp.on('end', () => this.push(null))
    tcp.on('error', (error) => this.destroy(error))
    tcp.on('close', () => this.destroy())
  }

  override _read(): void {
    this.#tcp.resume()
  }

  override _write(chunk: Buffer, _: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#lowMemory.count(chunk.length, performance.now())
    const wasHandshake = this.#written <= MAX_OWN_HANDSHAKE
    this.#written += chunk.length
    if (wasHandshake && this.#written > MAX_OWN_HANDSHAKE) {
      this.#allowance = Infinity
      this.#onEstablished?.()
    }
    this.#tcp.write(chunk, done)
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#tcp.end(done)
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#tcp.destroy()
    done(error)
  }

  #received(chunk: Buffer): void {
    this.#allowance -= chunk.length
    if (this.#allowance < 0) {
      this.destroy(Object.assign(new Error('the TLS handshake is too long'), { code: 'HANDSHAKE_TOO_LONG' }))
      return
    }
    this.#lowMemory.count(chunk.length, performance.now())
    const size = this.#lowMemory.active ? LOW_MEMORY_PIECE : chunk.length
    let wanted = true
    for (let at = 0; at < chunk.length; at += size) wanted = this.push(chunk.subarray(at, at + size))
    if (!wanted) this.#tcp.pause()
  }
}
