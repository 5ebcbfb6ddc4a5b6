import { AppError } from '../../errors/app-error.ts'
import type { StoreListener } from '../work.ts'
import type { Connection } from './connection.ts'
import { DatabaseError } from './database-error.ts'
import type { PreparedSchema } from './schema/prepare.ts'
import { Turn, type TurnTimes } from './turn.ts'
import { parseWakes, wakePayloads } from './wake.ts'

/** Milliseconds between two signs of life, and before a lost connection is opened again. */
const HEARTBEAT_MS = 10_000
/** One that runs gives a sign of life more often. */
export const LIVELY = '25 seconds'
const RETRY_MS = 500
/** Wakes that wait for the connection; with more, the other relays look at everything instead. */
const MAX_WAITING = 10_000

/** What is said to all relays: look at everything. */
const EVERYTHING = '*'
/** What a relay says to itself, to learn whether it hears anything, and how long it waits for that, in milliseconds. */
const ECHO = '?'
const ECHO_MS = 2000

export interface RelaysOptions {
  readonly prepared: PreparedSchema
  readonly connect: (onLost: () => void) => Promise<Connection>
  /** Says what this process is, for whoever looks at the table. */
  readonly facts: Readonly<Record<string, string | number>>
  readonly onWarning: (sentence: string) => void
  /** Milliseconds between two signs of life; 10 s when absent. */
  readonly heartbeatMs?: number
}

/**
 * What the relays on one database tell each other, on a connection of its own: which queues to look at again. A relay
 * hears what is said while it listens; after a gap it looks at everything that it pushes for, so that nothing is lost.
 */
export class Relays {
  readonly relayId: number
  readonly #options: RelaysOptions
  #connection: Connection | undefined
  #listener: StoreListener | undefined
  readonly #heartbeat: NodeJS.Timeout
  /** Wakes that could not be sent yet, by relay. */
  #waiting = new Map<number, Set<string>>()
  /** Wakes may have been lost: all relays have to look at everything. */
  #lostWakes = false
  /** Those that gave no sign of life when this one looked last. */
  #silent: ReadonlySet<number> = new Set()
  #isOpening = false
  #heardEcho = (): void => undefined
  #closed = false

  private constructor(relayId: number, options: RelaysOptions) {
    this.relayId = relayId
    this.#options = options
    this.#heartbeat = setInterval(() => void this.#beat(), options.heartbeatMs ?? HEARTBEAT_MS)
  }

  /** Joins the relays on a database. @throws DatabaseError, AppError `DATABASE_POOLER` */
  static async join(connection: Connection, options: RelaysOptions): Promise<Relays> {
    const { relays } = options.prepared.names
    const [row] = await connection.run<{ relay_id: number }>(
      `INSERT INTO ${relays}.relays (facts) VALUES ($1::jsonb) RETURNING relay_id`,
      [JSON.stringify(options.facts)],
    )
    if (row === undefined) throw new DatabaseError('the relay got no number')
    const joined = new Relays(row.relay_id, options)
    try {
      await joined.#open(false)
      await joined.#requireHearing(connection)
      return joined
    } catch (error) {
      await joined.close()
      throw error
    }
  }

  listen(listener: StoreListener): void {
    this.#listener = listener
  }

  /** @param times shorter ones, for tests */
  takeTurns(onTurn: (isMine: boolean) => void, times?: TurnTimes): Turn {
    const { names, oid } = this.#options.prepared
    const { relayId } = this
    return new Turn({ relayId, names, oid, connection: () => this.#connection, onTurn, ...(times && { times }) })
  }

  /** Has other relays look at what a transaction has changed, after its commit. */
  wake(wakes: ReadonlyMap<number, ReadonlySet<string>>): void {
    if (wakes.size === 0) return
    for (const [relayId, texts] of wakes) {
      const waiting = this.#waiting.get(relayId)
      if (waiting === undefined) this.#waiting.set(relayId, new Set(texts))
      else for (const text of texts) waiting.add(text)
    }
    this.#send()
  }

  async close(): Promise<void> {
    this.#closed = true
    clearInterval(this.#heartbeat)
    const connection = this.#connection
    this.#connection = undefined
    if (connection === undefined) return
    await this.#leave(connection).catch(() => undefined)
    await connection.close()
  }

  async #leave(connection: Connection): Promise<void> {
    const { relays } = this.#options.prepared.names
    await connection.run(`DELETE FROM ${relays}.relays WHERE relay_id = $1`, [this.relayId])
  }

  #send(): void {
    const connection = this.#connection
    if (connection === undefined) {
      const waiting = [...this.#waiting.values()].reduce((sum, { size }) => sum + size, 0)
      if (waiting > MAX_WAITING) {
        this.#waiting.clear()
        this.#lostWakes = true
      }
      return
    }
    const all = this.#waiting
    this.#waiting = new Map()
    for (const [relayId, texts] of all) {
      for (const payload of wakePayloads(texts)) {
        this.#notify(connection, this.#channel(relayId), payload).catch(() => {
          this.#lostWakes = true
        })
      }
    }
  }

  async #notify(connection: Connection, channel: string, payload: string): Promise<void> {
    await connection.run('SELECT pg_notify($1, $2)::text', [channel, payload])
  }

  /** @param connection another one: a pooler may give the answer to a query to whoever asked. */
  async #requireHearing(connection: Connection): Promise<void> {
    const echo = new Promise<void>((resolve) => {
      this.#heardEcho = resolve
    })
    await this.#notify(connection, this.#channel(this.relayId), ECHO)
    if (!(await inTime(echo, ECHO_MS))) throw deaf()
  }

  #channel(relayId: number | 'all'): string {
    return `smp_${this.#options.prepared.oid}_${relayId}`
  }

  async #open(again: boolean): Promise<void> {
    const connection = await this.#options.connect(() => this.#lost())
    connection.onNotification((_channel, payload) => {
      if (payload === ECHO) this.#heardEcho()
      else if (payload === EVERYTHING) this.#listener?.missed()
      else this.#listener?.woken(parseWakes(payload))
    })
    await connection.run(`LISTEN ${this.#channel(this.relayId)}; LISTEN ${this.#channel('all')}`)
    if (this.#closed) {
      await connection.close()
      return
    }
    this.#connection = connection
    if (!again) return
    await this.#beat()
    if (this.#lostWakes) {
      this.#lostWakes = false
      await this.#notify(connection, this.#channel('all'), EVERYTHING)
    }
    this.#send()
    this.#listener?.missed()
  }

  #lost(): void {
    this.#connection = undefined
    if (this.#isOpening || this.#closed) return
    this.#isOpening = true
    const retry = (): void => {
      if (this.#closed) return
      this.#open(true).then(
        () => {
          this.#isOpening = false
        },
        () => setTimeout(retry, RETRY_MS).unref(),
      )
    }
    retry()
  }

  async #beat(): Promise<void> {
    const connection = this.#connection
    if (connection === undefined) return
    const { relays } = this.#options.prepared.names
    try {
      const [row] = await connection.run<{ inserted: boolean }>(
        `INSERT INTO ${relays}.relays (relay_id, facts) VALUES ($1, $2::jsonb)
          ON CONFLICT (relay_id) DO UPDATE SET seen_at = now() RETURNING xmax = 0 AS inserted`,
        [this.relayId, JSON.stringify(this.#options.facts)],
      )
      // Others took this one for dead, and forgot what it pushes for.
      if (row?.inserted === true) this.#listener?.missed()
      await this.#noticeSilence(connection)
    } catch (error) {
      if (connection.lost) this.#lost()
      else this.#options.onWarning(`A sign of life could not be written: ${DatabaseError.from(error).message}.`)
    }
  }

  /** A relay that was killed may have committed what it could tell nobody any more. */
  async #noticeSilence(connection: Connection): Promise<void> {
    const { relays } = this.#options.prepared.names
    const rows = await connection.run<{ relay_id: number }>(
      `SELECT relay_id FROM ${relays}.relays WHERE seen_at < now() - interval '${LIVELY}'`,
    )
    if (rows.some(({ relay_id: relayId }) => !this.#silent.has(relayId))) this.#listener?.missed()
    this.#silent = new Set(rows.map(({ relay_id: relayId }) => relayId))
  }
}

/** Whether something happens in so many milliseconds. */
async function inTime(event: Promise<void>, ms: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), ms)
  })
  const isInTime = await Promise.race([event.then(() => true), late])
  clearTimeout(timer)
  return isInTime
}

function deaf(): AppError {
  return new AppError(
    'DATABASE_POOLER',
    'What PostgreSQL says with NOTIFY does not arrive, so that relays would not hear each other: a pooler stands in between that does not pool whole sessions.',
    'Set pool_mode = session in pgbouncer.ini, or connect to PostgreSQL directly with db_connection in [STORE_LOG].',
  )
}
