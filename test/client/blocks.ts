import type { TLSSocket } from 'node:tls'

export const blockSize = 16384

/** Blocks that arrive; they wait until somebody asks for them. */
export abstract class BlockSource {
  /** The connection underneath. */
  abstract readonly socket: TLSSocket
  /** What the relay has to sign to prove its identity. */
  readonly challenge: Buffer | undefined = undefined
  readonly closed: Promise<void>
  readonly #ready: Buffer[] = []
  #handler: ((block: Buffer) => void) | undefined
  #open = true
  #ended: () => void = () => undefined

  constructor() {
    this.closed = new Promise((resolve) => {
      this.#ended = resolve
    })
  }

  /** Any bytes, framed or not. */
  abstract write(bytes: Buffer): boolean

  abstract close(): void

  /** The session id as the client knows it: its own Finished message; undefined when it cannot be seen. */
  get sessionId(): Buffer | undefined {
    return this.socket.getFinished()
  }

  get open(): boolean {
    return this.#open
  }

  /** Every block from now on, those that wait first. */
  onBlock(handler: (block: Buffer) => void): void {
    this.#handler = handler
    for (const block of this.#ready.splice(0)) handler(block)
  }

  async nextBlock(timeoutMs = 10_000): Promise<Buffer> {
    const waiting = this.#ready.shift()
    if (waiting) return waiting
    return new Promise((resolve, reject) => {
      const settle = (act: () => void): void => {
        clearTimeout(timer)
        this.#handler = undefined
        act()
      }
      const timer = setTimeout(() => settle(() => reject(new Error('no block came'))), timeoutMs)
      this.#handler = (block) => settle(() => resolve(block))
      void this.closed.then(() => settle(() => reject(new Error('the connection was closed'))))
    })
  }

  protected received(block: Buffer): void {
    if (this.#handler) this.#handler(block)
    else this.#ready.push(block)
  }

  protected ended(): void {
    this.#open = false
    this.#ended()
  }
}

/** Cuts the bytes of a TLS connection into blocks. */
export class BlockStream extends BlockSource {
  readonly socket: TLSSocket
  #partial: Buffer[] = []
  #partialLength = 0

  constructor(socket: TLSSocket) {
    super()
    this.socket = socket
    socket.on('data', (chunk: Buffer) => {
      this.#take(chunk)
    })
    socket.on('error', () => undefined)
    socket.on('close', () => this.ended())
  }

  write(bytes: Buffer): boolean {
    return this.socket.write(bytes)
  }

  close(): void {
    this.socket.destroy()
  }

  #take(chunk: Buffer): void {
    let rest = chunk
    while (this.#partialLength + rest.length >= blockSize) {
      const missing = blockSize - this.#partialLength
      const head = rest.subarray(0, missing)
      this.received(this.#partialLength === 0 ? head : Buffer.concat([...this.#partial, head], blockSize))
      this.#partial = []
      this.#partialLength = 0
      rest = rest.subarray(missing)
    }
    if (rest.length === 0) return
    this.#partial.push(rest)
    this.#partialLength += rest.length
  }
}
