/** How the samples of a shorter time become one of a longer time. */
type Merge = 'sum' | 'mean' | 'max'

/** What a sample consists of, in the order in which it is stored. A new field goes to the end; none is ever removed. */
export const SAMPLE_FIELDS = {
  messagesSent: 'sum',
  messagesReceived: 'sum',
  queuesCreated: 'sum',
  queuesSecured: 'sum',
  queuesDeleted: 'sum',
  queues: 'mean',
  /** Used today. */
  activeQueues: 'mean',
  messagesWaiting: 'mean',
  connections: 'mean',
  /** Percent of one processor. */
  cpu: 'mean',
  /** Bytes. */
  memory: 'mean',
  /** Bytes. */
  store: 'mean',
  /** 0 or 1. */
  onionReachable: 'mean',
  /** Milliseconds. */
  onionLatency: 'mean',
  proxyConnectErrors: 'sum',
  proxyCompatErrors: 'sum',
  proxyOtherErrors: 'sum',
  connectionsRejected: 'sum',
} as const satisfies Readonly<Record<string, Merge>>

export type SampleField = keyof typeof SAMPLE_FIELDS

export const SAMPLE_FIELD_NAMES = Object.keys(SAMPLE_FIELDS).filter(
  (name): name is SampleField => name in SAMPLE_FIELDS,
)

/** The values of one interval; what is not known is absent. */
export type SampleValues = Readonly<Partial<Record<SampleField, number>>>

export interface Sample {
  /** Beginning of the interval, Unix seconds. */
  readonly time: number
  readonly values: SampleValues
}

/** Samples as the dashboard gets them: by field, `null` where a value is not known. */
export interface SampleColumns {
  /** Unix seconds. */
  readonly times: readonly number[]
  readonly values: Readonly<Record<string, readonly (number | null)[]>>
}

/** The same samples, shorter as JSON. */
export function sampleColumns(samples: readonly Sample[]): SampleColumns {
  const column = (name: SampleField): (number | null)[] => samples.map(({ values }) => rounded(values[name]))
  return {
    times: samples.map(({ time }) => time),
    values: Object.fromEntries(SAMPLE_FIELD_NAMES.map((name) => [name, column(name)])),
  }
}

/** Charts show no more than four digits. */
function rounded(value: number | undefined): number | null {
  return value === undefined ? null : Number(value.toPrecision(5))
}

/** One sample for all of these; undefined without any. */
export function mergeSamples(time: number, samples: readonly Sample[]): Sample | undefined {
  if (samples.length === 0) return undefined
  const values: Partial<Record<SampleField, number>> = {}
  for (const name of SAMPLE_FIELD_NAMES) {
    const known = samples.flatMap((sample) => sample.values[name] ?? [])
    if (known.length > 0) values[name] = merged(SAMPLE_FIELDS[name], known)
  }
  return { time, values }
}

function merged(merge: Merge, values: readonly number[]): number {
  if (merge === 'max') return Math.max(...values)
  const sum = values.reduce((total, value) => total + value, 0)
  return merge === 'sum' ? sum : sum / values.length
}
