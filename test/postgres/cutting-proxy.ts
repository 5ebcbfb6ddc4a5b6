import { mkdtemp, rm } from 'node:fs/promises'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const SOCKET = '.s.PGSQL.5432'

/** before: the message does not arrive; after: it arrives, and what it is answered with does not. */
export type CutMode = 'before' | 'after'

/** Stands between a relay and PostgreSQL, counts the messages of the relay, and cuts the connection of one of them. */
export class CuttingProxy {
  readonly directory: string
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  /** Messages until the cut. */
  #left = Infinity
  #mode: CutMode = 'before'

  private constructor(directory: string, target: string) {
    this.directory = directory
    this.#server = createServer((client) => this.#pass(client, connect(join(target, SOCKET))))
  }

  /** @param target directory with the socket of PostgreSQL */
  static async open(target: string): Promise<CuttingProxy> {
    const proxy = new CuttingProxy(await mkdtemp(join(tmpdir(), 'smp-cut-')), target)
    await new Promise<void>((resolve) => proxy.#server.listen(join(proxy.directory, SOCKET), resolve))
    return proxy
  }

  /** The connection string that leads through here. */
  through(connection: string): string {
    return connection.replace(/host=[^&]*/, `host=${encodeURIComponent(this.directory)}`)
  }

  /** Cuts the connection whose message is the `count`th from now on. */
  cutAt(count: number, mode: CutMode): void {
    this.#left = count
    this.#mode = mode
  }

  /** @returns whether it has cut a connection */
  letBe(): boolean {
    const hasCut = this.#left <= 0
    this.#left = Infinity
    return hasCut
  }

  /** Counts nothing until {@link resume} gets what this returns. */
  pause(): number {
    const left = this.#left
    this.#left = Infinity
    return left
  }

  resume(left: number): void {
    this.#left = left
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await new Promise((resolve) => this.#server.close(resolve))
    await rm(this.directory, { recursive: true })
  }

  #pass(client: Socket, postgres: Socket): void {
    const end = (): void => {
      client.destroy()
      postgres.destroy()
    }
    for (const socket of [client, postgres]) {
      this.#sockets.add(socket)
      socket.on('error', end)
      socket.on('close', () => {
        this.#sockets.delete(socket)
        end()
      })
    }
    let isCut = false
    postgres.on('data', (answer) => {
      if (!isCut) client.write(answer)
    })
    // The first message of a connection has no type.
    let [rest, typeSize]: [Buffer, number] = [Buffer.alloc(0), 0]
    client.on('data', (chunk) => {
      rest = Buffer.concat([rest, chunk])
      let passed = 0
      for (;;) {
        const size = rest.length < passed + typeSize + 4 ? Infinity : typeSize + rest.readUInt32BE(passed + typeSize)
        if (rest.length < passed + size) break
        // What comes before the first query is not counted.
        if (typeSize > 0 && rest[passed] !== 0x70 && --this.#left === 0) {
          isCut = true
          const sent = rest.subarray(0, this.#mode === 'before' ? passed : passed + size)
          // PostgreSQL has read it before it notices the end.
          postgres.write(sent, () => setTimeout(end, this.#mode === 'before' ? 0 : 20))
          client.destroy()
          return
        }
        passed += size
        typeSize = 1
      }
      postgres.write(rest.subarray(0, passed))
      rest = rest.subarray(passed)
    })
  }
}
