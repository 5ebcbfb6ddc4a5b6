import type { StoreCounts } from '../../store/store.ts'
import type { Live } from './live.ts'
import { counterGroups, counterRows, type CounterName, type GroupName, type Stats } from './counters.ts'

const PREFIX = 'simplex_smp_'

/** What metrics are made from. */
export interface Facts {
  readonly stats: Stats
  readonly counts: StoreCounts
  readonly live: Live
  /** Wrong creation passwords since the start. */
  readonly wrongPasswords: number
  /** Of this program. */
  readonly version: string
}

export interface Sample {
  readonly value: number
  /** In their order. */
  readonly labels?: Readonly<Record<string, string | number>>
  /** Behind the metric's name. */
  readonly suffix?: string
  /** The name of the counter, as a comment. */
  readonly note?: string
  /** A fact without a time. */
  readonly timeless?: true
}

export interface Metric {
  readonly name: string
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly help: string
  readonly samples: (facts: Facts) => Sample[]
}

/** Metrics under a heading. */
export interface MetricGroup {
  readonly title: string
  readonly metrics: readonly Metric[]
}

/** A metric of one value that is no counter. */
export function gauge(name: string, help: string, note: string | undefined, read: (facts: Facts) => number): Metric {
  const samples = (facts: Facts): Sample[] => [{ value: read(facts), ...(note !== undefined && { note }) }]
  return { name: PREFIX + name, type: 'gauge', help, samples }
}

/** The metrics of these counters, which may share them; in the order in which each is named first. */
export function counters(...names: readonly CounterName[]): Metric[] {
  return [...new Set(names.map((name) => counterRows[name].metric))].map((metric) => {
    const sharing = names.filter((name) => counterRows[name].metric === metric)
    return {
      name: PREFIX + metric,
      type: 'counter',
      help: sharing.map((name) => counterRows[name].help).find((help) => help !== undefined) ?? '',
      samples: ({ stats }) =>
        sharing.map((name) => {
          const { labels, note = name } = counterRows[name]
          return { value: stats[name], note, ...(labels && { labels }) }
        }),
    }
  })
}

/** Where the counters of a group are shown. */
interface GroupMetrics {
  readonly group: GroupName
  /** Tells it from others that have the same metrics. */
  readonly labels?: Readonly<Record<string, string>>
  readonly note: (rowNote: string) => string
}

/** The metrics of groups with the same rows; each group has its samples in every one of them. */
export function groupCounters(
  prefix: string,
  what: string,
  groups: readonly [GroupMetrics, ...GroupMetrics[]],
): Metric[] {
  const rows = Object.entries(counterGroups[groups[0].group].rows)
  return [...new Set(rows.map(([, { metric }]) => metric))].map((metric) => {
    const sharing = rows.filter(([, row]) => row.metric === metric)
    const [[, first] = []] = sharing
    return {
      name: `${PREFIX}${prefix}_${metric}`,
      type: first?.kind ?? 'counter',
      help: `${what}${first?.help ?? ''}`,
      samples: ({ stats }) =>
        groups.flatMap(({ group, labels: groupLabels, note }) =>
          sharing.map(([name, row]) => {
            const values: Readonly<Record<string, number>> = stats[group]
            const labels = { ...groupLabels, ...row.labels }
            return { value: values[name] ?? 0, labels, note: note(row.note) }
          }),
        ),
    }
  })
}
