import type { LinkId, ServiceId } from '../../protocol/ids.ts'
import type { NotifierRec, QueueRec, ServiceParty } from '../store.ts'

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

// Records are replaced, never changed: each function gives the record with one part set or, with undefined, taken away.

export function withLink(queue: QueueRec, linkId: LinkId | undefined): QueueRec {
  const next: Mutable<QueueRec> = { ...queue }
  if (linkId === undefined) delete next.linkId
  else next.linkId = linkId
  return next
}

export function withNotifier(queue: QueueRec, notifier: NotifierRec | undefined): QueueRec {
  const next: Mutable<QueueRec> = { ...queue }
  if (notifier === undefined) delete next.notifier
  else next.notifier = notifier
  return next
}

/** The service of the queue ('R') or of its notifier ('N'); a queue without a notifier stays as it is for 'N'. */
export function withService(queue: QueueRec, party: ServiceParty, serviceId: ServiceId | undefined): QueueRec {
  if (party === 'R') {
    const next: Mutable<QueueRec> = { ...queue }
    if (serviceId === undefined) delete next.rcvServiceId
    else next.rcvServiceId = serviceId
    return next
  }
  if (queue.notifier === undefined) return queue
  const notifier: Mutable<NotifierRec> = { ...queue.notifier }
  if (serviceId === undefined) delete notifier.serviceId
  else notifier.serviceId = serviceId
  return withNotifier(queue, notifier)
}
