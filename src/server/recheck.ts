import { setTimeout as sleep } from 'node:timers/promises'
import { idAs, type EntityId, type NotifierId, type RcvId, type ServiceId } from '../protocol/ids.ts'
import { StoreError } from '../store/store.ts'
import type { LoadingStore, StoreListener, Wake } from '../store/work.ts'
import type { Core } from './core.ts'
import { endSubscription, pushFirst, pushTarget, redeliver } from './delivery.ts'
import { needsOf } from './loading-delivery.ts'
import { deliverNotifications, endNotifierSubscription, notifierSession } from './notifications.ts'
import { blockedError } from './outcome.ts'
import { endService } from './services.ts'
import type { Subscription } from './subscriber.ts'

/** What is looked at in one unit of work. */
const BATCH = 64
/** Before what could not be loaded is tried again. */
const RETRY_MS = 1000

/** `undone`: what was decided about a queue could not be kept. */
type Reason = Wake['kind'] | 'undone'

/**
 * Looks again at what clients of this relay are subscribed to, when another relay has changed it or a transaction has
 * failed: pushes what is there, and ends subscriptions that others have by now.
 */
export class Recheck implements StoreListener {
  readonly #core: Core
  readonly #engine: LoadingStore
  readonly #due = new Map<EntityId, Set<Reason>>()
  #isRunning = false

  constructor(core: Core, engine: LoadingStore) {
    this.#core = core
    this.#engine = engine
  }

  undone(rcvIds: Iterable<RcvId>): void {
    for (const id of rcvIds) this.#add(id, 'undone')
  }

  woken(wakes: Iterable<Wake>): void {
    for (const { kind, id } of wakes) this.#add(id, kind)
  }

  missed(): void {
    for (const { rcvId } of this.#core.subscriptions.all()) this.#add(rcvId, 'queue')
    for (const id of this.#core.subscriptions.notifierIds()) this.#add(id, 'notifier')
    for (const id of this.#core.subscriptions.serviceIds()) this.#add(id, 'service')
  }

  #add(id: EntityId, reason: Reason): void {
    const reasons = this.#due.get(id)
    if (reasons === undefined) this.#due.set(id, new Set([reason]))
    else reasons.add(reason)
    if (this.#isRunning) return
    this.#isRunning = true
    void this.#run().finally(() => {
      this.#isRunning = false
    })
  }

  async #run(): Promise<void> {
    // Those that come together are looked at together.
    await sleep(0)
    while (this.#due.size > 0) {
      const batch = [...this.#due].slice(0, BATCH)
      for (const [id] of batch) this.#due.delete(id)
      try {
        await this.#look(batch)
      } catch (error) {
        if (error instanceof StoreError) {
          for (const [id, reasons] of batch) for (const reason of reasons) this.#add(id, reason)
          await sleep(RETRY_MS)
        } else this.#core.log.error('looking at a subscription again failed', { error })
      }
    }
  }

  async #look(batch: readonly (readonly [EntityId, ReadonlySet<Reason>])[]): Promise<void> {
    const of = (...reasons: Reason[]): EntityId[] =>
      batch.filter(([, all]) => reasons.some((reason) => all.has(reason))).map(([id]) => id)
    const rcvIds = of('queue', 'blocked', 'undone').map((id) => idAs<RcvId>(id))
    const notifierIds = of('notifier').map((id) => idAs<NotifierId>(id))
    const services = of('service').map((id) => idAs<ServiceId>(id))
    await this.#engine.run(
      () => ({ ...needsOf(rcvIds, notifierIds), services }),
      (store) => {
        const unit = { ...this.#core, store }
        const reasons = new Map(batch)
        for (const id of rcvIds) lookAtQueue(unit, id, reasons.get(id) ?? new Set())
        for (const id of notifierIds) lookAtNotifier(unit, id)
        for (const id of services) lookAtService(unit, id)
      },
    )
  }
}

function lookAtQueue(core: Core, rcvId: RcvId, reasons: ReadonlySet<Reason>): void {
  const queue = core.store.queue(rcvId)
  const target = queue && pushTarget(core, queue)
  for (const subscription of pushedTo(core, rcvId)) {
    if (subscription !== target) endSubscription(core, subscription, queue === undefined ? 'DELD' : 'END')
  }
  if (queue === undefined || target === undefined) return
  if (queue.rcvServiceId === undefined) core.store.claim('queue', rcvId)
  if (queue.status.type === 'blocked') {
    if (reasons.has('blocked')) target.session.event(rcvId, { type: 'ERR', error: blockedError(queue.status) })
  } else if (reasons.has('undone')) redeliver(core, target)
  else if (target.mode === 'subscribed') pushFirst(core, target, queue)
}

/** Connections of this relay that messages of a queue were pushed to. */
function pushedTo({ subscriptions }: Core, rcvId: RcvId): Subscription[] {
  const own = subscriptions.recipient(rcvId)
  const ofServices = [...subscriptions.serviceSessions('R')].flatMap(
    (session) => session.subscriptions.get(rcvId) ?? [],
  )
  return own === undefined ? ofServices : [own, ...ofServices]
}

function lookAtNotifier(core: Core, notifierId: NotifierId): void {
  const notifier = core.store.queueByNotifier(notifierId)?.notifier
  const target = notifier && notifierSession(core, notifier)
  const own = core.subscriptions.notifier(notifierId)
  if (own !== undefined && own !== target) {
    endNotifierSubscription(core, own, notifierId, notifier === undefined ? 'DELD' : 'END')
  }
  if (notifier === undefined || target === undefined) return
  if (notifier.serviceId === undefined) core.store.claim('notifier', notifierId)
  deliverNotifications(core, target, notifierId)
}

function lookAtService(core: Core, serviceId: ServiceId): void {
  const isElsewhere = core.store.isElsewhere(serviceId)
  for (const party of ['R', 'N'] as const) {
    const session = core.subscriptions.service(party, serviceId)
    if (session === undefined) continue
    if (isElsewhere) {
      core.subscriptions.unsubscribeService(party, serviceId, session)
      endService(core, session, party, serviceId)
    } else core.store.claim('service', serviceId)
  }
}
