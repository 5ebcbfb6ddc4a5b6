import type { ExpiryResult, StoreCounts } from '../store.ts'
import type { StoreWalks } from '../walks.ts'
import type { LoadingStore, Needs, StoreListener, Work } from '../work.ts'
import type { PostgresOptions } from '../postgres.ts'
import { connect, type Connection } from './connection.ts'
import type { DatabaseAddress } from './connection-string.ts'
import { expireNotifications, expireQueues, forgetRelays, purgeDeletedQueues, removeUnusedServices } from './expiry.ts'
import { KeptCounts } from './kept-counts.ts'
import { LoadedWork } from './loaded-work.ts'
import { Pool } from './pool.ts'
import { Relays } from './relays.ts'
import { COUNTS_SERVICES } from './schema/migrations.ts'
import type { PreparedSchema } from './schema/prepare.ts'
import { statementsFor } from './statements.ts'
import { Transactions } from './transactions.ts'
import type { Turn } from './turn.ts'
import { Walks, type Queryable } from './walks.ts'

/** Added to the number of the schema: the lock of the relay that expires what is old. */
const EXPIRING = 0x736d_7031_0000_0000n

/** The store in PostgreSQL: units of work in transactions, and what goes through whole tables. */
export class PostgresStore implements LoadingStore {
  readonly loads = true
  readonly nothing: Work
  readonly #pool: Pool
  readonly #transactions: Transactions
  readonly #prepared: PreparedSchema
  readonly #options: PostgresOptions
  readonly #relays: Relays
  readonly #counts: KeptCounts
  #listener: StoreListener | undefined

  private constructor(address: DatabaseAddress, prepared: PreparedSchema, relays: Relays, options: PostgresOptions) {
    const { quota } = options
    const { relayId } = relays
    this.#prepared = prepared
    this.#options = options
    this.#relays = relays
    this.nothing = new LoadedWork(relayId, quota)
    this.#pool = new Pool({
      size: options.poolSize,
      connect: () => connect({ address, ...(options.onWarning && { onWarning: options.onWarning }) }),
      onState: (failure) => options.onState?.(failure?.message),
    })
    this.#transactions = new Transactions({
      pool: this.#pool,
      statements: statementsFor(prepared.names, prepared.migrations >= COUNTS_SERVICES),
      searchPath: prepared.names.tables,
      relayId,
      quota,
      onCommitted: ({ wakes }) => relays.wake(wakes),
      onRollback: (work, error) => {
        options.onRollback?.(error)
        this.#listener?.undone(work.queues.keys())
      },
      onUnreadable: this.#onUnreadable,
      now: options.now ?? Date.now,
    })
    this.#counts = new KeptCounts(() => this.walks().counts())
  }

  /** @param connection is used to join the other relays on the database, and not kept */
  static async open(
    connection: Connection,
    address: DatabaseAddress,
    prepared: PreparedSchema,
    options: PostgresOptions,
  ): Promise<PostgresStore> {
    const relays = await Relays.join(connection, {
      prepared,
      connect: (onLost) => connect({ address, applicationName: 'smp-server relays', onLost }),
      facts: options.facts ?? {},
      onWarning: (sentence) => options.onWarning?.(sentence),
    })
    return new PostgresStore(address, prepared, relays, options)
  }

  readonly #onUnreadable = (): void =>
    this.#options.onWarning?.('A row of the database cannot be read and is left out.')

  run<T>(needs: () => Needs, decide: (work: Work) => T | Promise<T>): Promise<T> {
    return this.#transactions.run(needs(), decide)
  }

  listen(listener: StoreListener): void {
    this.#listener = listener
    this.#relays.listen(listener)
  }

  takeTurns(onTurn: (isMine: boolean) => void): Turn {
    return this.#relays.takeTurns(onTurn)
  }

  /** Goes through everything, on any connection. */
  walks(): StoreWalks {
    const run: Queryable['run'] = (text, parameters) =>
      this.#withConnection((connection) => connection.run(text, parameters))
    return new Walks({ run }, this.#prepared.names, this.#onUnreadable)
  }

  counts(): Promise<StoreCounts> {
    return this.#counts.now()
  }

  /** Resolves when the database takes a transaction. */
  async flushed(): Promise<void> {
    await this.run(
      () => ({}),
      () => undefined,
    )
  }

  async expireQueues(before: number): Promise<ExpiryResult> {
    const { names } = this.#prepared
    const { deletedTtl, now = Date.now } = this.#options
    const result = await this.#alone(async (connection) => {
      if (deletedTtl !== undefined) await purgeDeletedQueues(connection, names, Math.floor(now() / 1000) - deletedTtl)
      await forgetRelays(connection, names)
      await removeUnusedServices(connection, names)
      return await expireQueues(connection, names, before, this.#onUnreadable)
    })
    if (result !== undefined) return result
    const { messages, queues } = await this.counts()
    return { expired: 0, stored: messages, queues }
  }

  async expireNotifications(before: number): Promise<number> {
    return (await this.#alone((connection) => expireNotifications(connection, this.#prepared.names, before))) ?? 0
  }

  async removeUnusedServices(): Promise<void> {
    await this.#alone((connection) => removeUnusedServices(connection, this.#prepared.names))
  }

  /** Resolves when no unit of work is waiting or under way. */
  idle(): Promise<void> {
    return this.#transactions.idle()
  }

  async close(): Promise<void> {
    await this.#transactions.idle()
    this.#transactions.close()
    await this.#relays.close()
    await this.#pool.close()
  }

  async #withConnection<T>(use: (connection: Connection) => Promise<T>): Promise<T> {
    const connection = await this.#pool.take()
    try {
      return await use(connection)
    } finally {
      this.#pool.give(connection)
    }
  }

  /** Does what one relay at a time does; undefined when another one is at it. */
  #alone<T>(use: (connection: Connection) => Promise<T>): Promise<T | undefined> {
    const key = EXPIRING + BigInt(this.#prepared.oid)
    return this.#withConnection(async (connection) => {
      const [lock] = await connection.run<{ locked: boolean }>('SELECT pg_try_advisory_lock($1::int8) AS locked', [
        String(key),
      ])
      if (lock?.locked !== true) return undefined
      try {
        return await use(connection)
      } finally {
        if (!connection.lost) await connection.run('SELECT pg_advisory_unlock($1::int8)', [String(key)])
      }
    })
  }
}
