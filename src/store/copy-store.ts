import type { NotifierId, RcvId } from '../protocol/ids.ts'
import type { StoreCounts } from './store.ts'
import type { CopySource, WalkedMessage, WalkedNotification } from './walks.ts'
import type { Needs, RelayStore, Work } from './work.ts'

/** What has been copied so far. */
export type Copied = Pick<StoreCounts, 'queues' | 'messages' | 'notifications'> & { readonly services: number }

/**
 * Copies everything from one store into another one, which is empty, page by page.
 *
 * @throws StoreError when something could not be written; what was copied before that stays
 */
export async function copyStore(
  source: CopySource,
  target: RelayStore,
  onProgress: (copied: Copied) => void,
): Promise<Copied> {
  const copied = { services: 0, queues: 0, messages: 0, notifications: 0 }
  for await (const services of source.services()) {
    await change(target, {}, (work) => {
      for (const service of services) work.addService(service)
    })
    copied.services += services.length
  }
  for await (const queues of source.queues()) {
    await change(target, {}, (work) => {
      for (const { queue, link } of queues) work.addQueue(queue, link)
    })
    copied.queues += queues.length
    onProgress(copied)
  }
  for await (const messages of source.messages()) {
    await change(target, queuesOf(messages), (work) => {
      for (const { rcvId, message } of messages) {
        if (message.type === 'quota') work.restoreMarker(rcvId, message)
        else work.writeMessage(rcvId, message)
      }
    })
    copied.messages += messages.length
    onProgress(copied)
  }
  for await (const notifications of source.notifications()) {
    await change(target, notifiersOf(notifications), (work) => {
      for (const { notifierId, notification } of notifications) work.addNotification(notifierId, notification)
    })
    copied.notifications += notifications.length
    onProgress(copied)
  }
  return copied
}

async function change(target: RelayStore, needs: Needs, decide: (work: Work) => void): Promise<void> {
  const committed = await target.run(
    () => needs,
    (work) => {
      decide(work)
      // Not the promise alone, which the unit of work would wait for.
      return { done: work.committed() }
    },
  )
  await committed.done
}

function queuesOf(messages: readonly WalkedMessage[]): Needs {
  const ids = new Set<RcvId>(messages.map(({ rcvId }) => rcvId))
  return { queues: [...ids].map((id) => ({ by: 'rcvId', id }) as const) }
}

function notifiersOf(notifications: readonly WalkedNotification[]): Needs {
  const ids = new Set<NotifierId>(notifications.map(({ notifierId }) => notifierId))
  return { queues: [...ids].map((id) => ({ by: 'notifierId', id }) as const) }
}
