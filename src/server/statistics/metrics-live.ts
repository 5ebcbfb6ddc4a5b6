import { ackBuckets, type AckPeriods, type AckTimes } from './ack-times.ts'
import type { PortSockets } from './live.ts'
import { gauge, type Metric, type MetricGroup, type Sample } from './metric.ts'

function sockets(name: Exclude<keyof PortSockets, 'port'>, help: string): Metric {
  return {
    name: `simplex_smp_sockets_${name}`,
    type: 'gauge',
    help,
    samples: ({ live }) => live.sockets.map((socket) => ({ labels: { port: socket.port }, value: socket[name] })),
  }
}

function byPeriod(counts: Readonly<AckPeriods>): Sample[] {
  return Object.entries(counts).map(([period, value]) => ({ labels: { period }, value }))
}

function histogram({ sum, count, buckets }: AckTimes): Sample[] {
  let below = 0
  return [
    { suffix: '_sum', value: sum },
    { suffix: '_count', value: count },
    ...[...ackBuckets, '+Inf'].map((le, at) => {
      below += buckets[at] ?? 0
      return { suffix: '_bucket', labels: { le }, value: below }
    }),
  ]
}

const info: Metric = {
  name: 'simplex_smp_info',
  type: 'gauge',
  help: 'The version, and what it runs on.',
  samples: ({ version }) => [
    { labels: { version, rts_options: `Node.js ${process.version}` }, value: 1, timeless: true },
  ],
}

const deliveries: readonly Metric[] = [
  gauge('delivered_total', 'Messages that wait for their acknowledgement.', 'delivered.subsCount', ({ live }) => {
    return live.deliveries.count
  }),
  gauge('delivered_clients_total', 'Clients that have such messages.', 'delivered.subClientsCount', ({ live }) => {
    return live.deliveries.clients
  }),
  {
    name: 'simplex_smp_delivery_ack_confirmed_time',
    type: 'histogram',
    help: 'Seconds until messages were acknowledged, since the start.',
    samples: ({ stats }) => histogram(stats.ackTimes),
  },
  {
    name: 'simplex_smp_delivery_ack_confirmed_count',
    type: 'counter',
    help: 'Acknowledged messages by the seconds that it took, since the start.',
    samples: ({ stats }) => byPeriod(stats.ackTimes.periods),
  },
  {
    name: 'simplex_smp_delivery_ack_pending_count',
    type: 'gauge',
    help: 'Messages that wait for their acknowledgement, by the seconds since delivery.',
    samples: ({ live }) => byPeriod(live.deliveries.waiting),
  },
  gauge(
    'delivery_ack_time_max',
    'The longest that a message took, or has been waiting, to be acknowledged, in seconds.',
    'delivered.maxTime',
    ({ stats, live }) => Math.max(stats.ackTimes.max, live.deliveries.longest),
  ),
]

const subscriptions: readonly Metric[] = [
  gauge('subscribtion_total', 'Subscribed queues.', 'smp.subsCount', ({ live }) => live.subscriptions),
  gauge('subscribtion_clients_total', 'Clients with such queues.', 'smp.subClientsCount', ({ live }) => {
    return live.subscribedClients
  }),
  gauge('subscribtion_services_total', 'Connected receiving services.', 'smp.subServicesCount', ({ live }) => {
    return live.services.R.connected
  }),
  gauge('subscribtion_service_subs_total', 'Queues of these services.', 'smp.subServiceSubsCount', ({ live }) => {
    return live.services.R.queues
  }),
  gauge('subscription_ntf_total', 'Subscribed notifiers.', 'ntf.subsCount', ({ live }) => live.notifiers),
  gauge('subscription_ntf_clients_total', 'Clients with such notifiers.', 'ntf.subClientsCount', ({ live }) => {
    return live.notifierClients
  }),
  gauge('subscribtion_nts_services_total', 'Connected notification services.', 'ntf.subServicesCount', ({ live }) => {
    return live.services.N.connected
  }),
  gauge(
    'subscription_ntf_service_subs_total',
    'Notifiers of these services.',
    'ntf.subServiceSubsCount',
    ({ live }) => {
      return live.services.N.queues
    },
  ),
]

/** Other relays load queues and lock them; the store of this one does neither, and all of its queues are at hand. */
const loaded: readonly Metric[] = [
  gauge('loaded_queues_queue_count', 'Queues in the store.', 'loadedCounts.loadedQueueCount', ({ counts }) => {
    return counts.queues
  }),
  gauge('loaded_queues_ntf_count', 'Notifiers in the store.', 'loadedCounts.loadedNotifierCount', ({ counts }) => {
    return counts.notifiers
  }),
  gauge('loaded_queues_open_journal_count', 'There are no journals.', 'loadedCounts.openJournalCount', () => 0),
  gauge('loaded_queues_queue_lock_count', 'There are no locks.', 'loadedCounts.queueLockCount', () => 0),
  gauge('loaded_queues_ntf_lock_count', 'There are no locks.', 'loadedCounts.notifierLockCount', () => 0),
]

export const liveMetrics: MetricGroup = {
  title: 'Info',
  metrics: [
    info,
    sockets('accepted', 'Connections that were accepted on a port since the start.'),
    sockets('closed', 'Connections that have ended.'),
    sockets('active', 'Connections that are open.'),
    sockets('leaked', 'Connections that were lost sight of: none.'),
    gauge('threads_total', 'Threads of the process.', undefined, ({ live }) => live.threads),
    gauge('clients_total', 'Clients that are connected.', undefined, ({ live }) => live.clients),
    ...deliveries,
    ...subscriptions,
    ...loaded,
  ],
}
