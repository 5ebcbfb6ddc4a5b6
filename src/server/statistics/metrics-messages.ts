import { counter, counters, gauge, type MetricGroup } from './metric.ts'

export const messageMetrics: MetricGroup = {
  title: 'Messages',
  metrics: [
    counter('messages_sent', 'Messages that senders handed in.', 'msgSent', ({ stats }) => stats.msgSent),
    counters('messages_sent_errors', 'Messages that were not taken.', [
      [{ type: 'auth' }, 'msgSentAuth', ({ stats }) => stats.msgSentAuth],
      [{ type: 'quota' }, 'msgSentQuota', ({ stats }) => stats.msgSentQuota],
      [{ type: 'large' }, 'msgSentLarge', ({ stats }) => stats.msgSentLarge],
      [{ type: 'block' }, 'msgSentBlock', ({ stats }) => stats.msgSentBlock],
    ]),
    counter('messages_received', 'Messages that recipients acknowledged.', 'msgRecv', ({ stats }) => stats.msgRecv),
    counter('messages_expired', 'Messages that were dropped for their age.', 'msgExpired', ({ stats }) => {
      return stats.msgExpired
    }),
    gauge('messages_total', 'Messages in the store, marks of full queues included.', 'msgCount', ({ counts }) => {
      return counts.messages
    }),
  ],
}

export const notificationMetrics: readonly MetricGroup[] = [
  {
    title: 'Notification messages (client)',
    metrics: [
      counter('messages_notify_sent', 'Messages sent that call for a notification.', 'msgSentNtf', ({ stats }) => {
        return stats.msgSentNtf
      }),
      counter('messages_notify_received', 'Such messages that recipients acknowledged.', 'msgRecvNtf', ({ stats }) => {
        return stats.msgRecvNtf
      }),
      counter('messages_notify_get_sent', 'Messages handed out for GET.', 'msgGet', ({ stats }) => stats.msgGet),
      counter('messages_notify_get_received', 'Of these, acknowledged ones.', 'msgRecvGet', ({ stats }) => {
        return stats.msgRecvGet
      }),
      counters('messages_notify_get_errors', 'GET without a message, refused, or repeated.', [
        [{ type: 'nomsg' }, 'msgGetNoMsg', ({ stats }) => stats.msgGetNoMsg],
        [{ type: 'auth' }, 'msgGetAuth', ({ stats }) => stats.msgGetAuth],
        [{ type: 'duplicate' }, 'msgGetDuplicate', ({ stats }) => stats.msgGetDuplicate],
        [{ type: 'prohibited' }, 'msgGetProhibited', ({ stats }) => stats.msgGetProhibited],
      ]),
      counter('queues_notify_created', 'Notifiers that were added to queues.', 'ntfCreated', ({ stats }) => {
        return stats.ntfCreated
      }),
      counter('queues_notify_new_created', 'Queues created with a notifier.', 'ntfNewCreated', ({ stats }) => {
        return stats.ntfNewCreated
      }),
      counter('queues_notify_deleted', 'Notifiers that were removed from queues.', 'ntfDeleted', ({ stats }) => {
        return stats.ntfDeleted
      }),
      counter('queues_notify_deleted_batch', 'Blocks with several such commands.', 'ntfDeletedB', ({ stats }) => {
        return stats.ntfDeletedB
      }),
      gauge('queues_notify_total1', 'Notifications in the store.', 'ntfCount1', ({ counts }) => counts.notifications),
      gauge('queues_notify_total2', 'Queues with a notifier.', 'ntfCount2', ({ counts }) => counts.notifiers),
    ],
  },
  {
    title: 'Notifications (server)',
    metrics: [
      counter('messages_ntf_successes', 'Notifications that were sent.', 'msgNtfs', ({ stats }) => stats.msgNtfs),
      counter('messages_ntf_successes_batch', 'Batches of them.', 'msgNtfsB', ({ stats }) => stats.msgNtfsB),
      counters('messages_ntf_errors', 'Notifications that were dropped; this relay drops none but for their age.', [
        [{ type: 'nosub' }, 'msgNtfNoSub', ({ stats }) => stats.msgNtfNoSub],
        [{ type: 'lost' }, 'msgNtfLost', ({ stats }) => stats.msgNtfLost],
        [{ type: 'expired' }, 'msgNtfExpired', ({ stats }) => stats.msgNtfExpired],
      ]),
      counter('subscription_ntf_requests', 'Subscriptions to notifiers.', 'ntfSub', ({ stats }) => stats.ntfSub),
      counter('subscription_ntf_requests_batch', 'Blocks with several of them.', 'ntfSubB', ({ stats }) => {
        return stats.ntfSubB
      }),
      counters('subscribtion_ntf_errors', 'Subscriptions to notifiers that were refused, or repeated.', [
        [{ type: 'auth' }, 'ntfSubAuth', ({ stats }) => stats.ntfSubAuth],
        [{ type: 'duplicate' }, 'ntfSubDuplicate', ({ stats }) => stats.ntfSubDuplicate],
      ]),
    ],
  },
]
