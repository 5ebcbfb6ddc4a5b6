import { setImmediate as nextTurn } from 'node:timers/promises'
import { StoreError } from '../store.ts'
import type { Needs, Work } from '../work.ts'
import type { Connection } from './connection.ts'
import { DatabaseError } from './database-error.ts'
import { loadWork } from './load-work.ts'
import { LoadedWork } from './loaded-work.ts'
import { MergedNeeds } from './merged-needs.ts'
import type { Pool } from './pool.ts'
import type { Statements } from './statements.ts'
import { sendChanges } from './write-changes.ts'

/** Units of work in one transaction. */
const MAX_UNITS = 32
/** Longest stretch of work between two turns of the event loop, in milliseconds. */
const SLICE_MS = 3
/** How long a unit waits for a database that does not answer, or for rows that others hold, in milliseconds. */
const PATIENCE_MS = 10_000

/** SQLSTATEs of transactions that came into each other's way: a retry may succeed. */
const CONFLICTS = new Set(['40001', '40P01', '55P03'])

/** SQLSTATEs that may be gone with the next attempt or another server: a standby, too many connections, a cancelled query. */
const TRANSIENT = new Set(['25006', '53300', '57014', '57P01', '57P02', '57P03'])

const DAY_SECONDS = 86_400

interface Request {
  readonly needs: Needs
  readonly decide: (work: Work) => unknown
  readonly resolve: (result: never) => void
  readonly reject: (error: unknown) => void
  readonly since: number
  /** It has been in the way of others, or they in its: it gets a transaction of its own. */
  alone: boolean
}

export interface TransactionsOptions {
  readonly pool: Pool
  readonly statements: Statements
  /** Sets the path of tables for the routines and triggers of the schema. */
  readonly searchPath: string
  readonly relayId: number
  readonly quota: number
  /** Called after a commit with what other relays have to look at. */
  readonly onCommitted: (work: LoadedWork) => void
  /** Called when what was decided could not be kept. */
  readonly onRollback: (work: LoadedWork, error: StoreError) => void
  /** Called when a row cannot be read. */
  readonly onUnreadable: () => void
  readonly now: () => number
}

/**
 * Runs units of work in transactions. Whatever waits when a connection is free shares one transaction, so that many units
 * cost the round trips of one: the rows are loaded and locked together, the units decide one after the other, and all
 * that they changed is written and committed together.
 */
export class Transactions {
  readonly #options: TransactionsOptions
  readonly #begin: string
  readonly #waiting: Request[] = []
  #running = 0
  /** Of those that run: waiting for a connection. */
  #acquiring = 0
  #scheduled = false
  readonly #idle: (() => void)[] = []
  readonly #giveUp: NodeJS.Timeout

  constructor(options: TransactionsOptions) {
    this.#options = options
    this.#begin = [
      'BEGIN',
      `SET LOCAL search_path TO ${options.searchPath}, pg_temp`,
      'SET LOCAL lock_timeout TO 2000',
      'SET LOCAL statement_timeout TO 10000',
      // A relay that stands still must not hold what others wait for.
      'SET LOCAL idle_in_transaction_session_timeout TO 5000',
      // The plan for a table that was small once would stay.
      'SET LOCAL enable_seqscan TO off',
    ].join('; ')
    this.#giveUp = setInterval(() => this.#expire(), PATIENCE_MS / 10).unref()
  }

  /**
   * Loads what is needed, lets `decide` work with it, and commits. Resolves with its result when it has decided;
   * {@link Work.committed} says when that is durable.
   *
   * @throws StoreError when the database cannot be reached or does not do what it has to
   */
  run<T>(needs: Needs, decide: (work: Work) => T | Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#waiting.push({ needs, decide, resolve, reject, since: Date.now(), alone: false })
      this.#schedule()
    })
  }

  /** Resolves when nothing is waiting or running. */
  async idle(): Promise<void> {
    if (this.#running === 0 && this.#waiting.length === 0) return
    await new Promise<void>((resolve) => this.#idle.push(resolve))
  }

  close(): void {
    clearInterval(this.#giveUp)
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      this.#start()
    })
  }

  #start(): void {
    const { pool } = this.#options
    const wanted = Math.ceil(this.#waiting.length / MAX_UNITS)
    while (this.#acquiring < wanted && (this.#running === 0 || pool.hasRoom)) {
      this.#running++
      this.#acquiring++
      void this.#transact().finally(() => {
        this.#running--
        if (this.#waiting.length > 0) this.#schedule()
        else if (this.#running === 0) for (const resolve of this.#idle.splice(0)) resolve()
      })
    }
  }

  /** Gives up what has waited too long for a database that does not answer. */
  #expire(): void {
    const { failure } = this.#options.pool
    while (failure !== undefined && isExpired(this.#waiting[0])) {
      this.#waiting.shift()?.reject(new StoreError(failure.error))
    }
  }

  async #transact(): Promise<void> {
    const { pool, relayId, quota } = this.#options
    const connection = await pool.take()
    this.#acquiring--
    const requests = this.#takeRequests()
    let failure: DatabaseError | undefined
    try {
      if (requests.length === 0) return
      const work = new LoadedWork(relayId, quota)
      failure = await this.#load(connection, requests, work)
      if (failure !== undefined) {
        await this.#retry(connection, requests, failure)
        return
      }
      await decideAll(requests, work)
      failure = await this.#commit(connection, work)
    } finally {
      pool.give(connection, failure)
    }
  }

  #takeRequests(): Request[] {
    const next = this.#waiting.findIndex(({ alone }) => alone)
    if (next === 0) return this.#waiting.splice(0, 1)
    return this.#waiting.splice(0, next < 0 ? MAX_UNITS : Math.min(next, MAX_UNITS))
  }

  /** What went wrong, if anything did. */
  async #load(
    connection: Connection,
    requests: readonly Request[],
    work: LoadedWork,
  ): Promise<DatabaseError | undefined> {
    const { statements, onUnreadable } = this.#options
    const needs = new MergedNeeds(requests.map((request) => request.needs))
    const results = await Promise.allSettled([
      connection.run(this.#begin),
      loadWork(connection, statements, needs, work, onUnreadable),
    ])
    return firstFailure(results)
  }

  /** Has units decide again with other rows or another connection: nothing has come of them yet. */
  async #retry(connection: Connection, requests: readonly Request[], failure: DatabaseError): Promise<void> {
    const { sqlState } = failure
    const mayPass = sqlState === undefined || CONFLICTS.has(sqlState) || TRANSIENT.has(sqlState)
    for (const request of requests) {
      if (!mayPass || isExpired(request)) request.reject(new StoreError(failure))
      else {
        request.alone ||= sqlState !== undefined && CONFLICTS.has(sqlState)
        this.#waiting.push(request)
      }
    }
    if (!connection.lost) await connection.run('ROLLBACK').catch(() => undefined)
  }

  /** Writes what was decided; what went wrong, if anything did. */
  async #commit(connection: Connection, work: LoadedWork): Promise<DatabaseError | undefined> {
    const { statements, relayId, now, onCommitted, onRollback } = this.#options
    const seconds = Math.floor(now() / 1000)
    const results = await Promise.allSettled([
      // Which relay pushes what is not worth waiting for the disk.
      ...(work.durable ? [] : [connection.run('SET LOCAL synchronous_commit TO off')]),
      sendChanges(connection, work, { statements, relayId, today: seconds - (seconds % DAY_SECONDS) }),
      connection.commit(),
    ])
    const failure = firstFailure(results)
    if (failure === undefined) {
      work.commit.succeed()
      onCommitted(work)
      return undefined
    }
    const error = new StoreError(failure)
    work.commit.fail(error)
    onRollback(work, error)
    return failure
  }
}

/** One unit after the other, each with what the earlier ones did; others get their turn in between. */
async function decideAll(requests: readonly Request[], work: LoadedWork): Promise<void> {
  let sliceEnd = performance.now() + SLICE_MS
  for (const { decide, resolve, reject } of requests) {
    try {
      const result = decide(work)
      resolve((result instanceof Promise ? await result : result) as never)
    } catch (error) {
      reject(error)
    }
    if (performance.now() < sliceEnd) continue
    await nextTurn()
    sliceEnd = performance.now() + SLICE_MS
  }
}

function isExpired(request: Request | undefined): boolean {
  return request !== undefined && request.since < Date.now() - PATIENCE_MS
}

function firstFailure(results: readonly PromiseSettledResult<unknown>[]): DatabaseError | undefined {
  for (const result of results) if (result.status === 'rejected') return DatabaseError.from(result.reason)
  return undefined
}
