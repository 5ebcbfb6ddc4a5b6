import type { NotifierId } from '../protocol/ids.ts'
import type { Subscription } from './subscriber.ts'
import { UniqueQueue } from './unique-queue.ts'

/** What is pushed to a connection as soon as it takes more. */
export class Deferred {
  /** Their queues' first messages. */
  readonly subscriptions = new UniqueQueue<Subscription>()
  /** Their pending notifications. */
  readonly notifiers = new UniqueQueue<NotifierId>()
  /** Deliveries of everything that waits for a service; each step pushes at most the events of one queue. */
  readonly walks: Iterator<undefined>[] = []
  /** The same, of stores that have to load: each step is a unit of work. */
  readonly loadingWalks: AsyncIterator<undefined>[] = []

  get isEmpty(): boolean {
    return (
      this.subscriptions.size === 0 &&
      this.notifiers.size === 0 &&
      this.walks.length === 0 &&
      this.loadingWalks.length === 0
    )
  }
}
