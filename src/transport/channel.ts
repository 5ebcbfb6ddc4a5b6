/**
 * Why a channel ended: the peer closed it after a whole block (`ended`) or inside one (`truncated`), the connection
 * broke (`failed`), or this side closed it (`closed`).
 */
export type CloseReason = 'ended' | 'truncated' | 'failed' | 'closed'

export interface ChannelHandlers {
  /** A whole block of 16384 bytes; the handler may keep and change it. */
  block(block: Buffer): void
  /** After a `write` that returned false, once enough has been sent to write again. */
  drain(): void
  /** Called once, and last. */
  close(reason: CloseReason): void
}

/** A connection that carries blocks of 16384 bytes each way, over TLS or WebSocket. */
export interface BlockChannel {
  /** The client's Finished message of the TLS connection ("tls-unique"): 12 bytes in TLS 1.2, 32 or more in 1.3. */
  readonly sessionId: Buffer
  /** DER, leaf first, as the peer sent them in TLS; empty when it sent none. Not verified, and read when asked for. */
  readonly peerCertificates: readonly Buffer[]
  /** The protocol chosen by ALPN; undefined when the peer offered none. */
  readonly alpn: string | undefined
  /** The local port. */
  readonly port: number
  /** Sets the handlers and starts reading. Handlers may be replaced; no block is lost in between. */
  attach(handlers: ChannelHandlers): void
  /** Sends or queues one block; false when the caller should wait for `drain`. */
  write(block: Buffer): boolean
  /** Bytes written that the system has not accepted yet. */
  readonly buffered: number
  pause(): void
  resume(): void
  /** Sends what is buffered, for at most a few seconds, then closes. */
  close(): void
}

/** Bytes that may wait in a channel before `write` returns false, and at which `drain` is called. */
export const HIGH_WATER_MARK = 16 * 16384
export const LOW_WATER_MARK = 4 * 16384
