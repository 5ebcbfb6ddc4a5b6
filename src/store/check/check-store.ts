import { idHash, idsHashLength, xorHash } from '../../crypto/ids-hash.ts'
import { idToBytes, type NotifierId, type RcvId, type ServiceId } from '../../protocol/ids.ts'
import type { QueueRec, ServiceParty, StoreCounts } from '../store.ts'
import { associationGroup, associationKey } from '../tables/association-key.ts'
import type { Codec } from '../tables/codec.ts'
import {
  countsCodec,
  fifoStateCodec,
  linkDataCodec,
  memberCodec,
  messageCodec,
  NOTHING_COUNTED,
  notificationCodec,
  serviceCodec,
  subscriptionsCodec,
  textCodec,
} from '../tables/codecs.ts'
import { COUNTS } from '../tables/counts.ts'
import { entryOf } from '../tables/fifo.ts'
import { queueCodec } from '../tables/queue-codec.ts'
import { Faults } from './faults.ts'
import { StoreSource } from './source.ts'
import type { DataFile } from '../lmdb/file/data-file.ts'
import type { Meta } from '../lmdb/file/page.ts'

export interface CheckReport {
  /** What was found, whatever the store's own counts say. */
  readonly counts: StoreCounts
  /** What is wrong, a sentence without its end each; nothing when the store is sound. */
  readonly faults: readonly string[]
}

const ids = textCodec<RcvId>()

/** What of a queue leads elsewhere. */
type Leads = Pick<QueueRec, 'sndId' | 'linkId' | 'rcvServiceId' | 'notifier'>

/** Reads every page and record of a store, and follows every reference in both directions. */
export function checkStore(file: DataFile, meta: Meta): CheckReport {
  return new Check(file, meta).run()
}

class Check {
  readonly #faults = new Faults()
  readonly #pages: string[] = []
  readonly #source: StoreSource
  readonly #queues = new Map<RcvId, Leads>()
  readonly #notifiers = new Map<NotifierId, RcvId>()
  readonly #services = new Map<ServiceId, string>()
  readonly #counts = { ...NOTHING_COUNTED } as Record<keyof StoreCounts, number>

  constructor(file: DataFile, meta: Meta) {
    this.#source = new StoreSource(file, meta, { faults: this.#faults, pages: this.#pages })
  }

  run(): CheckReport {
    this.#readServices()
    this.#readQueues()
    this.#checkIndex('senders', 'sender ids', (rcvId) => this.#queues.get(rcvId)?.sndId, this.#queues.size)
    this.#checkIndex(
      'notifiers',
      'notifiers',
      (rcvId) => this.#queues.get(rcvId)?.notifier?.notifierId,
      this.#notifiers.size,
    )
    this.#checkLinks()
    this.#checkLists('message', messageCodec, (id) => this.#queues.has(id as RcvId), 'messages')
    this.#checkLists('notification', notificationCodec, (id) => this.#notifiers.has(id as NotifierId), 'notifications')
    this.#checkAssociations()
    this.#checkCounts()
    return { counts: this.#counts, faults: [...this.#pages, ...this.#faults.lines()] }
  }

  #readServices(): void {
    for (const [serviceId, { certHash, role }] of this.#source.records('services', serviceCodec)) {
      this.#services.set(serviceId as ServiceId, certHash.toString('latin1'))
      if (role === 'M') this.#counts.rcvServices++
      if (role === 'N') this.#counts.ntfServices++
    }
    let found = 0
    for (const [certHash, serviceId] of this.#source.records('servicesByCertHash', textCodec<ServiceId>())) {
      if (this.#services.get(serviceId) === certHash) found++
      else this.#faults.add('certificates that lead to no service')
    }
    this.#faults.add('services that their certificate does not lead to', this.#services.size - found)
  }

  #readQueues(): void {
    for (const [key, { sndId, linkId, rcvServiceId, notifier }] of this.#source.records('queues', queueCodec)) {
      const rcvId = key as RcvId
      this.#queues.set(rcvId, {
        sndId,
        ...(linkId !== undefined && { linkId }),
        ...(rcvServiceId !== undefined && { rcvServiceId }),
        ...(notifier && { notifier }),
      })
      if (notifier) this.#notifiers.set(notifier.notifierId, rcvId)
    }
    this.#counts.queues = this.#queues.size
    this.#counts.notifiers = this.#notifiers.size
  }

  /** @param idOf what should lead to the queue */
  #checkIndex(table: string, what: string, idOf: (rcvId: RcvId) => string | undefined, expected: number): void {
    let found = 0
    for (const [id, rcvId] of this.#source.records(table, ids)) {
      if (idOf(rcvId) === id) found++
      else this.#faults.add(`${what} that lead to no queue`)
    }
    this.#faults.add(`queues that their ${what} do not lead to`, expected - found)
  }

  #checkLinks(): void {
    const links = new Set<string>()
    for (const { linkId } of this.#queues.values()) if (linkId !== undefined) links.add(linkId)
    this.#checkIndex('links', 'links', (rcvId) => this.#queues.get(rcvId)?.linkId, links.size)
    let found = 0
    for (const [linkId] of this.#source.records('linkData', linkDataCodec)) {
      if (links.has(linkId)) found++
      else this.#faults.add('data of links that do not exist')
    }
    this.#faults.add('links without their data', links.size - found)
  }

  #checkLists(
    kind: 'message' | 'notification',
    codec: Codec<unknown>,
    exists: (id: string) => boolean,
    what: 'messages' | 'notifications',
  ): void {
    const states = new Map<string, { first: number; next: number }>()
    for (const [id, state] of this.#source.records(`${kind}States`, fifoStateCodec)) {
      if (!exists(id)) this.#faults.add(`lists of ${what} that belong to nothing`)
      states.set(id, state)
      this.#counts[what] += state.next - state.first
    }
    const dropped = new Map(this.#source.records(`${what}Dropped`, fifoStateCodec))
    let missing = this.#counts[what]
    for (const [key] of this.#source.records(`${kind}s`, codec)) {
      const entry = entryOf(key)
      const state = entry && states.get(entry.id)
      if (state && isIn(state, entry.number)) missing--
      else if (!entry || !isIn(dropped.get(entry.id), entry.number)) this.#faults.add(`${what} that are in no list`)
    }
    this.#faults.add(`${what} missing from their lists`, missing)
  }

  #checkAssociations(): void {
    const expected = new Map<string, { count: number; idsHash: Buffer }>()
    const keys = new Set<string>()
    const expect = (party: ServiceParty, serviceId: ServiceId | undefined, id: RcvId | NotifierId): void => {
      if (serviceId === undefined) return
      this.#counts[party === 'R' ? 'rcvServiceQueues' : 'ntfServiceQueues']++
      keys.add(associationKey(party, serviceId) + id)
      const { count, idsHash } = expected.get(party + serviceId) ?? { count: 0, idsHash: Buffer.alloc(idsHashLength) }
      expected.set(party + serviceId, { count: count + 1, idsHash: xorHash(idsHash, idHash(idToBytes(id))) })
      if (!this.#services.has(serviceId)) this.#faults.add('queues of services that do not exist')
    }
    for (const [rcvId, { rcvServiceId, notifier }] of this.#queues) {
      expect('R', rcvServiceId, rcvId)
      if (notifier) expect('N', notifier.serviceId, notifier.notifierId)
    }
    let found = 0
    for (const [key] of this.#source.records('serviceQueues', memberCodec)) {
      if (keys.has(key) && associationGroup(key) !== key) found++
      else this.#faults.add('associations with services that no queue has')
    }
    this.#faults.add('queues missing from their service', keys.size - found)
    for (const [key, { count, idsHash }] of this.#source.records('serviceSubscriptions', subscriptionsCodec)) {
      const wanted = expected.get(key) ?? { count: 0, idsHash: Buffer.alloc(idsHashLength) }
      if (count !== wanted.count || !idsHash.equals(wanted.idsHash))
        this.#faults.add('services with a wrong number of queues')
    }
  }

  #checkCounts(): void {
    let stored = NOTHING_COUNTED
    // The table holds other values too.
    for (const [, counts] of this.#source.only('meta', COUNTS, countsCodec)) stored = counts
    for (const name of Object.keys(this.#counts) as (keyof StoreCounts)[]) {
      if (stored[name] !== this.#counts[name]) this.#faults.add(`wrong number in the store's own counts: ${name}`)
    }
  }
}

/** Whether a list has an entry of this number. */
function isIn(state: { readonly first: number; readonly next: number } | undefined, number: number): boolean {
  return state !== undefined && number >= state.first && number < state.next
}
