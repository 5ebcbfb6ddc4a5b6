import type { RcvId, ServiceId } from '../../protocol/ids.ts'
import type {
  LinkData,
  Message,
  Notification,
  QueueRec,
  ServiceRec,
  ServiceSubscriptions,
  StoreCounts,
} from '../store.ts'
import { associationGroup } from './association-key.ts'
import type { Codec } from './codec.ts'
import {
  countsCodec,
  fifoStateCodec,
  linkDataCodec,
  memberCodec,
  messageCodec,
  notificationCodec,
  serviceCodec,
  subscriptionsCodec,
  textCodec,
} from './codecs.ts'
import { Fifo } from './fifo.ts'
import { queueCodec } from './queue-codec.ts'
import type { Table, TableOptions } from './table.ts'

// Decoded records kept in memory, whatever the number of queues: at most twice these numbers.
const HOT_QUEUES = 4096
const HOT_MESSAGES = 256
const FEW = 64

/** All tables of the store. The names of the databases are part of the format. */
export interface Tables {
  readonly queues: Table<QueueRec>
  readonly senders: Table<RcvId>
  readonly notifiers: Table<RcvId>
  readonly links: Table<RcvId>
  readonly linkData: Table<LinkData>
  readonly messages: Fifo<Message>
  readonly notifications: Fifo<Notification>
  readonly services: Table<ServiceRec>
  /** By the certificate hash, a byte string. */
  readonly servicesByCertHash: Table<ServiceId>
  readonly subscriptions: Table<ServiceSubscriptions>
  readonly associations: Table<true>
  readonly counts: Table<StoreCounts>
}

/** Makes one table of an engine. The names are part of the format on disk. */
export type OpenTable = <V>(name: string, codec: Codec<V>, options: TableOptions) => Table<V>

/** Opens every table of the store, always in the same order. */
export function openTables(open: OpenTable): Tables {
  return {
    queues: open('queues', queueCodec, { cached: HOT_QUEUES }),
    senders: open('senders', textCodec<RcvId>(), { cached: HOT_QUEUES }),
    notifiers: open('notifiers', textCodec<RcvId>(), { cached: HOT_QUEUES }),
    links: open('links', textCodec<RcvId>(), { cached: HOT_QUEUES }),
    linkData: open('linkData', linkDataCodec, { cached: FEW }),
    messages: new Fifo(
      open('messageStates', fifoStateCodec, { cached: HOT_QUEUES }),
      open('messages', messageCodec, { cached: HOT_MESSAGES }),
      open('messagesDropped', fifoStateCodec, { cached: HOT_QUEUES }),
    ),
    notifications: new Fifo(
      open('notificationStates', fifoStateCodec, { cached: HOT_QUEUES }),
      open('notifications', notificationCodec, { cached: FEW }),
      open('notificationsDropped', fifoStateCodec, { cached: HOT_QUEUES }),
    ),
    services: open('services', serviceCodec, { cached: FEW }),
    servicesByCertHash: open('servicesByCertHash', textCodec<ServiceId>(), { cached: FEW }),
    subscriptions: open('serviceSubscriptions', subscriptionsCodec, { cached: FEW }),
    associations: open('serviceQueues', memberCodec, { cached: FEW, groupOf: associationGroup }),
    counts: open('meta', countsCodec, { cached: 1 }),
  }
}
