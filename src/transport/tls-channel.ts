import type { TLSSocket } from 'node:tls'
import { BLOCK_SIZE } from '../protocol/limits.ts'
import { BlockAssembler } from './block-assembler.ts'
import {
  HIGH_WATER_MARK,
  LOW_WATER_MARK,
  type BlockChannel,
  type ChannelHandlers,
  type CloseReason,
} from './channel.ts'
import { Thrift, THRIFTY_BYTES } from './thrift.ts'

/** How long buffered blocks may take to leave after `close`. */
const LINGER_MS = 5000

/** How long a block may take to leave in small pieces, while this process is busy, before the rest leaves at once. */
const PATIENCE_MS = 100

const NO_BYTES = Buffer.alloc(0)
const NO_BLOCKS: readonly Buffer[] = []

/**
 * Blocks over one TLS connection.
 *
 * Blocks are handed to TLS one at a time, each after the one before has left: several at once would be encrypted
 * together, and TLS keeps a buffer of that size for as long as the connection lives.
 */
export class TlsChannel implements BlockChannel {
  readonly sessionId: Buffer
  readonly peerCertificates: readonly Buffer[]
  readonly alpn: string | undefined
  readonly port: number

  private readonly socket: TLSSocket
  private readonly assembler = new BlockAssembler()
  private handlers: ChannelHandlers | undefined
  private waiting: Buffer[] | undefined
  private readonly thrift: Thrift | undefined
  /** What has not been handed to TLS of the block that is leaving; empty while its last piece leaves. */
  private leaving: Buffer | undefined
  private leavingSince = 0
  private congested = false
  private paused = false
  private reason: CloseReason | undefined
  private gone = false

  /** @param thrift for connections that are idle most of the time and many */
  constructor(
    socket: TLSSocket,
    sessionId: Buffer,
    peerCertificates: readonly Buffer[],
    port: number,
    thrift?: Thrift,
  ) {
    this.socket = socket
    this.thrift = thrift
    this.sessionId = sessionId
    this.peerCertificates = peerCertificates
    this.alpn = typeof socket.alpnProtocol === 'string' ? socket.alpnProtocol : undefined
    this.port = port
    socket.on('error', this.failed)
    socket.on('close', this.closed)
  }

  get buffered(): number {
    return ((this.leaving ? 1 : 0) + (this.waiting ?? NO_BLOCKS).length) * BLOCK_SIZE
  }

  attach(handlers: ChannelHandlers): void {
    const first = this.handlers === undefined
    this.handlers = handlers
    if (this.gone) {
      queueMicrotask(() => handlers.close(this.reason ?? 'closed'))
      return
    }
    this.paused = false
    if (first) {
      this.socket.on('end', this.ended)
      this.socket.on('data', this.received)
    } else this.socket.resume()
  }

  write(block: Buffer): boolean {
    if (block.length !== BLOCK_SIZE) throw new RangeError(`a block is ${BLOCK_SIZE} bytes, not ${block.length}`)
    if (this.reason !== undefined) return false
    if (this.leaving !== undefined) {
      this.waiting ??= []
      this.waiting.push(block)
    } else this.send(block)
    if (this.buffered > HIGH_WATER_MARK) this.congested = true
    return !this.congested
  }

  pause(): void {
    this.paused = true
    this.socket.pause()
  }

  resume(): void {
    this.paused = false
    if (this.handlers !== undefined && !this.gone) this.socket.resume()
  }

  close(): void {
    if (this.reason !== undefined) return
    this.reason = 'closed'
    this.assembler.discard()
    for (const bytes of [this.leaving ?? NO_BYTES, ...(this.waiting ?? NO_BLOCKS)]) this.socket.write(bytes)
    this.leaving = undefined
    this.waiting = undefined
    this.socket.resume()
    this.socket.destroySoon()
    if (this.socket.destroyed) return
    const timer = setTimeout(() => this.socket.destroy(), LINGER_MS)
    this.socket.once('close', () => clearTimeout(timer))
  }

  private readonly received = (chunk: Buffer): void => {
    let rest = chunk
    while (rest.length > 0 && this.reason === undefined) {
      if (this.paused) {
        this.socket.unshift(rest)
        return
      }
      const { missing } = this.assembler
      const piece = rest.length <= missing ? rest : rest.subarray(0, missing)
      rest = rest.subarray(piece.length)
      const block = this.assembler.add(piece)
      if (block === undefined) continue
      this.thrift?.count(BLOCK_SIZE, performance.now())
      this.handlers?.block(block)
    }
  }

  private send(block: Buffer): void {
    this.leavingSince = performance.now()
    this.thrift?.count(BLOCK_SIZE, this.leavingSince)
    this.sendPiece(block)
  }

  private sendPiece(rest: Buffer): void {
    const inPieces = this.thrift?.sparing === true && performance.now() - this.leavingSince < PATIENCE_MS
    const piece = inPieces ? rest.subarray(0, THRIFTY_BYTES) : rest
    this.leaving = rest.subarray(piece.length)
    this.socket.write(piece, this.sent)
  }

  private readonly sent = (): void => {
    if (this.reason !== undefined) return
    if (this.leaving !== undefined && this.leaving.length > 0) {
      this.sendPiece(this.leaving)
      return
    }
    this.leaving = undefined
    const next = this.waiting?.shift()
    if (next !== undefined) this.send(next)
    else this.waiting = undefined
    if (!this.congested || this.buffered > LOW_WATER_MARK) return
    this.congested = false
    this.handlers?.drain()
  }

  private readonly ended = (): void => {
    this.reason ??= this.assembler.partial ? 'truncated' : 'ended'
  }

  private readonly failed = (): void => {
    this.reason ??= 'failed'
  }

  private readonly closed = (): void => {
    this.gone = true
    this.reason ??= 'ended'
    this.waiting = undefined
    this.assembler.discard()
    this.handlers?.close(this.reason)
  }
}
