import type { ActiveSet, Period } from './active-queues.ts'
import { counters, gauge, type Metric, type MetricGroup } from './metric.ts'

function active(name: string, help: string, note: string, set: ActiveSet, period: Period): Metric {
  return gauge(name, help, note, ({ stats }) => stats.activeQueues.size(set, period))
}

export const queueMetrics: MetricGroup = {
  title: 'Queues',
  metrics: [
    ...counters('qCreated', 'qSecured', 'qDeletedAll', 'qDeletedNew', 'qDeletedSecured', 'qBlocked', 'qDeletedAllB'),
    gauge('queues_total1', 'Queues in the store.', 'qCount', ({ counts }) => counts.queues),
    gauge('queues_total2', 'The same: this relay counts in one way only.', 'qCount2', ({ counts }) => counts.queues),
    active('queues_daily', 'Queues used today.', 'dayMsgQueues', 'activeQueues', 'day'),
    active('queues_weekly', 'Queues used this week.', 'weekMsgQueues', 'activeQueues', 'week'),
    active('queues_monthly', 'Queues used this month.', 'monthMsgQueues', 'activeQueues', 'month'),
    active('queues_notify_daily', 'Queues with notifications today.', 'dayCountNtf', 'activeQueuesNtf', 'day'),
    active('queues_notify_weekly', 'Queues with notifications this week.', 'weekCountNtf', 'activeQueuesNtf', 'week'),
    active(
      'queues_notify_monthly',
      'Queues with notifications this month.',
      'monthCountNtf',
      'activeQueuesNtf',
      'month',
    ),
  ],
}

export const subscriptionMetrics: MetricGroup = {
  title: 'Subscriptions',
  metrics: counters('qSub', 'qSubAllB', 'qSubEnd', 'qSubEndB', 'qSubAuth', 'qSubDuplicate', 'qSubProhibited'),
}
