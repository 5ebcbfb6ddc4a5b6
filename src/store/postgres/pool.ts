import type { Connection } from './connection.ts'
import { DatabaseError } from './database-error.ts'

/** Milliseconds between two attempts to connect while the database does not answer. */
const RETRY_MS = 500

/** SQLSTATEs after which another connection may have more luck: a standby, or a server that is going down. */
const WRONG_SERVER = new Set(['25006', '57P01', '57P02', '57P03'])

interface PoolOptions {
  readonly size: number
  readonly connect: () => Promise<Connection>
  /** Called when the database stops answering, with the reason, and when it answers again, without one. */
  readonly onState: (failure: DatabaseError | undefined) => void
}

/** A number of connections that are opened when they are needed, and one at a time after a failure. */
export class Pool {
  readonly #options: PoolOptions
  readonly #idle: Connection[] = []
  readonly #waiting: ((connection: Connection) => void)[] = []
  #open = 0
  #closed = false
  #retry: NodeJS.Timeout | undefined
  /** Why nothing can be connected, since when (milliseconds). */
  #failure: { readonly error: DatabaseError; readonly since: number } | undefined

  constructor(options: PoolOptions) {
    this.#options = options
  }

  /** Why the database cannot be reached, and since when; undefined while it can, as far as anybody knows. */
  get failure(): { readonly error: DatabaseError; readonly since: number } | undefined {
    return this.#failure
  }

  /** Whether {@link take} would not wait for somebody else to be done. */
  get hasRoom(): boolean {
    return !this.#closed && (this.#idle.length > 0 || (this.#open < this.#options.size && this.#failure === undefined))
  }

  /** Waits until a connection is free; for as long as it takes. */
  async take(): Promise<Connection> {
    const connection = this.#idle.pop()
    if (connection !== undefined) return connection
    return await new Promise((resolve) => {
      this.#waiting.push(resolve)
      this.#grow()
    })
  }

  /** @param error what happened to it last, if anything did */
  give(connection: Connection, error?: DatabaseError): void {
    const isUseless = connection.lost || (error?.sqlState !== undefined && WRONG_SERVER.has(error.sqlState))
    if (isUseless || this.#closed) {
      this.#open--
      void connection.close()
      this.#grow()
      return
    }
    const next = this.#waiting.shift()
    if (next !== undefined) next(connection)
    else this.#idle.push(connection)
  }

  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#retry)
    await Promise.all(this.#idle.splice(0).map((connection) => connection.close()))
  }

  #grow(): void {
    const isTrying = this.#retry !== undefined
    if (this.#closed || isTrying || this.#waiting.length === 0 || this.#open >= this.#options.size) return
    this.#open++
    this.#options.connect().then(
      (connection) => {
        if (this.#failure !== undefined) {
          this.#failure = undefined
          this.#options.onState(undefined)
        }
        this.give(connection)
        this.#grow()
      },
      (error: unknown) => {
        this.#open--
        this.#failed(DatabaseError.from(error))
      },
    )
  }

  #failed(error: DatabaseError): void {
    // Too many connections of others are no failure while there are some of ours.
    if (this.#open === 0 && this.#failure === undefined) {
      this.#failure = { error, since: Date.now() }
      this.#options.onState(error)
    }
    this.#retry ??= setTimeout(() => {
      this.#retry = undefined
      this.#grow()
    }, RETRY_MS)
  }
}
