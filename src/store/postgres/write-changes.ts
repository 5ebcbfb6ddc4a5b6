import type { NotifierId, RcvId } from '../../protocol/ids.ts'
import type { Message, Notification, QueueRec } from '../store.ts'
import type { Connection, Parameter, Statement } from './connection.ts'
import type { LoadedQueue } from './loaded-queue.ts'
import type { LoadedWork } from './loaded-work.ts'
import { encodeQueueColumns } from './queue-row.ts'
import { encodeCertificates } from './service-row.ts'
import type { Statements } from './statements.ts'
import { boolArray, bytesArray, idArray, int8Array, textArray } from './values.ts'

const NO_BODY = Buffer.alloc(0)

/** One statement for everything of one kind that a transaction changes. */
export interface Change {
  readonly statement: Statement
  readonly parameters: readonly Parameter[]
}

interface WriteOptions {
  readonly statements: Statements
  readonly relayId: number
  /** For deleted queues: the present day, seconds. */
  readonly today: number
}

/** Sends all statements that make the database what the work has made of it; they are answered in their order. */
export function sendChanges(connection: Connection, work: LoadedWork, options: WriteOptions): Promise<unknown> {
  return Promise.all(
    changesOf(work, options).map(({ statement, parameters }) => connection.query(statement, parameters)),
  )
}

/** What is different from what was loaded; in ascending order of ids, as everybody takes locks. */
export function changesOf(work: LoadedWork, { statements, relayId, today }: WriteOptions): Change[] {
  const changes: Change[] = []
  const add = (statement: Statement, rows: readonly unknown[], parameters: () => readonly Parameter[]): void => {
    if (rows.length > 0) changes.push({ statement, parameters: parameters() })
  }
  const services = [...work.services.values()].filter(({ stored }) => !stored).map(({ service }) => service)
  add(statements('insertServices'), services, () => [
    idArray(services.map(({ serviceId }) => serviceId)),
    textArray(services.map(({ role }) => role)),
    bytesArray(services.map(({ certificates }) => encodeCertificates(certificates))),
    bytesArray(services.map(({ certHash }) => certHash)),
    int8Array(services.map(({ createdAt }) => createdAt)),
  ])
  const queues = [...work.queues.entries()]
    .toSorted(([a], [b]) => (a < b ? -1 : Number(a > b)))
    .map(([rcvId, queue]) => new ChangedQueue(rcvId, queue))
  const releasedLinks = releasedIds(queues, ({ stored, current, reservedLink }) => [
    stored?.linkId,
    current?.linkId ?? reservedLink,
  ])
  add(statements('releaseLinks'), releasedLinks, () => [idArray(releasedLinks)])
  const releasedNotifiers = releasedIds(queues, ({ stored, current }) => [
    stored?.notifier?.notifierId,
    current?.notifier?.notifierId,
  ])
  add(statements('releaseNotifiers'), releasedNotifiers, () => [idArray(releasedNotifiers)])
  const added = queues.filter((queue) => queue.kind === 'added')
  add(statements('insertQueues'), added, () => newQueueParameters(added))
  const changed = queues.filter((queue) => queue.kind === 'changed')
  const records = changed.filter(({ queue }) => queue.stored !== queue.current)
  add(statements('updateQueues'), records, () => encodeQueueColumns(records.map(({ record }) => record)))
  const links = changed.filter(({ queue }) => queue.linkChanged)
  add(statements('updateLinkData'), links, () => [idArray(links.map(({ rcvId }) => rcvId)), ...linkColumns(links)])
  const counted = changed.filter(({ queue: { storedCounters: before, counters: now } }) => {
    return before.size !== now.size || before.canWrite !== now.canWrite || before.expire !== now.expire
  })
  add(statements('updateCounters'), counted, () => [
    idArray(counted.map(({ rcvId }) => rcvId)),
    ...counterColumns(counted),
  ])
  const deleted = queues.filter((queue) => queue.kind === 'deleted')
  add(statements('deleteQueues'), deleted, () => [
    idArray(deleted.map(({ rcvId }) => rcvId)),
    idArray(deleted.map(({ queue }) => queue.reservedLink)),
    today,
  ])
  const emptied = deleted.filter(({ queue }) => queue.storedCounters.size > 0)
  add(statements('deleteQueueMessages'), emptied, () => [idArray(emptied.map(({ rcvId }) => rcvId))])
  const deletedMessages = changed.flatMap(({ queue }) => queue.deletedMessages)
  add(statements('deleteMessages'), deletedMessages, () => [int8Array(deletedMessages)])
  const messages = queues
    .filter(({ kind }) => kind === 'added' || kind === 'changed')
    .flatMap(({ rcvId, queue }) => queue.added.map((message): [RcvId, Message] => [rcvId, message]))
  add(statements('insertMessages'), messages, () => messageColumns(messages))
  addNotificationChanges(add, work, statements)
  const claimed = [...work.claimed].toSorted()
  add(statements('claim'), claimed, () => [idArray(claimed), relayId])
  return changes
}

/**
 * Queues that had an id which another queue has by now: it has to be taken from them first, because the database looks
 * for doubles row by row.
 */
function releasedIds(
  queues: readonly ChangedQueue[],
  idsOf: (queue: LoadedQueue) => readonly [before: string | undefined, now: string | undefined],
): RcvId[] {
  const taken = new Set<string>()
  for (const { queue } of queues) {
    const [before, now] = idsOf(queue)
    if (now !== undefined && now !== before) taken.add(now)
  }
  if (taken.size === 0) return []
  const released = queues.filter(({ queue }) => {
    const [before, now] = idsOf(queue)
    return before !== undefined && before !== now && taken.has(before)
  })
  return released.map(({ rcvId }) => rcvId)
}

class ChangedQueue {
  readonly rcvId: RcvId
  readonly queue: LoadedQueue
  readonly kind: 'added' | 'changed' | 'deleted' | 'never stored'

  constructor(rcvId: RcvId, queue: LoadedQueue) {
    this.rcvId = rcvId
    this.queue = queue
    if (queue.current === undefined) this.kind = queue.stored === undefined ? 'never stored' : 'deleted'
    else this.kind = queue.stored === undefined ? 'added' : 'changed'
  }

  /** Of a queue that is not deleted. */
  get record(): QueueRec {
    if (this.queue.current === undefined) throw new Error('a deleted queue has no record')
    return this.queue.current
  }
}

function newQueueParameters(queues: readonly ChangedQueue[]): Buffer[] {
  const records = queues.map(({ record }) => record)
  return [...encodeQueueColumns(records), ...linkColumns(queues), ...counterColumns(queues)]
}

function linkColumns(queues: readonly ChangedQueue[]): Buffer[] {
  return [
    bytesArray(queues.map(({ queue }) => queue.link?.fixedData)),
    bytesArray(queues.map(({ queue }) => queue.link?.userData)),
  ]
}

function counterColumns(queues: readonly ChangedQueue[]): Buffer[] {
  const counters = queues.map(({ queue }) => queue.counters)
  return [
    boolArray(counters.map(({ canWrite }) => canWrite)),
    int8Array(counters.map(({ size }) => size)),
    boolArray(counters.map(({ expire }) => expire)),
  ]
}

function messageColumns(messages: readonly (readonly [RcvId, Message])[]): Buffer[] {
  return [
    idArray(messages.map(([rcvId]) => rcvId)),
    idArray(messages.map(([, { id }]) => id)),
    int8Array(messages.map(([, { timestamp }]) => timestamp)),
    boolArray(messages.map(([, { type }]) => type === 'quota')),
    boolArray(messages.map(([, message]) => message.type === 'message' && message.notify)),
    bytesArray(messages.map(([, message]) => (message.type === 'message' ? message.body : NO_BODY))),
  ]
}

function addNotificationChanges(
  add: (statement: Statement, rows: readonly unknown[], parameters: () => readonly Parameter[]) => void,
  { pending }: LoadedWork,
  statements: Statements,
): void {
  const all = [...pending].filter(([, { allDeleted }]) => allDeleted).map(([notifierId]) => notifierId)
  add(statements('deleteAllNotifications'), all, () => [idArray(all)])
  const deleted = [...pending.values()].flatMap((notifications) => notifications.deleted)
  add(statements('deleteNotifications'), deleted, () => [int8Array(deleted)])
  const added = [...pending].flatMap(([notifierId, notifications]) =>
    notifications.added.map((notification): [NotifierId, Notification] => [notifierId, notification]),
  )
  add(statements('insertNotifications'), added, () => [
    idArray(added.map(([notifierId]) => notifierId)),
    idArray(added.map(([, { msgId }]) => msgId)),
    int8Array(added.map(([, { timestamp }]) => timestamp)),
    bytesArray(added.map(([, { nonce }]) => nonce)),
    bytesArray(added.map(([, { encMeta }]) => encMeta)),
  ])
}
