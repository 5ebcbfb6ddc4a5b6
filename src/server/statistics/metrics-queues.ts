import { counter, counters, gauge, type MetricGroup } from './metric.ts'

export const queueMetrics: MetricGroup = {
  title: 'Queues',
  metrics: [
    counter('queues_created', 'Queues that were created.', 'qCreated', ({ stats }) => stats.qCreated),
    counter('queues_secured', 'Queues that got a sender key.', 'qSecured', ({ stats }) => stats.qSecured),
    counters('queues_deleted', 'Queues that were deleted, with and without a sender key.', [
      [{ type: 'all' }, 'qDeleted', ({ stats }) => stats.qDeletedAll],
      [{ type: 'new' }, 'qDeletedNew', ({ stats }) => stats.qDeletedNew],
      [{ type: 'secured' }, 'qDeletedSecured', ({ stats }) => stats.qDeletedSecured],
    ]),
    counter('queues_blocked', 'Queues that the operator blocked.', 'qBlocked', ({ stats }) => stats.qBlocked),
    counter(
      'queues_deleted_batch',
      'Blocks with several commands that delete queues.',
      'qDeletedAllB',
      ({ stats }) => stats.qDeletedAllB,
    ),
    gauge('queues_total1', 'Queues in the store.', 'qCount', ({ counts }) => counts.queues),
    gauge('queues_total2', 'The same: this relay counts in one way only.', 'qCount2', ({ counts }) => counts.queues),
    gauge('queues_daily', 'Queues that were used in the present day.', 'dayMsgQueues', ({ stats }) =>
      stats.activeQueues.size('activeQueues', 'day'),
    ),
    gauge('queues_weekly', 'Queues that were used in the present week.', 'weekMsgQueues', ({ stats }) =>
      stats.activeQueues.size('activeQueues', 'week'),
    ),
    gauge('queues_monthly', 'Queues that were used in the present month.', 'monthMsgQueues', ({ stats }) =>
      stats.activeQueues.size('activeQueues', 'month'),
    ),
    gauge('queues_notify_daily', 'Queues with notifications in the present day.', 'dayCountNtf', ({ stats }) =>
      stats.activeQueues.size('activeQueuesNtf', 'day'),
    ),
    gauge('queues_notify_weekly', 'Queues with notifications in the present week.', 'weekCountNtf', ({ stats }) =>
      stats.activeQueues.size('activeQueuesNtf', 'week'),
    ),
    gauge('queues_notify_monthly', 'Queues with notifications in the present month.', 'monthCountNtf', ({ stats }) =>
      stats.activeQueues.size('activeQueuesNtf', 'month'),
    ),
  ],
}

export const subscriptionMetrics: MetricGroup = {
  title: 'Subscriptions',
  metrics: [
    counter(
      'subscribtion_successes',
      'Subscriptions to queues in which a message was waiting.',
      'qSub',
      ({ stats }) => stats.qSub,
    ),
    counter(
      'subscribtion_successes_batch',
      'Blocks with several subscriptions.',
      'qSubAllB',
      ({ stats }) => stats.qSubAllB,
    ),
    counter(
      'subscribtion_end',
      'Subscriptions that ended because of another client, or with their queue.',
      'qSubEnd',
      ({ stats }) => stats.qSubEnd,
    ),
    counter('subscribtion_end_batch', 'Times that clients were told so.', 'qSubEndB', ({ stats }) => stats.qSubEndB),
    counters('subscribtion_errors', 'Subscriptions that were refused, or repeated.', [
      [{ type: 'auth' }, 'qSubAuth', ({ stats }) => stats.qSubAuth],
      [{ type: 'duplicate' }, 'qSubDuplicate', ({ stats }) => stats.qSubDuplicate],
      [{ type: 'prohibited' }, 'qSubProhibited', ({ stats }) => stats.qSubProhibited],
    ]),
  ],
}
