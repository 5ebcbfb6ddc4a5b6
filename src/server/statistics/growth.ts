import { periods, type NewlyActive } from './active-queues.ts'
import type { AckTimes } from './ack-times.ts'
import { counterNames, groupNames, type CounterName, type GroupName, type Stats } from './counters.ts'

/** What the counters of one process grew by; another process adds it to its own. */
export interface Growth {
  readonly counters: Readonly<Partial<Record<CounterName, number>>>
  readonly groups: Readonly<Partial<Record<GroupName, Readonly<Record<string, number>>>>>
  readonly active: NewlyActive
  readonly acks: Readonly<Pick<AckTimes, 'buckets' | 'periods' | 'count' | 'sum' | 'max'>>
}

/** Moves everything out of the counters, which are at zero after that. */
export function takeGrowth(stats: Stats): Growth {
  const counters: Partial<Record<CounterName, number>> = {}
  for (const name of counterNames) {
    if (stats[name] !== 0) counters[name] = stats[name]
    stats[name] = 0
  }
  const groups: Partial<Record<GroupName, Record<string, number>>> = {}
  for (const group of groupNames) {
    const members: Record<string, number> = stats[group]
    const grown = Object.entries(members).filter(([, count]) => count !== 0)
    if (grown.length > 0) groups[group] = Object.fromEntries(grown)
    // In place: commands that wait for another relay count their end in what they began with.
    for (const [name] of grown) members[name] = 0
  }
  return { counters, groups, active: stats.activeQueues.take(), acks: stats.ackTimes.take() }
}

/** Adds what {@link takeGrowth} took, here or in another process. */
export function addGrowth(stats: Stats, { counters, groups, active, acks }: Growth): void {
  for (const name of counterNames) stats[name] += counters[name] ?? 0
  for (const group of groupNames) {
    const members: Record<string, number> = stats[group]
    for (const [name, count] of Object.entries(groups[group] ?? {})) members[name] = (members[name] ?? 0) + count
  }
  for (const period of periods) {
    for (const hash of active.activeQueues) stats.activeQueues.restore('activeQueues', period, hash)
    for (const hash of active.activeQueuesNtf) stats.activeQueues.restore('activeQueuesNtf', period, hash)
  }
  stats.ackTimes.merge(acks)
}
