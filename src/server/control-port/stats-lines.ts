import type { StoreCounts } from '../../store/store.ts'
import type { CounterName, ProxyCounters, Stats } from '../statistics/counters.ts'
import type { Role } from './roles.ts'
import { showTime, showTuple } from './show.ts'

/** What `stats` shows. */
export interface StatsValues {
  readonly stats: Stats
  readonly counts: StoreCounts
}

/** The lines of `stats`, in the order that scripts know. */
export function statsLines({ stats, counts }: StatsValues, role: Role): string[] {
  const of = (...names: readonly CounterName[]): string[] => names.map((name) => `${name}: ${stats[name]}`)
  return [
    `fromTime: ${showTime(stats.fromTime)}`,
    ...of('qCreated', 'qSecured', 'qDeletedAll', 'qDeletedAllB', 'qDeletedNew', 'qDeletedSecured'),
    `daily active queues: ${stats.activeQueues.size('activeQueues', 'day')}`,
    ...of('qSub', 'qSubAllB', 'qSubEnd', 'qSubEndB'),
    `other SUB events (auth, duplicate, prohibited): ${showTuple(stats.qSubAuth, stats.qSubDuplicate, stats.qSubProhibited)}`,
    ...of('msgSent', 'msgRecv', 'msgRecvGet', 'msgGet', 'msgGetNoMsg'),
    `other GET events (auth, duplicate, prohibited): ${showTuple(stats.msgGetAuth, stats.msgGetDuplicate, stats.msgGetProhibited)}`,
    ...of('msgSentNtf', 'msgRecvNtf', 'msgNtfs', 'msgNtfsB', 'msgNtfExpired'),
    `qCount: ${counts.queues}`,
    `qCount 2: ${counts.queues}`,
    `notifiers: ${counts.notifiers}`,
    `msgCount: ${counts.messages}`,
    `ntfCount: ${counts.notifications}`,
    ...(role === 'admin' ? [`ntfCount 2: ${counts.notifications}`] : []),
    proxyLine('pRelays', stats.pRelays),
    proxyLine('pRelaysOwn', stats.pRelaysOwn),
    proxyLine('pMsgFwds', stats.pMsgFwds),
    proxyLine('pMsgFwdsOwn', stats.pMsgFwdsOwn),
    ...of('pMsgFwdsRecv'),
    `rcvServiceCount: ${counts.rcvServices}`,
    `ntfServiceCount: ${counts.ntfServices}`,
    `rcvServiceQueuesCount: ${counts.rcvServiceQueues}`,
    `ntfServiceQueuesCount: ${counts.ntfServiceQueues}`,
  ]
}

function proxyLine(label: string, counters: ProxyCounters): string {
  const { requests, successes, errorsConnect, errorsCompat, errorsOther } = counters
  return `${label}: requests=${requests}, successes=${successes}, errorsConnect=${errorsConnect}, errorsCompat=${errorsCompat}, errorsOther=${errorsOther}`
}
