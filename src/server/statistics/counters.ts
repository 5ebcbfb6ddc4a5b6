import { AckTimes } from './ack-times.ts'
import { ActiveQueues } from './active-queues.ts'

/** Names of all counters, as the statistics files of SMP relays call them. */
export const counterNames = [
  'qCreated',
  'qSecured',
  'qDeletedAll',
  'qDeletedNew',
  'qDeletedSecured',
  'qDeletedAllB',
  'qBlocked',
  'qSub',
  'qSubAllB',
  'qSubAuth',
  'qSubDuplicate',
  'qSubProhibited',
  'qSubEnd',
  'qSubEndB',
  'ntfCreated',
  'ntfNewCreated',
  'ntfDeleted',
  'ntfDeletedB',
  'ntfSub',
  'ntfSubB',
  'ntfSubAuth',
  'ntfSubDuplicate',
  'msgSent',
  'msgSentAuth',
  'msgSentQuota',
  'msgSentLarge',
  'msgSentBlock',
  'msgRecv',
  'msgRecvGet',
  'msgGet',
  'msgGetNoMsg',
  'msgGetAuth',
  'msgGetDuplicate',
  'msgGetProhibited',
  'msgExpired',
  'msgSentNtf',
  'msgRecvNtf',
  'msgNtfs',
  'msgNtfsB',
  /** This and the next one are of older relays: never counted here, and kept as they were restored. */
  'msgNtfNoSub',
  'msgNtfLost',
  'msgNtfExpired',
  'pMsgFwdsRecv',
  'rcvServicesSubMsg',
  'rcvServicesSubDuplicate',
] as const

export type CounterName = (typeof counterNames)[number]

/** Counters of one group of relays that this relay forwards to. */
export interface ProxyCounters {
  requests: number
  successes: number
  errorsConnect: number
  errorsCompat: number
  errorsOther: number
}

export const proxyGroups = ['pRelays', 'pRelaysOwn', 'pMsgFwds', 'pMsgFwdsOwn'] as const
export type ProxyGroup = (typeof proxyGroups)[number]

/** What one client service did with its associations and subscriptions. */
export interface ServiceCounters {
  assocNew: number
  assocDuplicate: number
  assocUpdated: number
  assocRemoved: number
  subCount: number
  subDuplicate: number
  subQueues: number
  subEnd: number
  /** Subscriptions by how the service's own count of its queues compares with the relay's. */
  subOk: number
  subMore: number
  subFewer: number
  subDiff: number
  /** Queues that the relay has and the service did not know of, and the other way round. */
  subMoreTotal: number
  subFewerTotal: number
}

export const serviceGroups = ['rcvServices', 'ntfServices'] as const

/** Counts of name resolution requests. */
export interface NameCounters {
  reqs: number
  succ: number
  notFound: number
  resolverErrs: number
  disabled: number
}

/** Aggregate counters only: nothing here can be traced to a queue or a person. */
export interface Stats extends Record<CounterName, number>, Record<ProxyGroup, ProxyCounters> {
  /** Start of the counting period, milliseconds since the epoch. */
  fromTime: number
  rcvServices: ServiceCounters
  ntfServices: ServiceCounters
  names: NameCounters
  readonly activeQueues: ActiveQueues
  readonly ackTimes: AckTimes
}

const proxyCounters = (): ProxyCounters => ({
  requests: 0,
  successes: 0,
  errorsConnect: 0,
  errorsCompat: 0,
  errorsOther: 0,
})

const serviceCounters = (): ServiceCounters => ({
  assocNew: 0,
  assocDuplicate: 0,
  assocUpdated: 0,
  assocRemoved: 0,
  subCount: 0,
  subDuplicate: 0,
  subQueues: 0,
  subEnd: 0,
  subOk: 0,
  subMore: 0,
  subFewer: 0,
  subDiff: 0,
  subMoreTotal: 0,
  subFewerTotal: 0,
})

const nameCounters = (): NameCounters => ({ reqs: 0, succ: 0, notFound: 0, resolverErrs: 0, disabled: 0 })

/**
 * All counters at zero.
 *
 * @param fromTime start of the counting period, milliseconds since the epoch
 * @param hashKey secret of {@link ActiveQueues}, 32 bytes
 */
export function newStats(fromTime: number, hashKey: Uint8Array): Stats {
  return {
    ...zeroCounters(),
    fromTime,
    pRelays: proxyCounters(),
    pRelaysOwn: proxyCounters(),
    pMsgFwds: proxyCounters(),
    pMsgFwdsOwn: proxyCounters(),
    rcvServices: serviceCounters(),
    ntfServices: serviceCounters(),
    names: nameCounters(),
    activeQueues: new ActiveQueues(hashKey),
    ackTimes: new AckTimes(),
  }
}

/** Begins another counting period. What services did is counted since the first start, as in all SMP relays. */
export function beginPeriod(stats: Stats, fromTime: number): void {
  Object.assign(stats, zeroCounters(), { fromTime })
  // In place: commands that wait for another relay or a resolver count their end in what they began with.
  for (const group of proxyGroups) Object.assign(stats[group], proxyCounters())
  Object.assign(stats.names, nameCounters())
}

function zeroCounters(): Record<CounterName, number> {
  return Object.fromEntries(counterNames.map((name) => [name, 0])) as Record<CounterName, number>
}
