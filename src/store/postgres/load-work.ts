import { idFromBytes, type NotifierId, type RcvId, type ServiceId } from '../../protocol/ids.ts'
import type { Connection } from './connection.ts'
import { LoadedQueue, type StoredMessage } from './loaded-queue.ts'
import type { LoadedWork } from './loaded-work.ts'
import type { MergedNeeds } from './merged-needs.ts'
import { decodeMessageRow, type MessageRow } from './message-row.ts'
import { PendingNotifications, type StoredNotification } from './pending-notifications.ts'
import { decodeQueueRow, type QueueRow } from './queue-row.ts'
import { decodeServiceRow, type ServiceRow } from './service-row.ts'
import type { Statements } from './statements.ts'
import { subscriptionsOf, type SubscriptionsRow } from './subscriptions-row.ts'
import { idArray, int4Array, int8Array, bytesArray } from './values.ts'

interface LoadedQueueRow extends QueueRow {
  readonly msg_can_write: boolean
  readonly msg_queue_size: number
  readonly msg_queue_expire: boolean
  readonly owner: number | null
  readonly rcv_service_owner: number | null
  readonly notifier_owner: number | null
  readonly ntf_service_owner: number | null
}

interface TakenRow {
  readonly recipient_id: Buffer
  readonly sender_id: Buffer
  readonly notifier_id: Buffer | null
  readonly link_id: Buffer | null
}

interface NotificationRow {
  readonly notification_id: number
  readonly notifier_id: Buffer
  readonly msg_id: Buffer
  readonly msg_ts: number
  readonly nonce: Buffer
  readonly enc_meta: Buffer
}

/**
 * Reads everything that `needs` names into `work`, in the open transaction of a connection. First the queues are locked in
 * the order of their ids, then the services, then new ids, so that no two transactions wait for each other; what is read
 * after that is what the last holder of the locks has left. All statements are sent at once.
 *
 * @param onUnreadable a row of a queue or a service is damaged, and passes for a missing one
 * @throws DatabaseError
 */
export async function loadWork(
  connection: Connection,
  statements: Statements,
  needs: MergedNeeds,
  work: LoadedWork,
  onUnreadable: () => void,
): Promise<void> {
  const { rcvIds, sndIds, notifierIds, linkIds, messages, expirable, links, notifications, newIds, serviceIds } = needs
  const names = [rcvIds, sndIds, notifierIds, linkIds].map((ids) => idArray([...ids]))
  const asksServices = serviceIds.size > 0 || needs.certHashes.length > 0
  const services = [idArray([...serviceIds]), bytesArray(needs.certHashes)]

  const locks: Promise<unknown>[] = []
  if (needs.namesQueues) locks.push(connection.query(statements('lockQueues'), names))
  if (asksServices) locks.push(connection.query(statements('lockServices'), services))
  const newIdLocks = needs.newIdLocks
  if (newIdLocks.length > 0) locks.push(connection.query(statements('lockNewIds'), [int8Array(newIdLocks)]))

  const none = Promise.resolve([])
  const results = await Promise.all([
    needs.namesQueues ? connection.query<LoadedQueueRow>(statements('readQueues'), names) : none,
    messages.size === 0
      ? none
      : connection.query<MessageRow & { recipient_id: Buffer }>(statements('readHeads'), [
          idArray([...messages.keys()]),
          int4Array([...messages.values()]),
        ]),
    needs.expiredBefore === Infinity
      ? none
      : connection.query<{ recipient_id: Buffer; message_id: number; msg_ts: number }>(statements('readExpirable'), [
          idArray([...expirable.rcvIds]),
          idArray([...expirable.sndIds]),
          needs.expiredBefore,
        ]),
    links.rcvIds.size + links.linkIds.size === 0
      ? none
      : connection.query<{ link_id: Buffer; fixed_data: Buffer; user_data: Buffer }>(statements('readLinks'), [
          idArray([...links.rcvIds]),
          idArray([...links.linkIds]),
        ]),
    needs.notificationLimit === 0
      ? none
      : connection.query<NotificationRow>(statements('readNotifications'), [
          idArray([...notifications.sndIds]),
          idArray([...notifications.notifierIds]),
          needs.notificationLimit,
        ]),
    newIds.size === 0 ? none : connection.query<TakenRow>(statements('readTaken'), [idArray([...newIds])]),
    asksServices
      ? connection.query<ServiceRow & SubscriptionsRow & { owner: number | null }>(statements('readServices'), services)
      : none,
    ...locks,
  ])
  const [queueRows, headRows, expirableRows, linkRows, notificationRows, takenRows, serviceRows] = results
  for (const row of queueRows) if (!addQueue(work, row)) onUnreadable()
  addHeads(work, messages, headRows)
  addExpirable(work, expirableRows)
  for (const { link_id: id, fixed_data: fixedData, user_data: userData } of linkRows) {
    const queue = work.queueWithLink(idFromBytes(id))
    if (queue !== undefined) queue.link = { fixedData, userData }
  }
  addNotifications(work, needs.notificationLimit, notificationRows)
  for (const row of takenRows) {
    // What a loaded queue has is taken for as long as it has it.
    if (work.queues.has(idFromBytes(row.recipient_id))) continue
    work.taken.rcvIds.add(idFromBytes(row.recipient_id))
    work.taken.sndIds.add(idFromBytes(row.sender_id))
    if (row.notifier_id !== null) work.taken.notifierIds.add(idFromBytes(row.notifier_id))
    if (row.link_id !== null) work.taken.linkIds.add(idFromBytes(row.link_id))
  }
  for (const row of serviceRows) {
    const service = decodeServiceRow(row)
    if (service === undefined) onUnreadable()
    else {
      work.services.set(service.serviceId, { stored: true, service, subscriptions: subscriptionsOf(row) })
      if (row.owner !== null) work.owners.set(service.serviceId, row.owner)
    }
  }
}

function addQueue(work: LoadedWork, row: LoadedQueueRow): boolean {
  const queue = decodeQueueRow(row)
  if (queue === undefined) return false
  const { msg_can_write: canWrite, msg_queue_size: size, msg_queue_expire: expire } = row
  work.addLoaded(new LoadedQueue(queue, { canWrite, size, expire }))
  const { rcvId, rcvServiceId, notifier } = queue
  for (const [id, owner] of [
    [rcvId, row.owner],
    [rcvServiceId, row.rcv_service_owner],
    [notifier?.notifierId, row.notifier_owner],
    [notifier?.serviceId, row.ntf_service_owner],
  ] as const satisfies readonly (readonly [RcvId | NotifierId | ServiceId | undefined, number | null])[]) {
    if (id !== undefined && owner !== null) work.owners.set(id, owner)
  }
  return true
}

function addHeads(
  work: LoadedWork,
  wanted: ReadonlyMap<RcvId, number>,
  rows: readonly (MessageRow & { recipient_id: Buffer })[],
): void {
  const heads = grouped(rows, (row) => idFromBytes<RcvId>(row.recipient_id))
  for (const [rcvId, count] of wanted) {
    const head = (heads.get(rcvId) ?? []).map((row): StoredMessage => ({
      messageId: row.message_id,
      message: decodeMessageRow(row),
    }))
    work.queues.get(rcvId)?.loadHead(head, head.length < count)
  }
}

function addExpirable(
  work: LoadedWork,
  rows: readonly { recipient_id: Buffer; message_id: number; msg_ts: number }[],
): void {
  for (const [rcvId, expirable] of grouped(rows, (row) => idFromBytes<RcvId>(row.recipient_id))) {
    work.queues
      .get(rcvId)
      ?.loadExpirable(expirable.map(({ message_id, msg_ts }) => ({ messageId: message_id, timestamp: msg_ts })))
  }
}

function addNotifications(work: LoadedWork, limit: number, rows: readonly NotificationRow[]): void {
  for (const [notifierId, found] of grouped(rows, (row) => idFromBytes<NotifierId>(row.notifier_id))) {
    const pending = new PendingNotifications()
    const loaded = found.map((row): StoredNotification => {
      const { notification_id: notificationId, msg_id, msg_ts: timestamp, nonce, enc_meta: encMeta } = row
      return { notificationId, notification: { msgId: idFromBytes(msg_id), timestamp, nonce, encMeta } }
    })
    pending.load(loaded, loaded.length < limit)
    work.pending.set(notifierId, pending)
  }
}

function grouped<T, K>(rows: readonly T[], keyOf: (row: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>()
  for (const row of rows) {
    const key = keyOf(row)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [row])
    else group.push(row)
  }
  return groups
}
