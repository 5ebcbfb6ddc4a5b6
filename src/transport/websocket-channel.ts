import type { TLSSocket } from 'node:tls'
import type { WebSocket } from 'ws'
import { BLOCK_SIZE } from '../protocol/limits.ts'
import {
  HIGH_WATER_MARK,
  LOW_WATER_MARK,
  type BlockChannel,
  type ChannelHandlers,
  type CloseReason,
} from './channel.ts'
import { peerChain } from './peer-certificates.ts'

const AS_BLOCK = { binary: true, compress: false } as const
/** The connection below the WebSocket. */
type TlsConnection = Pick<TLSSocket, 'alpnProtocol' | 'getPeerX509Certificate'>

/** RFC 6455 §7.4.1 */
const NORMAL = 1000
const UNSUPPORTED_DATA = 1003
const WITHOUT_CLOSE_FRAME = 1006

/**
 * Blocks over one WebSocket: each is a binary message of its own, and any other message ends the connection.
 *
 * Blocks are sent one at a time, each after the previous one has left, as in TlsChannel. Messages that arrive together
 * with the one at which reading was paused wait here.
 */
export class WebSocketChannel implements BlockChannel {
  readonly sessionId: Buffer
  readonly alpn: string | undefined
  readonly port: number

  readonly #webSocket: WebSocket
  readonly #socket: TlsConnection
  #handlers: ChannelHandlers | undefined
  readonly #arrived: Buffer[] = []
  readonly #waiting: Buffer[] = []
  #sending = false
  #congested = false
  #paused = true
  #reason: CloseReason | undefined
  #gone = false

  constructor(webSocket: WebSocket, socket: TlsConnection, sessionId: Buffer, port: number) {
    this.#webSocket = webSocket
    this.#socket = socket
    this.sessionId = sessionId
    this.alpn = typeof socket.alpnProtocol === 'string' ? socket.alpnProtocol : undefined
    this.port = port
    webSocket.pause()
    webSocket.on('message', this.#received)
    webSocket.on('error', this.#failed)
    webSocket.on('close', this.#closed)
  }

  get peerCertificates(): readonly Buffer[] {
    return peerChain(this.#socket)
  }

  get buffered(): number {
    return ((this.#sending ? 1 : 0) + this.#waiting.length) * BLOCK_SIZE
  }

  attach(handlers: ChannelHandlers): void {
    this.#handlers = handlers
    if (this.#gone) queueMicrotask(() => handlers.close(this.#reason ?? 'closed'))
    else this.resume()
  }

  write(block: Buffer): boolean {
    if (block.length !== BLOCK_SIZE) throw new RangeError(`a block is ${BLOCK_SIZE} bytes, not ${block.length}`)
    if (this.#reason !== undefined) return false
    if (this.#sending) this.#waiting.push(block)
    else this.#send(block)
    if (this.buffered > HIGH_WATER_MARK) this.#congested = true
    return !this.#congested
  }

  pause(): void {
    this.#paused = true
    this.#webSocket.pause()
  }

  resume(): void {
    if (this.#handlers === undefined || this.#gone) return
    this.#paused = false
    // Not synchronously: the caller may be the handler of a block.
    queueMicrotask(this.#deliver)
  }

  close(): void {
    this.#end(NORMAL)
  }

  /** The server's `closeTimeout` limits how long closing may take. */
  #end(code: number): void {
    if (this.#reason !== undefined) return
    this.#reason = 'closed'
    this.#arrived.length = 0
    for (const block of this.#waiting.splice(0)) this.#webSocket.send(block, AS_BLOCK)
    this.#webSocket.close(code)
    this.#webSocket.resume()
  }

  // Nobody reads what follows a message that is not a block, or at which the handler closed.
  readonly #received = (data: unknown, isBinary: boolean): void => {
    if (this.#reason !== undefined) return
    if (!isBinary || !Buffer.isBuffer(data) || data.length !== BLOCK_SIZE) {
      this.#end(UNSUPPORTED_DATA)
      return
    }
    this.#arrived.push(data)
    this.#deliver()
  }

  readonly #deliver = (): void => {
    while (this.#mayDeliver()) {
      const block = this.#arrived.shift()
      if (block === undefined) {
        this.#webSocket.resume()
        return
      }
      this.#handlers?.block(block)
    }
  }

  #mayDeliver(): boolean {
    return !this.#paused && this.#reason === undefined
  }

  #send(block: Buffer): void {
    this.#sending = true
    this.#webSocket.send(block, AS_BLOCK, this.#sent)
  }

  /** After an error nothing more can be sent; `close` follows. */
  readonly #sent = (error?: Error | null): void => {
    if (error || this.#reason !== undefined) return
    this.#sending = false
    const next = this.#waiting.shift()
    if (next !== undefined) this.#send(next)
    if (!this.#congested || this.buffered > LOW_WATER_MARK) return
    this.#congested = false
    this.#handlers?.drain()
  }

  readonly #failed = (): void => {
    this.#reason ??= 'failed'
  }

  readonly #closed = (code: number): void => {
    this.#gone = true
    this.#reason ??= code === WITHOUT_CLOSE_FRAME ? 'failed' : 'ended'
    this.#arrived.length = 0
    this.#waiting.length = 0
    this.#handlers?.close(this.#reason)
  }
}
