import type { NotifierId, RcvId, ServiceId } from '../protocol/ids.ts'
import type { ServiceParty } from '../store/store.ts'
import type { Subscriber, Subscription } from './subscriber.ts'

/**
 * Who receives what: at most one connection per queue, per notifier and per service.
 * Registering here makes a subscription effective at once; nobody is told.
 */
export class Subscriptions {
  readonly #recipients = new Map<RcvId, Subscription>()
  readonly #notifiers = new Map<NotifierId, Subscriber>()
  readonly #services = { R: new Map<ServiceId, Subscriber>(), N: new Map<ServiceId, Subscriber>() }

  recipient(rcvId: RcvId): Subscription | undefined {
    return this.#recipients.get(rcvId)
  }

  /** Makes `subscription` the queue's only one; the one that it replaces, if that is another connection's. */
  subscribe(subscription: Subscription): Subscription | undefined {
    const previous = this.#recipients.get(subscription.rcvId)
    this.#recipients.set(subscription.rcvId, subscription)
    return previous === undefined || previous.session === subscription.session ? undefined : previous
  }

  /** Ends the subscription if it is still the queue's. */
  unsubscribe(subscription: Subscription): void {
    if (this.#recipients.get(subscription.rcvId) === subscription) this.#recipients.delete(subscription.rcvId)
  }

  notifier(notifierId: NotifierId): Subscriber | undefined {
    return this.#notifiers.get(notifierId)
  }

  /** Makes `session` the notifier's only subscriber; the one that it replaces, if that is another connection. */
  subscribeNotifier(notifierId: NotifierId, session: Subscriber): Subscriber | undefined {
    const previous = this.#notifiers.get(notifierId)
    this.#notifiers.set(notifierId, session)
    return previous === session ? undefined : previous
  }

  unsubscribeNotifier(notifierId: NotifierId, session: Subscriber): void {
    if (this.#notifiers.get(notifierId) === session) this.#notifiers.delete(notifierId)
  }

  /** The connection of a service, for messages ('R') or notifications ('N'). */
  service(party: ServiceParty, serviceId: ServiceId): Subscriber | undefined {
    return this.#services[party].get(serviceId)
  }

  /** Makes `session` the service's only connection; the one that it replaces, if that is another one. */
  subscribeService(party: ServiceParty, serviceId: ServiceId, session: Subscriber): Subscriber | undefined {
    const previous = this.#services[party].get(serviceId)
    this.#services[party].set(serviceId, session)
    return previous === session ? undefined : previous
  }

  unsubscribeService(party: ServiceParty, serviceId: ServiceId, session: Subscriber): void {
    if (this.#services[party].get(serviceId) === session) this.#services[party].delete(serviceId)
  }

  serviceSessions(party: ServiceParty): Iterable<Subscriber> {
    return this.#services[party].values()
  }

  notifierIds(): Iterable<NotifierId> {
    return this.#notifiers.keys()
  }

  /** Of services with a connection. */
  *serviceIds(): Iterable<ServiceId> {
    yield* this.#services.R.keys()
    yield* this.#services.N.keys()
  }

  /** All subscriptions to messages: of single queues, and what services have received something from. */
  *all(): Iterable<Subscription> {
    yield* this.#recipients.values()
    for (const session of this.#services.R.values()) yield* session.subscriptions.values()
  }

  counts(): { recipients: number; notifiers: number; rcvServices: number; ntfServices: number } {
    return {
      recipients: this.#recipients.size,
      notifiers: this.#notifiers.size,
      rcvServices: this.#services.R.size,
      ntfServices: this.#services.N.size,
    }
  }
}
