import type { Facts, Metric, MetricGroup, Sample } from './metric.ts'
import { liveMetrics } from './metrics-live.ts'
import { messageMetrics, notificationMetrics } from './metrics-messages.ts'
import { queueMetrics, subscriptionMetrics } from './metrics-queues.ts'
import { nameMetrics, relayMetrics, serviceMetrics } from './metrics-relays.ts'

/** What other SMP relays do not have; not in their file. */
const ownMetrics: MetricGroup = {
  title: 'This relay',
  metrics: [
    {
      name: 'smp_wrong_passwords_total',
      type: 'counter',
      help: 'Wrong passwords for creating queues or proxying, since the start.',
      samples: ({ wrongPasswords }) => [{ value: wrongPasswords }],
    },
  ],
}

const groups: readonly MetricGroup[] = [
  queueMetrics,
  subscriptionMetrics,
  messageMetrics,
  ...notificationMetrics,
  relayMetrics,
  serviceMetrics,
  nameMetrics,
  liveMetrics,
]

/**
 * The metrics in the text format of Prometheus, with the names of all SMP relays (misspelled
 * ones included) and, as comments, those of the counters in their other files.
 *
 * @param recordedAt a time for every sample, milliseconds since the epoch, for a file; absent for the current values
 */
export function exposition(facts: Facts, recordedAt?: number): string {
  const time = (ms: number): string => new Date(ms).toISOString()
  const heading =
    recordedAt === undefined
      ? []
      : [`# Recorded at: ${time(recordedAt)}`, `# Stats from: ${time(facts.stats.fromTime)}`, '']
  const shown = recordedAt === undefined ? [...groups, ownMetrics] : groups
  const body = shown.flatMap(({ title, metrics }) => [
    `# ${title}`,
    `# ${'-'.repeat(title.length)}`,
    '',
    ...metrics.flatMap((metric) => [...metricLines(metric, facts, recordedAt), '']),
  ])
  return [...heading, ...body].join('\n')
}

function metricLines({ name, type, help, samples }: Metric, facts: Facts, recordedAt: number | undefined): string[] {
  return [
    `# HELP ${name} ${help}`,
    `# TYPE ${name} ${type}`,
    ...samples(facts).flatMap((sample) => sampleLines(name, sample, recordedAt)),
  ]
}

function sampleLines(name: string, sample: Sample, recordedAt: number | undefined): string[] {
  const { value, labels = {}, suffix = '', note, timeless } = sample
  const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escaped(String(text))}"`)
  const where = pairs.length > 0 ? `{${pairs.join(',')}}` : ''
  const when = recordedAt === undefined || timeless ? '' : ` ${recordedAt}`
  return [`${name}${suffix}${where} ${value}${when}`, ...(note === undefined ? [] : [`# ${note}`])]
}

function escaped(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
}
