import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { LowMemory, LOW_MEMORY_PIECE } from './low-memory.ts'

/** A TCP connection for TLS to run over; it passes on what arrives in the small pieces that {@link LowMemory} needs. */
export class LowMemoryStream extends Duplex {
  readonly #tcp: Socket
  readonly #lowMemory = new LowMemory()

  constructor(tcp: Socket) {
    super({ allowHalfOpen: false })
    this.#tcp = tcp
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
    this.#lowMemory.count(chunk.length, performance.now())
    const size = this.#lowMemory.active ? LOW_MEMORY_PIECE : chunk.length
    let wanted = true
    for (let at = 0; at < chunk.length; at += size) wanted = this.push(chunk.subarray(at, at + size))
    if (!wanted) this.#tcp.pause()
  }
}
