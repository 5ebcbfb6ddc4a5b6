import type { ProxyCounters, ServiceCounters } from './counters.ts'
import { counter, counters, gauge, type Facts, type Metric, type MetricGroup } from './metric.ts'

const errors = [
  ['connect', 'errorsConnect', 'pErrorsConnect'],
  ['compat', 'errorsCompat', 'pErrorsCompat'],
  ['other', 'errorsOther', 'pErrorsOther'],
] as const

function proxied(name: string, what: string, group: 'pRelays' | 'pMsgFwds'): Metric[] {
  const sources = [
    ['all', group],
    ['own', `${group}Own`],
  ] as const
  const bySource = (key: keyof ProxyCounters, note: string) =>
    sources.map(([source, counted]) => {
      return [{ source }, `${counted}_${note}`, ({ stats }: Facts) => stats[counted][key]] as const
    })
  return [
    counters(`relay_${name}_requests`, `${what} that clients asked for.`, bySource('requests', 'pRequests')),
    counters(`relay_${name}_successes`, `${what} that came about.`, bySource('successes', 'pSuccesses')),
    counters(
      `relay_${name}_errors`,
      `${what} that failed.`,
      sources.flatMap(([source, counted]) =>
        errors.map(([type, key, note]) => {
          return [{ source, type }, `${counted}_${note}`, ({ stats }: Facts) => stats[counted][key]] as const
        }),
      ),
    ),
  ]
}

/** What this relay does for clients of other relays, and their relays for its own clients. */
export const relayMetrics: MetricGroup = {
  title: 'Relays',
  metrics: [
    ...proxied('sessions', 'Sessions with other relays', 'pRelays'),
    ...proxied('messages', 'Commands to other relays', 'pMsgFwds'),
    counter('relay_messages_received', 'Commands that other relays passed on.', 'pMsgFwdsRecv', ({ stats }) => {
      return stats.pMsgFwdsRecv
    }),
  ],
}

type ServiceRow = readonly [suffix: string, note: string, key: keyof ServiceCounters, help: string, type?: 'gauge']

const serviceRows: readonly ServiceRow[] = [
  ['assoc_new', 'srvAssocNew', 'assocNew', 'Queues that became theirs.'],
  ['assoc_duplicate', 'srvAssocDuplicate', 'assocDuplicate', 'Queues that were theirs already.'],
  ['assoc_updated', 'srvAssocUpdated', 'assocUpdated', 'Queues that became theirs and were those of another service.'],
  ['assoc_removed', 'srvAssocRemoved', 'assocRemoved', 'Queues that are not theirs any more.'],
  ['sub_count', 'srvSubCount', 'subCount', 'Subscriptions to all their queues at once.'],
  ['sub_duplicate', 'srvSubDuplicate', 'subDuplicate', 'Such subscriptions that were repeated.'],
  ['sub_queues', 'srvSubQueues', 'subQueues', 'Queues in these subscriptions.', 'gauge'],
  ['sub_end', 'srvSubEnd', 'subEnd', 'Such subscriptions that another connection of the service took over.', 'gauge'],
  ['sub_ok', 'srvSubOk', 'subOk', 'Subscriptions where both sides know the same queues.', 'gauge'],
  ['sub_more', 'srvSubMore', 'subMore', 'Subscriptions where the relay knows of more queues.', 'gauge'],
  ['sub_fewer', 'srvSubFewer', 'subFewer', 'Subscriptions where the relay knows of fewer queues.', 'gauge'],
  ['sub_diff', 'srvSubDiff', 'subDiff', 'Subscriptions with as many queues, but other ones.', 'gauge'],
  ['sub_more_total', 'srvSubMoreTotal', 'subMoreTotal', 'Queues that only the relay knew of.', 'gauge'],
  ['sub_fewer_total', 'srvSubFewerTotal', 'subFewerTotal', 'Queues that only the services knew of.', 'gauge'],
]

function services(group: 'rcvServices' | 'ntfServices', party: 'rcv' | 'ntf', who: string): Metric[] {
  return serviceRows.map(([suffix, note, key, help, type]) =>
    (type === undefined ? counter : gauge)(
      `${party}_services_${suffix}`,
      `${who}: ${help}`,
      `${party}.${note}`,
      ({ stats }) => stats[group][key],
    ),
  )
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
    counter(
      'rcv_services_sub_msg_count',
      'Queues of services in which a message was waiting when they subscribed.',
      'rcvServicesSubMsg',
      ({ stats }) => stats.rcvServicesSubMsg,
    ),
    counter(
      'rcv_services_sub_duplicate_count',
      'Of these, queues that the connection received from already.',
      'rcvServicesSubDuplicate',
      ({ stats }) => stats.rcvServicesSubDuplicate,
    ),
    ...services('rcvServices', 'rcv', 'Receiving services'),
    ...services('ntfServices', 'ntf', 'Notification services'),
  ],
}

export const nameMetrics: MetricGroup = {
  title: 'Names',
  metrics: [
    counter('names_reqs', 'Names that clients asked for.', 'rslvReqs', ({ stats }) => stats.names.reqs),
    counter('names_success', 'Names that were found.', 'rslvSucc', ({ stats }) => stats.names.succ),
    counter('names_not_found', 'Names that nobody has.', 'rslvNotFound', ({ stats }) => stats.names.notFound),
    counter(
      'names_resolver_errs',
      'Requests that the resolver did not answer well.',
      'rslvResolverErrs',
      ({ stats }) => {
        return stats.names.resolverErrs
      },
    ),
    counter('names_disabled', 'Requests while there is no resolver.', 'rslvDisabled', ({ stats }) => {
      return stats.names.disabled
    }),
  ],
}
