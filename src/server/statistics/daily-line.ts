import type { StoreCounts } from '../../store/store.ts'
import type { Period } from './active-queues.ts'
import type { NameCounters, ProxyCounters, ServiceCounters, Stats } from './counters.ts'

const MONDAY = 1
const DAY_MS = 86_400_000

/** The end of the present day, UTC, in milliseconds since the epoch. */
export function nextMidnight(now: number): number {
  return now - (now % DAY_MS) + DAY_MS
}

/** The periods that end with the day before `now`: weeks end on Mondays, months on the first. */
export function endedPeriods(now: number): Period[] {
  const date = new Date(now)
  return [
    'day',
    ...(date.getUTCDay() === MONDAY ? (['week'] as const) : []),
    ...(date.getUTCDate() === 1 ? (['month'] as const) : []),
  ]
}

/**
 * A line of `smp-server-stats.daily.log`: 101 columns without quotes, in the order that SMP relays have had since their
 * first version, with new columns at the end only.
 *
 * @param now milliseconds since the epoch, at the end of the period
 */
export function dailyLine(stats: Stats, counts: StoreCounts, now: number): string {
  const ended = endedPeriods(now)
  const active = (set: 'activeQueues' | 'activeQueuesNtf'): (number | '')[] =>
    (['day', 'week', 'month'] as const).map((period) =>
      ended.includes(period) ? stats.activeQueues.size(set, period) : '',
    )
  // Columns of counters that no relay has any more.
  const retired = 0
  const { rcvServices, ntfServices, names } = stats
  const columns = [
    [new Date(stats.fromTime).toISOString().slice(0, 10), stats.qCreated, stats.qSecured, stats.qDeletedAll],
    [stats.msgSent, stats.msgRecv, ...active('activeQueues')],
    [stats.msgSentNtf, stats.msgRecvNtf, ...active('activeQueuesNtf')],
    [counts.queues, counts.messages, stats.msgExpired, stats.qDeletedNew, stats.qDeletedSecured],
    [...proxied(stats.pRelays), ...proxied(stats.pRelaysOwn)],
    [...proxied(stats.pMsgFwds), ...proxied(stats.pMsgFwdsOwn), stats.pMsgFwdsRecv],
    [stats.qSub, stats.qSubAuth, stats.qSubDuplicate, stats.qSubProhibited],
    [stats.msgSentAuth, stats.msgSentQuota, stats.msgSentLarge],
    [stats.msgNtfs, stats.msgNtfNoSub, stats.msgNtfLost, retired],
    [stats.msgRecvGet, stats.msgGet, stats.msgGetNoMsg, stats.msgGetAuth, stats.msgGetDuplicate],
    [stats.msgGetProhibited, retired, retired, retired, counts.queues],
    [stats.ntfCreated, stats.ntfDeleted, stats.ntfSub, stats.ntfSubAuth, stats.ntfSubDuplicate, counts.notifiers],
    [stats.qDeletedAllB, stats.qSubAllB, stats.qSubEnd, stats.qSubEndB],
    [stats.ntfDeletedB, stats.ntfSubB, stats.msgNtfsB, stats.msgNtfExpired, counts.notifications],
    [counts.rcvServices, counts.ntfServices, counts.rcvServiceQueues, counts.ntfServiceQueues],
    [...served(rcvServices), ...served(ntfServices), ...named(names)],
  ]
  return columns.flat().join(',')
}

function proxied(counters: ProxyCounters): number[] {
  return [counters.requests, counters.successes, counters.errorsConnect, counters.errorsCompat, counters.errorsOther]
}

function served(counters: ServiceCounters): number[] {
  const { assocNew, assocDuplicate, assocUpdated, assocRemoved, subCount, subDuplicate, subQueues, subEnd } = counters
  return [assocNew, assocDuplicate, assocUpdated, assocRemoved, subCount, subDuplicate, subQueues, subEnd]
}

function named({ reqs, succ, notFound, resolverErrs, disabled }: NameCounters): number[] {
  return [reqs, succ, notFound, resolverErrs, disabled]
}
