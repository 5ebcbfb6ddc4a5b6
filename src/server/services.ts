import { NO_ENTITY, type RcvId, type ServiceId } from '../protocol/ids.ts'
import type { EmbeddedStore } from '../store/work.ts'
import type { QueueRec, ServiceParty } from '../store/store.ts'
import type { Core } from './core.ts'
import { endSubscription, pushFirst, serviceSubscription } from './delivery.ts'
import { deliverNotifications, endNotifierSubscription, notifierSession } from './notifications.ts'
import { blockedError, type Context } from './outcome.ts'
import { storeService } from './service-session.ts'
import type { Subscriber } from './subscriber.ts'

/**
 * Makes this connection the only one of its service; the previous one is told with the number and the hash of the
 * service's subscriptions, and receives nothing more. True when the store has something new to keep.
 */
export function takeService(core: Core, session: Subscriber, party: ServiceParty): boolean {
  const service = session.link.service
  if (service === undefined) return false
  const claimed = core.store.claim('service', service.serviceId)
  const replaced = core.subscriptions.subscribeService(party, service.serviceId, session)
  session.serviceSubscribed = true
  if (replaced === undefined) return claimed
  endService(core, replaced, party, service.serviceId)
  return claimed
}

/** Tells a connection that it was replaced as the one of its service. */
export function endService(core: Core, session: Subscriber, party: ServiceParty, serviceId: ServiceId): void {
  session.serviceSubscribed = false
  session.subscribedAll = false
  if (party === 'R') session.subscriptions.clear()
  else session.deferred.notifiers.clear()
  const { count, idsHash } = core.store.serviceSubscriptions(serviceId, party)
  counters(core, party).subEnd++
  session.event(serviceId, { type: 'ENDS', count, idsHash })
}

/**
 * Gives a queue that is being subscribed to the service of the session, or takes it from one when the session has none.
 * Whoever received from it before is told. True when the store has something new to keep.
 */
export function associateQueue(context: Context, queue: QueueRec): boolean {
  const { core, session } = context
  const serviceId = session.link.service?.serviceId
  const claimed = takeService(core, session, 'R')
  if (queue.rcvServiceId === serviceId) {
    if (serviceId !== undefined) core.stats.rcvServices.assocDuplicate++
    return claimed
  }
  const stats = core.stats.rcvServices
  if (serviceId === undefined) stats.assocRemoved++
  else if (queue.rcvServiceId === undefined) stats.assocNew++
  else stats.assocUpdated++
  storeService(context)
  core.store.setQueueService(queue.rcvId, 'R', serviceId)
  const previous =
    queue.rcvServiceId === undefined
      ? core.subscriptions.recipient(queue.rcvId)
      : core.subscriptions.service('R', queue.rcvServiceId)
  if (previous === undefined) return true
  const previousSession = 'session' in previous ? previous.session : previous
  if (previousSession !== session) {
    endSubscription(
      core,
      previousSession.subscriptions.get(queue.rcvId) ?? serviceSubscription(previousSession, queue.rcvId),
      'END',
    )
  }
  return true
}

/** {@link associateQueue} for the notifier of a queue. */
export function associateNotifier(context: Context, queue: QueueRec): boolean {
  const { core, session } = context
  const { notifier } = queue
  const serviceId = session.link.service?.serviceId
  const claimed = takeService(core, session, 'N')
  if (notifier === undefined) return claimed
  if (notifier.serviceId === serviceId) {
    if (serviceId !== undefined) core.stats.ntfServices.assocDuplicate++
    return claimed
  }
  const stats = core.stats.ntfServices
  if (serviceId === undefined) stats.assocRemoved++
  else if (notifier.serviceId === undefined) stats.assocNew++
  else stats.assocUpdated++
  storeService(context)
  core.store.setQueueService(queue.rcvId, 'N', serviceId)
  const previous = notifierSession(core, notifier)
  if (previous !== undefined && previous !== session) {
    endNotifierSubscription(core, previous, notifier.notifierId, 'END')
  }
  return true
}

/**
 * Pushes the first message of every queue of the session's service that has none delivered, then ALLS; or the pending
 * notifications of its notifiers.
 */
export function* deliverService(
  core: Core,
  store: EmbeddedStore,
  session: Subscriber,
  party: ServiceParty,
): Generator<undefined, void, undefined> {
  const serviceId = session.link.service?.serviceId
  if (serviceId === undefined) return
  const receives = (): boolean => core.subscriptions.service(party, serviceId) === session
  if (party === 'N') {
    for (const notifierId of store.serviceQueues(serviceId, 'N')) {
      if (!receives()) return
      deliverNotifications(core, session, notifierId)
      yield
    }
    return
  }
  for (const rcvId of store.serviceQueues(serviceId, 'R')) {
    if (!receives()) return
    deliverServiceMessage(core, session, serviceId, rcvId)
    yield
  }
  if (receives()) session.event(NO_ENTITY, { type: 'ALLS' }, true)
}

export function deliverServiceMessage(core: Core, session: Subscriber, serviceId: ServiceId, rcvId: RcvId): void {
  const queue = core.store.queue(rcvId)
  if (queue?.rcvServiceId !== serviceId || core.store.queueSize(rcvId) === 0) return
  core.stats[session.subscriptions.has(rcvId) ? 'rcvServicesSubDuplicate' : 'rcvServicesSubMsg']++
  const subscription = serviceSubscription(session, rcvId)
  if (queue.status.type === 'blocked') session.event(rcvId, { type: 'ERR', error: blockedError(queue.status) })
  else if (subscription.mode === 'subscribed') pushFirst(core, subscription, queue)
}

function counters(core: Core, party: ServiceParty): Core['stats']['rcvServices'] {
  return party === 'R' ? core.stats.rcvServices : core.stats.ntfServices
}
