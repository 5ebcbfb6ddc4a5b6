import type { Connection } from './connection.ts'
import type { SchemaNames } from './schema/names.ts'

/** Milliseconds; what one relay at a time does is done by no relay for at most the difference between the first two, and a renewal. */
export interface TurnTimes {
  /** How long a turn lasts unless it is renewed, by the clock of PostgreSQL. */
  readonly lastsMs: number
  /** How long after its last renewal the relay that has it takes it for lost: early enough to end what it does. */
  readonly trustedMs: number
  readonly renewMs: number
}

/** The own tor of a relay ends in the five seconds between. */
export const TURN_TIMES: TurnTimes = { lastsMs: 15_000, trustedMs: 10_000, renewMs: 2500 }

export interface TurnOptions {
  readonly relayId: number
  readonly names: SchemaNames
  /** Of the schema; relays on another one have turns of their own. */
  readonly oid: number
  /** The connection of the relay at this moment, if there is one. */
  readonly connection: () => Connection | undefined
  /** Called when this relay gets the turn, when it has lost it, and when another one has it at the beginning. */
  readonly onTurn: (isMine: boolean) => void
  readonly times?: TurnTimes
}

/** Added to the number of the schema: the lock of the relay that looks whose turn it is. */
const TURNS = 0x736d_7032_0000_0000n

/**
 * What one relay at a time does for all on a database. The relay that has the turn renews it; when it ends in order the
 * next one gets it at once, and when it dies or is cut off, after the time for which it was given. A relay that could not
 * renew stops by its own clock before that, so that two never have it together.
 */
export class Turn {
  readonly #options: TurnOptions
  readonly #times: TurnTimes
  readonly #timer: NodeJS.Timeout
  /** Not known before the first answer. */
  #isMine: boolean | undefined
  #lost: NodeJS.Timeout | undefined
  /** The question that is not answered yet. */
  #asking: Promise<void> | undefined
  #ended = false

  constructor(options: TurnOptions) {
    this.#options = options
    this.#times = options.times ?? TURN_TIMES
    this.#timer = setInterval(() => this.#renew(), this.#times.renewMs).unref()
    this.#renew()
  }

  /** Gives the turn back; whatever is done with it has to be over. */
  async end(): Promise<void> {
    this.#ended = true
    this.#isMine = false
    clearInterval(this.#timer)
    clearTimeout(this.#lost)
    await this.#asking
    const { relayId, names, connection } = this.#options
    const statement = `UPDATE ${names.relays}.relays SET facts = facts - 'turnUntil' WHERE relay_id = $1`
    // Without a connection it ends by itself.
    await connection()
      ?.run(statement, [relayId])
      .catch(() => undefined)
  }

  #renew(): void {
    this.#asking ??= this.#ask()
      // It is asked again in time, or the turn is lost.
      .catch(() => undefined)
      .finally(() => {
        this.#asking = undefined
      })
  }

  async #ask(): Promise<void> {
    const { relayId, names, oid, connection } = this.#options
    const open = connection()
    if (open === undefined) return
    const { relays } = names
    const askedAt = performance.now()
    const now = 'extract(epoch FROM clock_timestamp())'
    const lasts = this.#times.lastsMs / 1000
    // Sent together: nothing else that goes over this connection comes between.
    const [, rows] = await Promise.all([
      open.run(`BEGIN; SET LOCAL lock_timeout TO 2000; SELECT pg_advisory_xact_lock(${TURNS + BigInt(oid)})`),
      open.run<{ relay_id: number }>(
        `UPDATE ${relays}.relays SET facts = facts || jsonb_build_object('turnUntil', ${now} + ${lasts})
          WHERE relay_id = $1 AND NOT EXISTS (
            SELECT 1 FROM ${relays}.relays other
              WHERE other.relay_id <> $1 AND (other.facts ->> 'turnUntil')::float8 > ${now}
          ) RETURNING relay_id`,
        [relayId],
      ),
      open.commit(),
    ])
    if (this.#ended) return
    if (rows.length === 0) this.#lose()
    else this.#have(askedAt)
  }

  #have(askedAt: number): void {
    clearTimeout(this.#lost)
    const leftMs = askedAt + this.#times.trustedMs - performance.now()
    if (leftMs <= 0) {
      this.#lose()
      return
    }
    this.#lost = setTimeout(() => this.#lose(), leftMs).unref()
    if (this.#isMine) return
    this.#isMine = true
    this.#options.onTurn(true)
  }

  #lose(): void {
    clearTimeout(this.#lost)
    if (this.#isMine === false) return
    this.#isMine = false
    this.#options.onTurn(false)
  }
}
