import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { Thrift, THRIFTY_BYTES } from './thrift.ts'

/** A TCP connection for TLS to run over, which hands it what arrives in the small pieces that {@link Thrift} asks for. */
export class ThriftyStream extends Duplex {
  private readonly tcp: Socket
  private readonly thrift = new Thrift()

  constructor(tcp: Socket) {
    super({ allowHalfOpen: false })
    this.tcp = tcp
    tcp.on('data', (chunk: Buffer) => this.received(chunk))
    tcp.on('end', () => this.push(null))
    tcp.on('error', (error) => this.destroy(error))
    tcp.on('close', () => this.destroy())
  }

  override _read(): void {
    this.tcp.resume()
  }

  override _write(chunk: Buffer, _: BufferEncoding, done: (error?: Error | null) => void): void {
    this.thrift.count(chunk.length, performance.now())
    this.tcp.write(chunk, done)
  }

  override _final(done: (error?: Error | null) => void): void {
    this.tcp.end(done)
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.tcp.destroy()
    done(error)
  }

  private received(chunk: Buffer): void {
    this.thrift.count(chunk.length, performance.now())
    const size = this.thrift.sparing ? THRIFTY_BYTES : chunk.length
    let wanted = true
    for (let at = 0; at < chunk.length; at += size) wanted = this.push(chunk.subarray(at, at + size))
    if (!wanted) this.tcp.pause()
  }
}
