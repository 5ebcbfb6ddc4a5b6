import type { StoreCounts } from '../../store/store.ts'
import type { Live } from './live.ts'
import type { Stats } from './counters.ts'

/** What metrics are made from. */
export interface Facts {
  readonly stats: Stats
  readonly counts: StoreCounts
  readonly live: Live
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

type Read = (facts: Facts) => number

export function counter(name: string, help: string, note: string, read: Read): Metric {
  return { name: `simplex_smp_${name}`, type: 'counter', help, samples: (facts) => [{ value: read(facts), note }] }
}

export function gauge(name: string, help: string, note: string | undefined, read: Read): Metric {
  const samples = (facts: Facts): Sample[] => [{ value: read(facts), ...(note !== undefined && { note }) }]
  return { name: `simplex_smp_${name}`, type: 'gauge', help, samples }
}

/** A counter for each of several kinds, told apart by labels. */
export function counters(
  name: string,
  help: string,
  kinds: readonly (readonly [labels: Readonly<Record<string, string>>, note: string, read: Read])[],
): Metric {
  const samples = (facts: Facts): Sample[] =>
    kinds.map(([labels, note, read]) => ({ labels, note, value: read(facts) }))
  return { name: `simplex_smp_${name}`, type: 'counter', help, samples }
}
