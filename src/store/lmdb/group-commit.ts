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

/** What runs a transaction: resolves when it is on disk, rejects when nothing of it was kept. */
export interface Transactions {
  batch(write: () => void): Promise<unknown>
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
 */
export class GroupCommit {
  readonly #transactions: Transactions
  readonly #space: Space
  readonly #tables: readonly CommittingTable[]
  readonly #onRollback: ((error: StoreError) => void) | undefined
  readonly #writer = new RecordWriter()
  #gathering: Batch | undefined
  #committing: Batch | undefined

  constructor(
    transactions: Transactions,
    space: Space,
    tables: readonly CommittingTable[],
    onRollback?: (error: StoreError) => void,
  ) {
    this.#transactions = transactions
    this.#space = space
    this.#tables = tables
    this.#onRollback = onRollback
  }

  /** To be called at every effect. */
  readonly changed = (): void => {
    if (this.#gathering !== undefined) return
    this.#gathering = new Batch()
    if (this.#committing === undefined) setImmediate(this.#commit)
  }

  /** When all effects so far are durable. */
  flushed(): Promise<void> {
    return (this.#gathering ?? this.#committing)?.done ?? Promise.resolve()
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
      (error: unknown) => void this.#fail(batch, error),
    )
  }

  async #write(): Promise<void> {
    const load: CommitLoad = { effects: 0, inserted: 0, removed: 0, pages: 0 }
    for (const table of this.#tables) table.beginCommit(this.#writer, load)
    if (load.effects === 0) return
    if (!this.#space.fits(load)) await this.#space.look(load)
    await this.#transactions.batch(() => {
      for (const table of this.#tables) table.writeCommit()
    })
  }

  #end(batch: Batch): void {
    for (const table of this.#tables) table.endCommit()
    this.#writer.reset()
    this.#committing = undefined
    batch.resolve()
    this.#commit()
  }

  async #fail(batch: Batch, error: unknown): Promise<void> {
    const cause = await causeOf(error)
    const next = this.#gathering
    this.#committing = undefined
    this.#gathering = undefined
    for (const table of this.#tables) table.rollBack()
    this.#writer.reset()
    const storeError = new StoreError(`the store could not be written: ${messageOf(cause)}`, { cause })
    batch.reject(storeError)
    next?.reject(storeError)
    this.#onRollback?.(storeError)
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

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause)
}
