import type { EntityId } from '../../protocol/ids.ts'
import { RESERVED_IDS } from '../store.ts'

/**
 * Ids of deleted queues, which are not given out again while the store is open: a client that still holds one must not
 * meet somebody else's queue. Bounded: the oldest is forgotten first.
 */
export class ReservedIds {
  readonly #ids = new Set<EntityId>()
  readonly #limit: number

  constructor(limit = RESERVED_IDS) {
    this.#limit = limit
  }

  add(id: EntityId): void {
    if (this.#ids.size >= this.#limit) {
      for (const oldest of this.#ids) {
        this.#ids.delete(oldest)
        break
      }
    }
    this.#ids.add(id)
  }

  has(id: EntityId): boolean {
    return this.#ids.has(id)
  }
}
