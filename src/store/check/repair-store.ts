import type { LinkId, NotifierId, RcvId, ServiceId } from '../../protocol/ids.ts'
import { openLmdbStore } from '../lmdb.ts'
import type { DataFile } from '../lmdb/file/data-file.ts'
import { orphanLeaves } from '../lmdb/file/orphans.ts'
import type { Meta } from '../lmdb/file/page.ts'
import { withLink, withNotifier, withService } from '../tables/queue-record.ts'
import type { LinkData, Message, Notification, QueueRec, ServiceRec, Store, StoreCounts } from '../store.ts'
import type { Codec } from '../tables/codec.ts'
import {
  countsCodec,
  fifoStateCodec,
  linkDataCodec,
  messageCodec,
  notificationCodec,
  serviceCodec,
  textCodec,
  type FifoState,
} from '../tables/codecs.ts'
import { COUNTS } from '../tables/counts.ts'
import { entryOf } from '../tables/fifo.ts'
import { queueCodec } from '../tables/queue-codec.ts'
import { Faults } from './faults.ts'
import { decodeAll, StoreSource } from './source.ts'

/** Effects between two flushes. */
const FLUSH_EVERY = 200

/**
 * Copies everything that can be read of a damaged store into a new one. References are made anew from the queues; what
 * belongs to a queue that is lost is left out. Where branches of a tree are damaged, leaves that nothing leads to any
 * more are searched for records: some of those may be older than the damage.
 *
 * @param target a directory that does not exist
 * @returns what the new store holds, and what the damaged one says that it held
 */
export async function repairStore(
  file: DataFile,
  meta: Meta,
  target: string,
): Promise<{ readonly saved: StoreCounts; readonly held: StoreCounts | undefined }> {
  const store = openLmdbStore(target, { quota: Infinity })
  try {
    const held = await new Repair(file, meta, store).run()
    return { saved: store.counts(), held }
  } finally {
    await store.close()
  }
}

class Repair {
  readonly #store: Store
  readonly #source: StoreSource
  readonly #isDamaged: boolean
  #effects = 0

  constructor(file: DataFile, meta: Meta, store: Store) {
    const pages: string[] = []
    this.#source = new StoreSource(file, meta, { faults: new Faults(), pages })
    this.#isDamaged = pages.length > 0
    this.#store = store
  }

  async run(): Promise<StoreCounts | undefined> {
    await this.#services()
    const links = await this.#queues()
    await this.#links(links)
    await this.#messages()
    await this.#notifications()
    await this.#store.flushed()
    const [counts] = this.#source.only('meta', COUNTS, countsCodec)
    return counts?.[1]
  }

  async #services(): Promise<void> {
    for (const [, service] of this.#all<ServiceRec>('services', serviceCodec, () => true)) {
      this.#store.addService(service)
      await this.#pace()
    }
  }

  /** The queues of links whose data is still to be found. */
  async #queues(): Promise<Map<LinkId, RcvId>> {
    const links = new Map<LinkId, RcvId>()
    const senders = this.#index('senders', textCodec<RcvId>())
    // What is found without its place in a tree may have been deleted: then its sender id leads nowhere.
    const isCurrent = ({ sndId, rcvId }: QueueRec): boolean => senders === undefined || senders.get(sndId) === rcvId
    for (const [rcvId, found] of this.#all<QueueRec>('queues', queueCodec, isCurrent)) {
      const queue = this.#withoutLostServices(found)
      const plain = withLink(queue, undefined)
      let taken = this.#store.addQueue(plain)
      if (taken === 'notifierId') taken = this.#store.addQueue(withNotifier(plain, undefined))
      if (taken === undefined && queue.linkId !== undefined) links.set(queue.linkId, rcvId as RcvId)
      await this.#pace()
    }
    return links
  }

  /** A small table as a whole; undefined when not all of it can be read. */
  #index<V>(table: string, codec: Codec<V>): Map<string, V> | undefined {
    const before = this.#source.damagedPages
    const index = new Map(this.#source.records(table, codec))
    return this.#source.has(table) && this.#source.damagedPages === before ? index : undefined
  }

  #withoutLostServices(queue: QueueRec): QueueRec {
    const isLost = (serviceId: ServiceId | undefined): boolean =>
      serviceId !== undefined && this.#store.service(serviceId) === undefined
    const own = isLost(queue.rcvServiceId) ? withService(queue, 'R', undefined) : queue
    return isLost(own.notifier?.serviceId) ? withService(own, 'N', undefined) : own
  }

  async #links(links: Map<LinkId, RcvId>): Promise<void> {
    for (const [linkId, data] of this.#all<LinkData>('linkData', linkDataCodec, (_data, id) =>
      links.has(id as LinkId),
    )) {
      const rcvId = links.get(linkId as LinkId)
      if (rcvId === undefined || this.#store.linkData(linkId as LinkId) !== undefined) continue
      this.#store.setLink(rcvId, linkId as LinkId, data)
      await this.#pace()
    }
  }

  async #messages(): Promise<void> {
    for (const [id, message] of this.#entries<Message>('message', messageCodec, () => true)) {
      const rcvId = id as RcvId
      if (this.#store.queue(rcvId) === undefined) continue
      if (message.type === 'message') this.#store.writeMessage(rcvId, message)
      else this.#store.restoreMarker(rcvId, message)
      await this.#pace()
    }
  }

  async #notifications(): Promise<void> {
    // A message read as a notification would be of a year far away.
    const isOne = ({ timestamp, nonce }: Notification): boolean => timestamp < 2 ** 40 && nonce.length === 24
    for (const [id, notification] of this.#entries<Notification>('notification', notificationCodec, isOne)) {
      this.#store.addNotification(id as NotifierId, notification)
      await this.#pace()
    }
  }

  /** The entries of all lists, each list in its order. */
  *#entries<T>(
    kind: 'message' | 'notification',
    codec: Codec<T>,
    isOne: (entry: T) => boolean,
  ): Generator<[id: string, entry: T], void, undefined> {
    const states = this.#index<FifoState>(`${kind}States`, fifoStateCodec)
    const isCurrent = (value: T, key: string): boolean => {
      const entry = entryOf(key)
      if (entry === undefined || !isOne(value)) return false
      if (states === undefined) return true
      const state = states.get(entry.id)
      return state !== undefined && entry.number >= state.first && entry.number < state.next
    }
    for (const [key, value] of this.#all(`${kind}s`, codec, isCurrent)) {
      const entry = entryOf(key)
      if (entry) yield [entry.id, value]
    }
  }

  /** The records of a table in the order of their keys, with those of orphans that fit between them and are current. */
  *#all<V>(
    table: string,
    codec: Codec<V>,
    isCurrent: (value: V, key: string) => boolean,
  ): Generator<[key: string, value: V], void, undefined> {
    const orphans = this.#isDamaged ? this.#orphans(codec, isCurrent) : []
    let next = 0
    for (const record of this.#source.records(table, codec)) {
      for (; next < orphans.length; next++) {
        const orphan = orphans[next]
        if (orphan === undefined || orphan[0] > record[0]) break
        if (orphan[0] !== record[0]) yield orphan
      }
      yield record
    }
    yield* orphans.slice(next)
  }

  /** Sorted by their keys; of several versions of a record the latest one. */
  #orphans<V>(codec: Codec<V>, isCurrent: (value: V, key: string) => boolean): [key: string, value: V][] {
    const found = new Map<string, { value: V; txnId: number }>()
    const { file, meta, used } = this.#source
    for (const { page, txnId } of orphanLeaves(file, meta, used)) {
      for (const { key, value } of this.#source.pageRecords(page)) {
        const decoded = value && decodeAll(codec, value, key)
        if (decoded === undefined || !isCurrent(decoded, key) || (found.get(key)?.txnId ?? -1) > txnId) continue
        found.set(key, { value: decoded, txnId })
      }
    }
    return [...found]
      .map(([key, { value }]): [string, V] => [key, value])
      .sort(([a], [b]) => (a < b ? -1 : Number(a > b)))
  }

  async #pace(): Promise<void> {
    if (++this.#effects % FLUSH_EVERY === 0) await this.#store.flushed()
  }
}
