import type { StoreCounts } from '../../store/store.ts'
import { activeSets, periods, type Period } from './active-queues.ts'
import { counterGroups, counterNames, counterRows, groupNames, savedMembers, type Stats } from './counters.ts'

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

const COLUMNS = 101

/** Columns of numbers that are not counters. */
const DATE_COLUMN = 1
const ACTIVE_COLUMNS = { activeQueues: 7, activeQueuesNtf: 12 } as const
const STORE_COLUMNS: Readonly<Record<keyof StoreCounts, readonly number[]>> = {
  queues: [15, 61],
  messages: [16],
  notifiers: [67],
  notifications: [76],
  rcvServices: [77],
  ntfServices: [78],
  rcvServiceQueues: [79],
  ntfServiceQueues: [80],
}

/**
 * A line of `smp-server-stats.daily.log`: 101 columns without quotes, in the order that SMP relays have had since their
 * first version, with new columns at the end only. Columns of counters that no relay has any more are 0.
 *
 * @param now milliseconds since the epoch, at the end of the period
 */
export function dailyLine(stats: Stats, counts: StoreCounts, now: number): string {
  const columns = Array.from({ length: COLUMNS }, (): string | number => 0)
  const set = (column: number | undefined, value: string | number): void => {
    if (column !== undefined) columns[column - 1] = value
  }
  set(DATE_COLUMN, new Date(stats.fromTime).toISOString().slice(0, 10))
  const ended = endedPeriods(now)
  for (const active of activeSets) {
    for (const [index, period] of periods.entries()) {
      set(ACTIVE_COLUMNS[active] + index, ended.includes(period) ? stats.activeQueues.size(active, period) : '')
    }
  }
  for (const [name, value] of Object.entries(counts) as [keyof StoreCounts, number][]) {
    for (const column of STORE_COLUMNS[name]) set(column, value)
  }
  for (const name of counterNames) set(counterRows[name].day, stats[name])
  for (const group of groupNames) {
    for (const [index, { value }] of savedMembers(stats, group).entries()) set(counterGroups[group].day + index, value)
  }
  return columns.join(',')
}
