import { AckTimes } from './ack-times.ts'
import { ActiveQueues } from './active-queues.ts'

/** One counter in every file and format in which it is shown. Its key is its name in the code and in the snapshot. */
export interface CounterRow {
  /** Column of the daily line, from 1. */
  readonly day?: number
  /** Metric, without its `simplex_smp_`. Counters with the same one are its samples, told apart by their labels. */
  readonly metric: string
  readonly labels?: Readonly<Record<string, string>>
  /** Of the metric; the first of its counters has it. */
  readonly help?: string
  /** Name in the comment below the sample, where it differs. */
  readonly note?: string
  /** Not in the snapshot. */
  readonly unsaved?: true
}

const auth = { labels: { type: 'auth' } } as const
const duplicate = { labels: { type: 'duplicate' } } as const
const prohibited = { labels: { type: 'prohibited' } } as const

/** The counters in the order of the snapshot. Some names have always been misspelled, and are an interface all the same. */
const rows = {
  qCreated: { day: 2, metric: 'queues_created', help: 'Queues created.' },
  qSecured: { day: 3, metric: 'queues_secured', help: 'Queues that got a sender key.' },
  qDeletedAll: {
    day: 4,
    metric: 'queues_deleted',
    labels: { type: 'all' },
    help: 'Queues deleted: all, without a sender key (new), with one (secured).',
    note: 'qDeleted',
  },
  qDeletedNew: { day: 18, metric: 'queues_deleted', labels: { type: 'new' } },
  qDeletedSecured: { day: 19, metric: 'queues_deleted', labels: { type: 'secured' } },
  qDeletedAllB: { day: 68, metric: 'queues_deleted_batch', help: 'Blocks with several commands that delete queues.' },
  qBlocked: { metric: 'queues_blocked', help: 'Queues blocked by the operator.' },
  qSub: {
    day: 41,
    metric: 'subscribtion_successes',
    help: 'Subscriptions to queues in which a message was waiting.',
  },
  qSubAllB: { day: 69, metric: 'subscribtion_successes_batch', help: 'Blocks with several subscriptions.' },
  qSubAuth: { day: 42, metric: 'subscribtion_errors', ...auth, help: 'Subscriptions refused or repeated.' },
  qSubDuplicate: { day: 43, metric: 'subscribtion_errors', ...duplicate },
  qSubProhibited: { day: 44, metric: 'subscribtion_errors', ...prohibited },
  qSubEnd: {
    day: 70,
    metric: 'subscribtion_end',
    help: 'Subscriptions ended by another client, or with their queue.',
  },
  qSubEndB: { day: 71, metric: 'subscribtion_end_batch', help: 'Batches in which clients were told.' },
  ntfCreated: { day: 62, metric: 'queues_notify_created', help: 'Notifiers added to queues.' },
  ntfNewCreated: { metric: 'queues_notify_new_created', help: 'Queues created with a notifier.' },
  ntfDeleted: { day: 63, metric: 'queues_notify_deleted', help: 'Notifiers removed from queues.' },
  ntfDeletedB: {
    day: 72,
    metric: 'queues_notify_deleted_batch',
    help: 'Blocks with several commands that remove notifiers.',
  },
  ntfSub: { day: 64, metric: 'subscription_ntf_requests', help: 'Subscriptions to notifiers.' },
  ntfSubB: {
    day: 73,
    metric: 'subscription_ntf_requests_batch',
    help: 'Blocks with several subscriptions to notifiers.',
  },
  ntfSubAuth: {
    day: 65,
    metric: 'subscribtion_ntf_errors',
    ...auth,
    help: 'Subscriptions to notifiers refused or repeated.',
  },
  ntfSubDuplicate: { day: 66, metric: 'subscribtion_ntf_errors', ...duplicate },
  msgSent: { day: 5, metric: 'messages_sent', help: 'Messages accepted from senders.' },
  msgSentAuth: { day: 45, metric: 'messages_sent_errors', ...auth, help: 'Messages refused.' },
  msgSentQuota: { day: 46, metric: 'messages_sent_errors', labels: { type: 'quota' } },
  msgSentLarge: { day: 47, metric: 'messages_sent_errors', labels: { type: 'large' } },
  msgSentBlock: { metric: 'messages_sent_errors', labels: { type: 'block' } },
  msgRecv: { day: 6, metric: 'messages_received', help: 'Messages acknowledged by recipients.' },
  msgRecvGet: {
    day: 52,
    metric: 'messages_notify_get_received',
    help: 'Messages returned by GET and acknowledged.',
  },
  msgGet: { day: 53, metric: 'messages_notify_get_sent', help: 'Messages returned by GET.' },
  msgGetNoMsg: {
    day: 54,
    metric: 'messages_notify_get_errors',
    labels: { type: 'nomsg' },
    help: 'GET without a message, refused or repeated.',
  },
  msgGetAuth: { day: 55, metric: 'messages_notify_get_errors', ...auth },
  msgGetDuplicate: { day: 56, metric: 'messages_notify_get_errors', ...duplicate },
  msgGetProhibited: { day: 57, metric: 'messages_notify_get_errors', ...prohibited },
  msgExpired: { day: 17, metric: 'messages_expired', help: 'Messages expired.' },
  msgSentNtf: { day: 10, metric: 'messages_notify_sent', help: 'Messages sent with a request to notify.' },
  msgRecvNtf: { day: 11, metric: 'messages_notify_received', help: 'Messages sent with it and acknowledged.' },
  msgNtfs: { day: 48, metric: 'messages_ntf_successes', help: 'Notifications sent.' },
  msgNtfsB: { day: 74, metric: 'messages_ntf_successes_batch', help: 'Batches of notifications sent.' },
  // This and the next one are counted by older relays only: here they stay as they were restored.
  msgNtfNoSub: {
    day: 49,
    metric: 'messages_ntf_errors',
    labels: { type: 'nosub' },
    help: 'Notifications dropped. This relay drops only those that expired.',
  },
  msgNtfLost: { day: 50, metric: 'messages_ntf_errors', labels: { type: 'lost' } },
  msgNtfExpired: { day: 75, metric: 'messages_ntf_errors', labels: { type: 'expired' } },
  pMsgFwdsRecv: { day: 40, metric: 'relay_messages_received', help: 'Commands forwarded by other relays.' },
  rcvServicesSubMsg: {
    metric: 'rcv_services_sub_msg_count',
    help: 'Queues of services in which a message was waiting when they subscribed.',
    unsaved: true,
  },
  rcvServicesSubDuplicate: {
    metric: 'rcv_services_sub_duplicate_count',
    help: 'Such queues that the connection was receiving from already.',
    unsaved: true,
  },
} as const satisfies Readonly<Record<string, CounterRow>>

export type CounterName = keyof typeof rows
export const counterRows: Readonly<Record<CounterName, CounterRow>> = rows
export const counterNames = Object.keys(rows) as CounterName[]

/** One counter of a group; its group is the block of the snapshot and says where its columns of the daily line begin. */
export interface MemberRow {
  /** The last part of the metric. */
  readonly metric: string
  readonly labels?: Readonly<Record<string, string>>
  readonly help?: string
  readonly note: string
  readonly kind?: 'gauge'
  /** Name in the snapshot, where it differs. */
  readonly saved?: string
  /** Neither in the snapshot nor in the daily line. */
  readonly unsaved?: true
}

/** What became of requests to other relays. */
const proxyRows = {
  requests: { metric: 'requests', help: 'requested by clients.', note: 'pRequests' },
  successes: { metric: 'successes', help: 'that succeeded.', note: 'pSuccesses' },
  errorsConnect: { metric: 'errors', labels: { type: 'connect' }, help: 'that failed.', note: 'pErrorsConnect' },
  errorsCompat: { metric: 'errors', labels: { type: 'compat' }, note: 'pErrorsCompat' },
  errorsOther: { metric: 'errors', labels: { type: 'other' }, note: 'pErrorsOther' },
} as const satisfies Readonly<Record<string, MemberRow>>

/** What services did with their associations and subscriptions. */
const serviceRows = {
  assocNew: { metric: 'assoc_new', help: 'Queues newly associated.', note: 'srvAssocNew' },
  assocDuplicate: { metric: 'assoc_duplicate', help: 'Queues associated already.', note: 'srvAssocDuplicate' },
  assocUpdated: {
    metric: 'assoc_updated',
    help: 'Queues moved from another service.',
    note: 'srvAssocUpdated',
    saved: 'assocUpdatedt',
  },
  assocRemoved: { metric: 'assoc_removed', help: 'Queues no longer associated.', note: 'srvAssocRemoved' },
  subCount: { metric: 'sub_count', help: 'Subscriptions to all their queues at once.', note: 'srvSubCount' },
  subDuplicate: { metric: 'sub_duplicate', help: 'Such subscriptions repeated.', note: 'srvSubDuplicate' },
  subQueues: { metric: 'sub_queues', help: 'Queues in these subscriptions.', note: 'srvSubQueues', kind: 'gauge' },
  subEnd: {
    metric: 'sub_end',
    help: 'Such subscriptions replaced by another connection of the service.',
    note: 'srvSubEnd',
    kind: 'gauge',
  },
  subOk: {
    metric: 'sub_ok',
    help: 'Subscriptions in which both sides know the same queues.',
    note: 'srvSubOk',
    kind: 'gauge',
    unsaved: true,
  },
  subMore: {
    metric: 'sub_more',
    help: 'Subscriptions in which the relay knows more queues.',
    note: 'srvSubMore',
    kind: 'gauge',
    unsaved: true,
  },
  subFewer: {
    metric: 'sub_fewer',
    help: 'Subscriptions in which the relay knows fewer queues.',
    note: 'srvSubFewer',
    kind: 'gauge',
    unsaved: true,
  },
  subDiff: {
    metric: 'sub_diff',
    help: 'Subscriptions with the same number of queues, but different ones.',
    note: 'srvSubDiff',
    kind: 'gauge',
    unsaved: true,
  },
  subMoreTotal: {
    metric: 'sub_more_total',
    help: 'Queues known to the relay only.',
    note: 'srvSubMoreTotal',
    kind: 'gauge',
    unsaved: true,
  },
  subFewerTotal: {
    metric: 'sub_fewer_total',
    help: 'Queues known to the services only.',
    note: 'srvSubFewerTotal',
    kind: 'gauge',
    unsaved: true,
  },
} as const satisfies Readonly<Record<string, MemberRow>>

/** What became of requests for public names. */
const nameRows = {
  reqs: { metric: 'reqs', help: 'Names requested by clients.', note: 'rslvReqs' },
  succ: { metric: 'success', help: 'Names found.', note: 'rslvSucc' },
  notFound: { metric: 'not_found', help: 'Names that do not exist.', note: 'rslvNotFound' },
  resolverErrs: {
    metric: 'resolver_errs',
    help: 'Requests that the resolver failed to answer.',
    note: 'rslvResolverErrs',
  },
  disabled: { metric: 'disabled', help: 'Requests while no resolver is configured.', note: 'rslvDisabled' },
} as const satisfies Readonly<Record<string, MemberRow>>

export type ProxyCounters = Record<keyof typeof proxyRows, number>
export type ServiceCounters = Record<keyof typeof serviceRows, number>
export type NameCounters = Record<keyof typeof nameRows, number>

export interface CounterGroup {
  readonly rows: Readonly<Record<string, MemberRow>>
  /** First column of the daily line. */
  readonly day: number
  /** Header of its block in the snapshot. */
  readonly block: string
}

/** The groups of counters, in the order of the snapshot; {@link counterRows}' `pMsgFwdsRecv` follows `pMsgFwdsOwn`. */
const groups = {
  pRelays: { rows: proxyRows, day: 20, block: 'pRelays' },
  pRelaysOwn: { rows: proxyRows, day: 25, block: 'pRelaysOwn' },
  pMsgFwds: { rows: proxyRows, day: 30, block: 'pMsgFwds' },
  pMsgFwdsOwn: { rows: proxyRows, day: 35, block: 'pMsgFwdsOwn' },
  rcvServices: { rows: serviceRows, day: 81, block: 'rcvServices' },
  ntfServices: { rows: serviceRows, day: 89, block: 'ntfServices' },
  names: { rows: nameRows, day: 97, block: 'rslvStats' },
} as const satisfies Readonly<Record<string, CounterGroup>>

export type GroupName = keyof typeof groups
export const counterGroups: Readonly<Record<GroupName, CounterGroup>> = groups
export const groupNames = Object.keys(groups) as GroupName[]

/** Aggregate counters only: nothing here can be traced to a queue or a person. */
export interface Stats extends Record<CounterName, number> {
  /** Start of the counting period, milliseconds since the epoch. */
  fromTime: number
  readonly pRelays: ProxyCounters
  readonly pRelaysOwn: ProxyCounters
  readonly pMsgFwds: ProxyCounters
  readonly pMsgFwdsOwn: ProxyCounters
  readonly rcvServices: ServiceCounters
  readonly ntfServices: ServiceCounters
  readonly names: NameCounters
  readonly activeQueues: ActiveQueues
  readonly ackTimes: AckTimes
}

/**
 * All counters at zero.
 *
 * @param fromTime start of the counting period, milliseconds since the epoch
 * @param hashKey secret of {@link ActiveQueues}, 32 bytes
 */
export function newStats(fromTime: number, hashKey: Uint8Array): Stats {
  return {
    ...zeros(rows),
    fromTime,
    pRelays: zeros(proxyRows),
    pRelaysOwn: zeros(proxyRows),
    pMsgFwds: zeros(proxyRows),
    pMsgFwdsOwn: zeros(proxyRows),
    rcvServices: zeros(serviceRows),
    ntfServices: zeros(serviceRows),
    names: zeros(nameRows),
    activeQueues: new ActiveQueues(hashKey),
    ackTimes: new AckTimes(),
  }
}

/** Begins another counting period. What services did is counted since the first start, as in all SMP relays. */
export function beginPeriod(stats: Stats, fromTime: number): void {
  Object.assign(stats, zeros(rows), { fromTime })
  // In place: commands that wait for another relay or a resolver count their end in what they began with.
  for (const group of ['pRelays', 'pRelaysOwn', 'pMsgFwds', 'pMsgFwdsOwn', 'names'] as const) {
    Object.assign(stats[group], zeros(counterGroups[group].rows))
  }
}

/** The counters of a group that the snapshot and the daily line have, with their values. */
export function savedMembers(stats: Stats, group: GroupName): { name: string; saved: string; value: number }[] {
  const counters: Readonly<Record<string, number>> = stats[group]
  return Object.entries(counterGroups[group].rows)
    .filter(([, { unsaved }]) => unsaved !== true)
    .map(([name, { saved }]) => ({ name, saved: saved ?? name, value: counters[name] ?? 0 }))
}

function zeros<K extends string>(rows: Readonly<Record<K, unknown>>): Record<K, number> {
  return Object.fromEntries(Object.keys(rows).map((name) => [name, 0])) as Record<K, number>
}
