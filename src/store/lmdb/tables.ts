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
import type { Environment } from './environment.ts'
import { Fifo } from './fifo.ts'
import { queueCodec } from './queue-codec.ts'
import { Table, type CommittingTable } from './table.ts'

// What is kept decoded in memory, whatever the number of queues: at most twice these numbers.
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

/**
 * @param changed is called at every effect
 * @param opened takes in every table, in the order in which they are committed
 */
export function openTables(environment: Environment, changed: () => void, opened: CommittingTable[]): Tables {
  const table = <V>(name: string, codec: Codec<V>, cached: number): Table<V> => {
    const made = new Table(environment.table(name), codec, changed, { cached })
    opened.push(made)
    return made
  }
  return {
    queues: table('queues', queueCodec, HOT_QUEUES),
    senders: table('senders', textCodec<RcvId>(), HOT_QUEUES),
    notifiers: table('notifiers', textCodec<RcvId>(), HOT_QUEUES),
    links: table('links', textCodec<RcvId>(), HOT_QUEUES),
    linkData: table('linkData', linkDataCodec, FEW),
    messages: new Fifo(
      table('messageStates', fifoStateCodec, HOT_QUEUES),
      table('messages', messageCodec, HOT_MESSAGES),
    ),
    notifications: new Fifo(
      table('notificationStates', fifoStateCodec, HOT_QUEUES),
      table('notifications', notificationCodec, FEW),
    ),
    services: table('services', serviceCodec, FEW),
    servicesByCertHash: table('servicesByCertHash', textCodec<ServiceId>(), FEW),
    subscriptions: table('serviceSubscriptions', subscriptionsCodec, FEW),
    associations: table('serviceQueues', memberCodec, FEW),
    counts: table('meta', countsCodec, 1),
  }
}
