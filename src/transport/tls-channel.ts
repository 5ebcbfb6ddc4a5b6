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
import { peerChain } from './peer-certificates.ts'
import { LowMemory, LOW_MEMORY_PIECE } from './low-memory.ts'

/** How long buffered blocks may take to leave after `close`. */
const LINGER_MS = 5000

/** How long a block may take to leave in small pieces, while this process is busy, before the rest is sent at once. */
const SMALL_PIECES_MS = 10

const NO_BYTES = Buffer.alloc(0)
const NO_BLOCKS: readonly Buffer[] = []

/**
 * Blocks over one TLS connection.
 *
 * TLS gets one block at a time, each after the previous one has left: several at once would be encrypted together, and
 * TLS keeps a buffer of that size for as long as the connection lives.
 */
export class TlsChannel implements BlockChannel {
  readonly sessionId: Buffer
  readonly alpn: string | undefined
  readonly port: number

  readonly #socket: TLSSocket
  readonly #assembler = new BlockAssembler()
  #handlers: ChannelHandlers | undefined
  #waiting: Buffer[] | undefined
  readonly #lowMemory: LowMemory | undefined
  /** The part of the current block that TLS does not have yet; empty while its last piece is being sent. */
  #leaving: Buffer | undefined
  #leavingSince = 0
  #congested = false
  #paused = false
  #reason: CloseReason | undefined
  #gone = false

  /** @param lowMemory for a relay's many connections that are idle most of the time */
  constructor(socket: TLSSocket, sessionId: Buffer, port: number, lowMemory?: LowMemory) {
    this.#socket = socket
    this.#lowMemory = lowMemory
    this.sessionId = sessionId
    this.alpn = typeof socket.alpnProtocol === 'string' ? socket.alpnProtocol : undefined
    this.port = port
    socket.on('error', this.#failed)
    socket.on('close', this.#closed)
  }

  get peerCertificates(): readonly Buffer[] {
    return peerChain(this.#socket)
  }

  get buffered(): number {
    return ((this.#leaving ? 1 : 0) + (this.#waiting ?? NO_BLOCKS).length) * BLOCK_SIZE
  }

  attach(handlers: ChannelHandlers): void {
    const first = this.#handlers === undefined
    this.#handlers = handlers
    if (this.#gone) {
      queueMicrotask(() => handlers.close(this.#reason ?? 'closed'))
      return
    }
    this.#paused = false
    if (first) {
      this.#socket.on('end', this.#ended)
      this.#socket.on('data', this.#received)
    } else this.#socket.resume()
  }

  write(block: Buffer): boolean {
    if (block.length !== BLOCK_SIZE) throw new RangeError(`a block is ${BLOCK_SIZE} bytes, not ${block.length}`)
    if (this.#reason !== undefined) return false
    if (this.#leaving !== undefined) {
      this.#waiting ??= []
      this.#waiting.push(block)
    } else this.#send(block)
    if (this.buffered > HIGH_WATER_MARK) this.#congested = true
    return !this.#congested
  }

  pause(): void {
    this.#paused = true
    this.#socket.pause()
  }

  resume(): void {
    this.#paused = false
    if (this.#handlers !== undefined && !this.#gone) this.#socket.resume()
  }

  close(): void {
    if (this.#reason !== undefined) return
    this.#reason = 'closed'
    this.#assembler.discard()
    for (const bytes of [this.#leaving ?? NO_BYTES, ...(this.#waiting ?? NO_BLOCKS)]) this.#socket.write(bytes)
    this.#leaving = undefined
    this.#waiting = undefined
    this.#socket.resume()
    this.#socket.destroySoon()
    if (this.#socket.destroyed) return
    const timer = setTimeout(() => this.#socket.destroy(), LINGER_MS)
    this.#socket.once('close', () => clearTimeout(timer))
  }

  readonly #received = (chunk: Buffer): void => {
    let rest = chunk
    while (rest.length > 0 && this.#reason === undefined) {
      if (this.#paused) {
        this.#socket.unshift(rest)
        return
      }
      const { missing } = this.#assembler
      const piece = rest.length <= missing ? rest : rest.subarray(0, missing)
      rest = rest.subarray(piece.length)
      const block = this.#assembler.add(piece)
      if (block === undefined) continue
      this.#lowMemory?.count(BLOCK_SIZE, performance.now())
      this.#handlers?.block(block)
    }
  }

  #send(block: Buffer): void {
    this.#leavingSince = performance.now()
    this.#lowMemory?.count(BLOCK_SIZE, this.#leavingSince)
    this.#sendPiece(block)
  }

  #sendPiece(rest: Buffer): void {
    const inPieces = this.#lowMemory?.active === true && performance.now() - this.#leavingSince < SMALL_PIECES_MS
    const piece = inPieces ? rest.subarray(0, LOW_MEMORY_PIECE) : rest
    this.#leaving = rest.subarray(piece.length)
    this.#socket.write(piece, this.#sent)
  }

  readonly #sent = (): void => {
    if (this.#reason !== undefined) return
    if (this.#leaving !== undefined && this.#leaving.length > 0) {
      this.#sendPiece(this.#leaving)
      return
    }
    this.#leaving = undefined
    const next = this.#waiting?.shift()
    if (next !== undefined) this.#send(next)
    else this.#waiting = undefined
    if (!this.#congested || this.buffered > LOW_WATER_MARK) return
    this.#congested = false
    this.#handlers?.drain()
  }

  readonly #ended = (): void => {
    this.#reason ??= this.#assembler.partial ? 'truncated' : 'ended'
  }

  readonly #failed = (): void => {
    this.#reason ??= 'failed'
  }

  readonly #closed = (): void => {
    this.#gone = true
    this.#reason ??= 'ended'
    this.#waiting = undefined
    this.#assembler.discard()
    this.#handlers?.close(this.#reason)
  }
}
