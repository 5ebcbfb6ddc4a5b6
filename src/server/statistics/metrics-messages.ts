import { counters, gauge, type MetricGroup } from './metric.ts'

export const messageMetrics: MetricGroup = {
  title: 'Messages',
  metrics: [
    ...counters('msgSent', 'msgSentAuth', 'msgSentQuota', 'msgSentLarge', 'msgSentBlock', 'msgRecv', 'msgExpired'),
    gauge('messages_total', 'Messages in the store, including markers of full queues.', 'msgCount', ({ counts }) => {
      return counts.messages
    }),
  ],
}

export const notificationMetrics: readonly MetricGroup[] = [
  {
    title: 'Notification messages (client)',
    metrics: [
      ...counters('msgSentNtf', 'msgRecvNtf', 'msgGet', 'msgRecvGet'),
      ...counters('msgGetNoMsg', 'msgGetAuth', 'msgGetDuplicate', 'msgGetProhibited'),
      ...counters('ntfCreated', 'ntfNewCreated', 'ntfDeleted', 'ntfDeletedB'),
      gauge('queues_notify_total1', 'Notifications in the store.', 'ntfCount1', ({ counts }) => counts.notifications),
      gauge('queues_notify_total2', 'Queues with a notifier.', 'ntfCount2', ({ counts }) => counts.notifiers),
    ],
  },
  {
    title: 'Notifications (server)',
    metrics: counters(
      ...(['msgNtfs', 'msgNtfsB', 'msgNtfNoSub', 'msgNtfLost', 'msgNtfExpired'] as const),
      ...(['ntfSub', 'ntfSubB', 'ntfSubAuth', 'ntfSubDuplicate'] as const),
    ),
  },
]
