import { connect, type Socket } from 'node:net'

/** Marks the end of an answer: asked for after every command. */
const HELP =
  'commands: stats, stats-rts, clients, sockets, socket-threads, threads, server-info, delete, save, help, quit'

/** A plain TCP client of a control port. */
export class ControlClient {
  readonly socket: Socket
  #text = ''
  #closed = false
  #waiting: (() => void)[] = []

  private constructor(socket: Socket) {
    this.socket = socket
    socket.setEncoding('utf8')
    socket.on('data', (chunk: string) => {
      this.#text += chunk
      this.#wake()
    })
    socket.on('error', () => undefined)
    const closed = (): void => {
      this.#closed = true
      this.#wake()
    }
    socket.on('end', closed)
    socket.on('close', closed)
  }

  /** Connects and, unless told otherwise, reads the greeting. */
  static async connect(port: number, { greeted = true } = {}): Promise<ControlClient> {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    const client = new ControlClient(socket)
    await new Promise((resolve, reject) => {
      socket.once('connect', resolve)
      socket.once('error', reject)
    })
    if (greeted) await client.lines(2)
    return client
  }

  send(text: string): void {
    this.socket.write(text, 'latin1')
  }

  /** The next `count` lines. */
  async lines(count: number): Promise<string[]> {
    const lines: string[] = []
    while (lines.length < count) lines.push(await this.#line())
    return lines
  }

  /** The lines that answer a command. */
  async ask(command: string): Promise<string[]> {
    this.send(`${command}\nhelp\n`)
    const lines: string[] = []
    for (;;) {
      const line = await this.#line()
      if (line === HELP) break
      lines.push(line)
    }
    if (command !== 'help') return lines
    return [HELP, ...(await this.lines(1)).slice(1)]
  }

  /** What is still sent until the relay closes the connection. */
  async rest(): Promise<string> {
    while (!this.#closed) await this.#change()
    return this.#text
  }

  close(): void {
    this.socket.destroy()
  }

  async #line(): Promise<string> {
    for (;;) {
      const end = this.#text.indexOf('\n')
      if (end >= 0) {
        const line = this.#text.slice(0, end)
        this.#text = this.#text.slice(end + 1)
        return line
      }
      if (this.#closed) throw new Error('the control port closed the connection')
      await this.#change()
    }
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve()
  }
}
