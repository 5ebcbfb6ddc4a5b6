import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { TLSSocket, type ConnectionOptions } from 'node:tls'
import { WebSocket } from 'ws'
import { BlockSource } from './blocks.ts'

export interface WebSocketOptions {
  readonly path?: string
  /** SNI; none when it is empty. */
  readonly serverName?: string
  /** `false`: no ALPN extension at all. */
  readonly alpn?: readonly string[] | false
  /** Another one than 32 random bytes, or none. */
  readonly challenge?: Buffer | false
  /** Offers permessage-deflate. */
  readonly deflate?: boolean
  /** Further TLS options (certificates, versions, ciphers). */
  readonly tls?: ConnectionOptions
}

interface Address {
  readonly host: string
  readonly port: number
}

/** Messages of a WebSocket, whatever their length, as blocks. */
export class WebSocketStream extends BlockSource {
  readonly socket: TLSSocket
  override readonly challenge: Buffer | undefined
  readonly webSocket: WebSocket
  readonly response: IncomingMessage
  /** Of the relay's close frame; 1006 when none came. */
  closeCode: number | undefined

  constructor(webSocket: WebSocket, response: IncomingMessage, challenge: Buffer | undefined) {
    super()
    if (!(response.socket instanceof TLSSocket)) throw new Error('a WebSocket without TLS')
    this.socket = response.socket
    this.webSocket = webSocket
    this.response = response
    this.challenge = challenge
    webSocket.on('message', (data) => {
      if (!Buffer.isBuffer(data)) throw new Error('not a Buffer')
      this.received(data)
    })
    webSocket.on('error', () => undefined)
    webSocket.on('close', (code) => {
      this.closeCode = code
      this.ended()
    })
  }

  write(bytes: Buffer): boolean {
    this.webSocket.send(bytes)
    return this.webSocket.bufferedAmount === 0
  }

  close(): void {
    this.webSocket.terminate()
  }
}

/** An open WebSocket to a relay, nothing sent yet. */
export const openWebSocket = async (
  { host, port }: Address,
  { webSocket: options = {}, timeoutMs = 20_000 }: { webSocket?: WebSocketOptions; timeoutMs?: number } = {},
): Promise<WebSocketStream> => {
  const { path = '/', serverName = 'relay.test', alpn = ['http/1.1'] } = options
  const challenge = options.challenge === false ? undefined : (options.challenge ?? randomBytes(32))
  const query = challenge ? `${path.includes('?') ? '&' : '?'}challenge=${challenge.toString('base64url')}` : ''
  const webSocket = new WebSocket(`wss://${host}:${port}${path}${query}`, {
    servername: serverName,
    ...(alpn ? { ALPNProtocols: [...alpn] } : {}),
    perMessageDeflate: options.deflate ?? false,
    rejectUnauthorized: false,
    handshakeTimeout: timeoutMs,
    ...options.tls,
  })
  const upgraded = once(webSocket, 'upgrade') as Promise<[IncomingMessage]>
  const opened = once(webSocket, 'open')
  const [[response]] = await Promise.all([upgraded, opened])
  return new WebSocketStream(webSocket, response, challenge)
}
