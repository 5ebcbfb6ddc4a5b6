import { setTimeout as sleep } from 'node:timers/promises'
import { idAs, NO_ENTITY, type NotifierId, type RcvId, type ServiceId } from '../protocol/ids.ts'
import type { ServiceParty } from '../store/store.ts'
import type { LoadingStore, Needs } from '../store/work.ts'
import type { Core } from './core.ts'
import { pushDeferred } from './delivery.ts'
import { NOTIFICATION_BATCH, deliverNotifications, notifyDeferred } from './notifications.ts'
import { deliverServiceMessage } from './services.ts'
import type { Subscriber } from './subscriber.ts'

/** Queues in one unit of work, and notifiers, which have more each. */
const QUEUES = 64
const NOTIFIERS = 8
/** Before what could not be loaded is tried again. */
const RETRY_MS = 1000

/** Pushes a part of what was deferred, and takes one step in a walk; what cannot be loaded stays deferred. */
export async function pushLoading(core: Core, engine: LoadingStore, session: Subscriber): Promise<void> {
  const { deferred } = session
  const subscriptions = taken(QUEUES, () => deferred.subscriptions.take())
  const notifierIds = taken(NOTIFIERS, () => deferred.notifiers.take())
  try {
    if (subscriptions.length + notifierIds.length > 0) {
      const needs = needsOf(
        subscriptions.map(({ rcvId }) => rcvId),
        notifierIds,
      )
      await engine.run(
        () => needs,
        (store) => {
          const unit = { ...core, store }
          for (const subscription of subscriptions.splice(0)) pushDeferred(unit, subscription)
          for (const notifierId of notifierIds.splice(0)) notifyDeferred(unit, session, notifierId)
        },
      )
    }
    const [walk] = deferred.loadingWalks
    if ((await walk?.next())?.done === true) deferred.loadingWalks.shift()
  } catch (error) {
    for (const subscription of subscriptions) deferred.subscriptions.add(subscription)
    for (const notifierId of notifierIds) deferred.notifiers.add(notifierId)
    core.log.warn('what waits for a client could not be loaded, and is tried again', { error })
    await sleep(RETRY_MS)
  }
}

/** As `deliverService`, a unit of work at each step. */
export async function* deliverLoading(
  core: Core,
  engine: LoadingStore,
  session: Subscriber,
  party: ServiceParty,
): AsyncGenerator<undefined, void, undefined> {
  const serviceId = session.link.service?.serviceId
  if (serviceId === undefined) return
  const receives = (): boolean => !session.closed && core.subscriptions.service(party, serviceId) === session
  const size = party === 'R' ? QUEUES : NOTIFIERS
  for await (const page of engine.walks().serviceQueues(serviceId, party)) {
    for (let from = 0; from < page.length; from += size) {
      if (!receives()) return
      const ids = page.slice(from, from + size)
      await deliverSome(core, engine, session, { serviceId, party, ids })
      yield
    }
  }
  if (party === 'R' && receives()) session.event(NO_ENTITY, { type: 'ALLS' }, true)
}

interface ServicePage {
  readonly serviceId: ServiceId
  readonly party: ServiceParty
  readonly ids: readonly (RcvId | NotifierId)[]
}

async function deliverSome(
  core: Core,
  engine: LoadingStore,
  session: Subscriber,
  { serviceId, party, ids }: ServicePage,
): Promise<void> {
  if (party === 'R') {
    const rcvIds = ids.map((id) => idAs<RcvId>(id))
    await engine.run(
      () => needsOf(rcvIds, []),
      (store) => {
        for (const rcvId of rcvIds) deliverServiceMessage({ ...core, store }, session, serviceId, rcvId)
      },
    )
    return
  }
  const notifierIds = ids.map((id) => idAs<NotifierId>(id))
  await engine.run(
    () => needsOf([], notifierIds),
    (store) => {
      for (const notifierId of notifierIds) deliverNotifications({ ...core, store }, session, notifierId)
    },
  )
}

/** The first message of each queue, and the notifications of each notifier that are sent at once. */
export function needsOf(rcvIds: readonly RcvId[], notifierIds: readonly NotifierId[]): Needs {
  return {
    queues: [
      ...rcvIds.map((id) => ({ by: 'rcvId', id, messages: 1 }) as const),
      ...notifierIds.map((id) => ({ by: 'notifierId', id, notifications: NOTIFICATION_BATCH }) as const),
    ],
  }
}

function taken<T>(limit: number, take: () => T | undefined): T[] {
  const items: T[] = []
  for (let item = take(); item !== undefined; item = items.length < limit ? take() : undefined) items.push(item)
  return items
}
