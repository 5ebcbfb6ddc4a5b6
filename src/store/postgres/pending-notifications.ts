import type { Notification } from '../store.ts'

/** A notification that is in the database. */
export interface StoredNotification {
  readonly notificationId: number
  readonly notification: Notification
}

/** The pending notifications of one notifier in a unit of work: the oldest ones as loaded, and those that it has added. */
export class PendingNotifications {
  /** Ids of notifications that are to be deleted. */
  readonly deleted: number[] = []
  /** Everything in the database is to be deleted. */
  allDeleted = false
  added: Notification[] = []
  #loaded: StoredNotification[] = []
  #complete = true

  /** @param complete there are no others in the database */
  load(loaded: readonly StoredNotification[], complete: boolean): void {
    this.#loaded = [...loaded]
    this.#complete = complete
  }

  add(notification: Notification): void {
    this.added.push(notification)
  }

  /** The oldest; fewer than there are when not all were loaded. */
  first(limit: number): Notification[] {
    const loaded = this.#loaded.slice(0, limit).map(({ notification }) => notification)
    return this.#complete ? [...loaded, ...this.added.slice(0, limit - loaded.length)] : loaded
  }

  deleteFirst(count: number): void {
    const loaded = this.#loaded.splice(0, count)
    for (const { notificationId } of loaded) this.deleted.push(notificationId)
    if (this.#complete && loaded.length < count) this.added.splice(0, count - loaded.length)
  }

  deleteAll(): void {
    this.#loaded = []
    this.#complete = true
    this.added = []
    this.allDeleted = true
  }
}
