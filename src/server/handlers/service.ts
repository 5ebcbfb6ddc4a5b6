import type { Command } from '../../protocol/command.ts'
import { durable, fail, type Context, type Outcome } from '../outcome.ts'
import { countComparison } from '../statistics/commands.ts'
import { deliverLoading } from '../loading-delivery.ts'
import { deliverService, takeService } from '../services.ts'

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
  let claimed = false
  if (session.subscribedAll) stats.subDuplicate++
  else {
    session.subscribedAll = true
    stats.subCount++
    stats.subQueues += own.count
    countComparison(stats, command, own)
    claimed = takeService(core, session, party)
    const { engine } = core
    if (engine.loads) session.deferred.loadingWalks.push(deliverLoading(core, engine, session, party))
    else session.deferred.walks.push(deliverService(core, engine, session, party))
    session.wake()
  }
  const reply = { type: 'SOKS', count: own.count, idsHash: own.idsHash } as const
  return claimed ? durable(reply) : { reply }
}
