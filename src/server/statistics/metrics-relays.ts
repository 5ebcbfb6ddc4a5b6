import { counters, gauge, groupCounters, type Metric, type MetricGroup } from './metric.ts'

function proxied(prefix: string, what: string, group: 'pRelays' | 'pMsgFwds'): Metric[] {
  const own = `${group}Own` as const
  return groupCounters(prefix, `${what} `, [
    { group, labels: { source: 'all' }, note: (note) => `${group}_${note}` },
    { group: own, labels: { source: 'own' }, note: (note) => `${own}_${note}` },
  ])
}

/** What this relay does for clients of other relays, and their relays for its own clients. */
export const relayMetrics: MetricGroup = {
  title: 'Relays',
  metrics: [
    ...proxied('relay_sessions', 'Sessions with other relays', 'pRelays'),
    ...proxied('relay_messages', 'Commands to other relays', 'pMsgFwds'),
    ...counters('pMsgFwdsRecv'),
  ],
}

export const serviceMetrics: MetricGroup = {
  title: 'Services',
  metrics: [
    gauge('rcv_services_count', 'Services that receive messages.', 'rcvServiceCount', ({ counts }) => {
      return counts.rcvServices
    }),
    gauge('rcv_services_queues_count', 'Queues of these services.', 'rcv.rcvServiceQueuesCount', ({ counts }) => {
      return counts.rcvServiceQueues
    }),
    gauge('ntf_services_count', 'Services that send notifications.', 'ntfServiceCount', ({ counts }) => {
      return counts.ntfServices
    }),
    gauge('ntf_services_queues_count', 'Notifiers of these services.', 'ntfServiceQueuesCount', ({ counts }) => {
      return counts.ntfServiceQueues
    }),
    ...counters('rcvServicesSubMsg', 'rcvServicesSubDuplicate'),
    ...groupCounters('rcv_services', 'Receiving services: ', [{ group: 'rcvServices', note: (note) => `rcv.${note}` }]),
    ...groupCounters('ntf_services', 'Notification services: ', [
      { group: 'ntfServices', note: (note) => `ntf.${note}` },
    ]),
  ],
}

export const nameMetrics: MetricGroup = {
  title: 'Names',
  metrics: groupCounters('names', '', [{ group: 'names', note: (note) => note }]),
}
