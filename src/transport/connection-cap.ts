import type { Socket } from 'node:net'

/** At most so many connections at a time: when a further one comes, the oldest one is closed. */
export class ConnectionCap {
  readonly #maximum: number
  readonly #sockets = new Set<Socket>()

  constructor(maximum: number) {
    this.#maximum = maximum
  }

  get size(): number {
    return this.#sockets.size
  }

  /** Counts a connection until it closes or is released. */
  add(socket: Socket): void {
    this.#sockets.add(socket)
    socket.once('close', () => this.release(socket))
    const [oldest] = this.#sockets
    if (this.#sockets.size > this.#maximum) oldest?.destroy()
  }

  /** Does not count this connection any longer, and never closes it. */
  release(socket: Socket): void {
    this.#sockets.delete(socket)
  }
}
