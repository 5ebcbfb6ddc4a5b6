import type { Command } from '../../protocol/command.ts'
import { fail, type Context, type Outcome } from '../outcome.ts'
import { countComparison } from '../statistics/commands.ts'
import { deliverServiceMessages, deliverServiceNotifications, takeService } from '../services.ts'

/**
 * SUBS, NSUBS: subscribes a service to all its queues at once. The client's own count and hash are only compared, for
 * the statistics; the reply carries ours, and what waits in the queues follows.
 */
export function subscribeService(context: Context, command: Command<'SUBS' | 'NSUBS'>): Outcome {
  const { core, session } = context
  const service = session.link.service
  if (service === undefined) return fail({ type: 'AUTH' })
  const party = command.type === 'SUBS' ? 'R' : 'N'
  const own = core.store.serviceSubscriptions(service.serviceId, party)
  const stats = party === 'R' ? core.stats.rcvServices : core.stats.ntfServices
  if (session.subscribedAll) stats.subDuplicate++
  else {
    session.subscribedAll = true
    stats.subCount++
    stats.subQueues += own.count
    countComparison(stats, command, own)
    takeService(core, session, party)
    const deliver = party === 'R' ? deliverServiceMessages : deliverServiceNotifications
    session.deferred.walks.push(deliver(core, session))
    session.wake()
  }
  return { reply: { type: 'SOKS', count: own.count, idsHash: own.idsHash } }
}
