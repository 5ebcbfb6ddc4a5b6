import { StoreError } from '../store.ts'
import { RecordWriter } from '../tables/record.ts'
import type { CommitLoad, CommittingTable } from './lmdb-table.ts'

/** The effects that become durable together, or not at all. */
class Batch {
  readonly done: Promise<void>
  resolve!: () => void
  reject!: (error: StoreError) => void

  constructor() {
    this.done = new Promise((resolve, reject) => {
      this.resolve = resolve
      this.reject = reject
    })
    // Nobody has to wait for a batch.
    this.done.catch(() => undefined)
  }
}

/** What runs a transaction: resolves when it is on disk, rejects when none of it was. */
export interface Transactions {
  batch(write: () => void): Promise<unknown>
}

export interface CommitEvents {
  /** Effects that had been visible were lost; the store serves on from its last durable state. */
  readonly onRollback?: ((error: StoreError) => void) | undefined
  /** The engine failed while it wrote: nothing is written any more, and this process should end. */
  readonly onFailure?: ((error: StoreError) => void) | undefined
}

/** What says beforehand whether a batch can be written. */
export interface Space {
  fits(load: CommitLoad): boolean
  /** @throws when the batch must not be written */
  look(load: CommitLoad): Promise<void>
}

/**
 * Writes the effects of many calls in one transaction. The first effect after a pause starts a batch, which takes in
 * everything up to the next turn of the event loop; while it is written and synced to disk, the next batch gathers.
 *
 * The environment is opened without overlapping sync, so a transaction is committed when its pages were written,
 * synced (fdatasync), and the new root was written through (O_DSYNC): then it survives a loss of power.
 *
 * A batch that finds no room is rolled back, and the next one is tried. When the engine itself fails, its memory may be
 * corrupted: then no batch is written any more.
 */
export class GroupCommit {
  readonly #transactions: Transactions
  readonly #space: Space
  readonly #tables: readonly CommittingTable[]
  readonly #events: CommitEvents
  readonly #writer = new RecordWriter()
  #gathering: Batch | undefined
  #committing: Batch | undefined
  /** Why nothing is written any more. */
  #failure: StoreError | undefined

  constructor(transactions: Transactions, space: Space, tables: readonly CommittingTable[], events: CommitEvents = {}) {
    this.#transactions = transactions
    this.#space = space
    this.#tables = tables
    this.#events = events
  }

  /** To be called at every effect. */
  readonly changed = (): void => {
    if (this.#gathering !== undefined || this.#failure !== undefined) return
    this.#gathering = new Batch()
    if (this.#committing === undefined) setImmediate(this.#commit)
  }

  /** When all effects so far are durable. */
  flushed(): Promise<void> {
    if (this.#failure !== undefined) {
      this.#forget()
      return Promise.reject(this.#failure)
    }
    return (this.#gathering ?? this.#committing)?.done ?? Promise.resolve()
  }

  /** Whether the engine failed. */
  get failed(): boolean {
    return this.#failure !== undefined
  }

  readonly #commit = (): void => {
    const batch = this.#gathering
    if (batch === undefined) return
    this.#gathering = undefined
    this.#committing = batch
    this.#write().then(
      () => {
        this.#end(batch)
      },
      (error: unknown) => this.#fail(batch, error),
    )
  }

  async #write(): Promise<void> {
    const load: CommitLoad = { effects: 0, inserted: 0, removed: 0, pages: 0 }
    for (const table of this.#tables) table.beginCommit(this.#writer, load)
    if (load.effects === 0) return
    if (!this.#space.fits(load)) await this.#space.look(load)
    try {
      await this.#transactions.batch(() => {
        for (const table of this.#tables) table.writeCommit()
      })
    } catch (error) {
      this.#failure = new StoreError(await causeOf(error))
      throw error
    }
  }

  #end(batch: Batch): void {
    for (const table of this.#tables) table.endCommit()
    this.#writer.reset()
    this.#committing = undefined
    batch.resolve()
    this.#commit()
  }

  #fail(batch: Batch, error: unknown): void {
    const next = this.#gathering
    this.#committing = undefined
    this.#gathering = undefined
    this.#forget()
    const failure = this.#failure
    const storeError = failure ?? new StoreError(error)
    batch.reject(storeError)
    next?.reject(storeError)
    this.#events.onRollback?.(storeError)
    if (failure !== undefined) this.#events.onFailure?.(failure)
  }

  #forget(): void {
    for (const table of this.#tables) table.rollBack()
    this.#writer.reset()
  }
}

/** The engine tells why a transaction failed through a second promise. */
async function causeOf(error: unknown): Promise<unknown> {
  if (!(error instanceof Error) || !('commitError' in error)) return error
  try {
    await error.commitError
    return error
  } catch (cause) {
    return cause
  }
}
