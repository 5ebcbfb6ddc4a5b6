import type { ServiceQueues } from '../../protocol/service-queues.ts'
import type { ServiceCounters } from './counters.ts'

/** Counts how the queues that a service claims compare with those that the relay has. */
export function countComparison(stats: ServiceCounters, claimed: ServiceQueues, own: ServiceQueues): void {
  const more = own.count - claimed.count
  if (claimed.count < 0) return
  if (more > 0) {
    stats.subMore++
    stats.subMoreTotal += more
  } else if (more < 0) {
    stats.subFewer++
    stats.subFewerTotal -= more
  } else if (claimed.idsHash.equals(own.idsHash)) stats.subOk++
  else stats.subDiff++
}
