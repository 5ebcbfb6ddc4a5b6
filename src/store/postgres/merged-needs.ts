import { createHash } from 'node:crypto'
import {
  idToBytes,
  type EntityId,
  type LinkId,
  type NotifierId,
  type RcvId,
  type ServiceId,
  type SndId,
} from '../../protocol/ids.ts'
import type { Needs, QueueNeed } from '../work.ts'

/** What all units of work of one transaction need, each row once. */
export class MergedNeeds {
  readonly rcvIds = new Set<RcvId>()
  readonly sndIds = new Set<SndId>()
  readonly notifierIds = new Set<NotifierId>()
  readonly linkIds = new Set<LinkId>()
  /** Messages that may be looked at: as many as all commands together may take. */
  readonly messages = new Map<RcvId, number>()
  /** Queues whose old messages may be expired, by recipient or sender id. */
  readonly expirable = { rcvIds: new Set<RcvId>(), sndIds: new Set<SndId>() }
  /** Seconds; the earliest that was asked for. */
  expiredBefore = Infinity
  /** Queues whose link data is needed. */
  readonly links = { rcvIds: new Set<RcvId>(), linkIds: new Set<LinkId>() }
  /** Notifiers whose notifications are needed, by sender or notifier id. */
  readonly notifications = { sndIds: new Set<SndId>(), notifierIds: new Set<NotifierId>() }
  /** Notifications of each. */
  notificationLimit = 0
  readonly newIds = new Set<EntityId>()
  readonly serviceIds = new Set<ServiceId>()
  readonly certHashes: Buffer[] = []

  constructor(needs: readonly Needs[]) {
    for (const { queues = [], newIds = [], services = [], certHash } of needs) {
      for (const queue of queues) this.#add(queue)
      for (const id of newIds) this.newIds.add(id)
      for (const id of services) this.serviceIds.add(id)
      if (certHash !== undefined) this.certHashes.push(certHash)
    }
  }

  get namesQueues(): boolean {
    return this.rcvIds.size + this.sndIds.size + this.notifierIds.size + this.linkIds.size > 0
  }

  /** Numbers of the locks by which only one transaction at a time makes something of a new id, in ascending order. */
  get newIdLocks(): bigint[] {
    const keys = [...[...this.newIds].map(idToBytes), ...this.certHashes]
    const locks = keys.map((key) => createHash('sha256').update(key).digest().readBigInt64BE(0))
    return locks.toSorted((a, b) => (a < b ? -1 : Number(a > b)))
  }

  #add(need: QueueNeed): void {
    switch (need.by) {
      case 'rcvId':
        this.rcvIds.add(need.id)
        if (need.messages !== undefined) {
          this.messages.set(need.id, (this.messages.get(need.id) ?? 0) + need.messages)
        }
        if (need.link === true) this.links.rcvIds.add(need.id)
        this.#addExpirable(this.expirable.rcvIds, need.id, need.expiredBefore)
        break
      case 'sndId':
        this.sndIds.add(need.id)
        this.#addExpirable(this.expirable.sndIds, need.id, need.expiredBefore)
        this.#addNotifications(this.notifications.sndIds, need.id, need.notifications)
        break
      case 'notifierId':
        this.notifierIds.add(need.id)
        this.#addNotifications(this.notifications.notifierIds, need.id, need.notifications)
        break
      case 'linkId':
        this.linkIds.add(need.id)
        if (need.link === true) this.links.linkIds.add(need.id)
    }
  }

  #addExpirable<T>(ids: Set<T>, id: T, before: number | undefined): void {
    if (before === undefined) return
    ids.add(id)
    this.expiredBefore = Math.min(this.expiredBefore, before)
  }

  #addNotifications<T>(ids: Set<T>, id: T, limit: number | undefined): void {
    if (limit === undefined) return
    ids.add(id)
    this.notificationLimit = Math.max(this.notificationLimit, limit)
  }
}
