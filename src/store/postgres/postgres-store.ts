import type { ExpiryResult, StoreCounts } from '../store.ts'
import type { Needs, Work, WorkStore } from '../work.ts'
import { connect, type Connection } from './connection.ts'
import type { DatabaseAddress } from './connection-string.ts'
import { Pool } from './pool.ts'
import type { PreparedSchema } from './schema/prepare.ts'
import { statementsFor } from './statements.ts'
import { Transactions } from './transactions.ts'
import { expireNotifications, expireQueues, removeUnusedServices } from './expiry.ts'
import type { StoreWalks } from '../walks.ts'
import { Walks, type Queryable } from './walks.ts'
import type { PostgresOptions } from '../postgres.ts'
import { COUNTS_SERVICES } from './schema/migrations.ts'

/** The store in PostgreSQL: units of work in transactions, and what goes through whole tables. */
export class PostgresStore implements WorkStore {
  readonly #pool: Pool
  readonly #transactions: Transactions
  readonly #prepared: PreparedSchema
  readonly #onUnreadable: () => void

  private constructor(address: DatabaseAddress, prepared: PreparedSchema, options: PostgresOptions) {
    this.#prepared = prepared
    this.#onUnreadable = () => options.onWarning?.('A row of the database cannot be read and is left out.')
    this.#pool = new Pool({
      size: options.poolSize,
      connect: () => connect({ address, ...(options.onWarning && { onWarning: options.onWarning }) }),
      onState: () => undefined,
    })
    this.#transactions = new Transactions({
      pool: this.#pool,
      statements: statementsFor(prepared.names, prepared.migrations >= COUNTS_SERVICES),
      searchPath: prepared.names.tables,
      relayId: 1,
      quota: options.quota,
      onCommitted: () => undefined,
      onRollback: (_work, error) => options.onRollback?.(error),
      onUnreadable: this.#onUnreadable,
      now: options.now ?? Date.now,
    })
  }

  static async open(
    address: DatabaseAddress,
    prepared: PreparedSchema,
    options: PostgresOptions,
  ): Promise<PostgresStore> {
    await Promise.resolve()
    return new PostgresStore(address, prepared, options)
  }

  run<T>(needs: () => Needs, decide: (work: Work) => T | Promise<T>): Promise<T> {
    return this.#transactions.run(needs(), decide)
  }

  /** Goes through everything, on any connection. */
  walks(): StoreWalks {
    const run: Queryable['run'] = (text, parameters) =>
      this.#withConnection((connection) => connection.run(text, parameters))
    return new Walks({ run }, this.#prepared.names, this.#onUnreadable)
  }

  counts(): Promise<StoreCounts> {
    return this.#withConnection((connection) =>
      new Walks(connection, this.#prepared.names, this.#onUnreadable).counts(),
    )
  }

  expireQueues(before: number): Promise<ExpiryResult> {
    return this.#withConnection((connection) =>
      expireQueues(connection, this.#prepared.names, before, this.#onUnreadable),
    )
  }

  expireNotifications(before: number): Promise<number> {
    return this.#withConnection((connection) => expireNotifications(connection, this.#prepared.names, before))
  }

  removeUnusedServices(): Promise<void> {
    return this.#withConnection((connection) => removeUnusedServices(connection, this.#prepared.names))
  }

  /** Resolves when no unit of work is waiting or under way. */
  idle(): Promise<void> {
    return this.#transactions.idle()
  }

  async close(): Promise<void> {
    await this.#transactions.idle()
    this.#transactions.close()
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
}
