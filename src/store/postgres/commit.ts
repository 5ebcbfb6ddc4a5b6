import type { StoreError } from '../store.ts'

/** How a transaction ends. */
export class Commit {
  readonly done: Promise<void>
  succeed!: () => void
  fail!: (error: StoreError) => void

  constructor() {
    this.done = new Promise((resolve, reject) => {
      this.succeed = resolve
      this.fail = reject
    })
    // Nobody has to wait for it.
    this.done.catch(() => undefined)
  }
}
