/** Upper ends of the histogram's buckets, seconds. */
export const ackBuckets = [1, 5, 15, 60, 300, 1200, 3600, 21_600, 86_400] as const

/** Periods by the names that SMP relays give them, with their ends in seconds. */
const ackPeriods = [
  ['0-60', 60],
  ['60-300', 300],
  ['300-1200', 1200],
  ['1200-3600', 3600],
  ['3600+', Infinity],
] as const

export type AckPeriod = (typeof ackPeriods)[number][0]
export type AckPeriods = Record<AckPeriod, number>

export function noAcks(): AckPeriods {
  return { '0-60': 0, '60-300': 0, '300-1200': 0, '1200-3600': 0, '3600+': 0 }
}

/** Of several processes together. */
export function sumAcks(all: readonly Readonly<AckPeriods>[]): AckPeriods {
  const sums = noAcks()
  for (const [period] of ackPeriods) for (const counts of all) sums[period] += counts[period]
  return sums
}

/** Counts one delivery that took, or has been waiting for, `seconds`. */
export function countAck(counts: AckPeriods, seconds: number): void {
  const [period] = ackPeriods.find(([, end]) => seconds < end) ?? ['3600+']
  counts[period]++
}

/** How long recipients took to acknowledge messages, since the relay started. */
export class AckTimes {
  /** One for each of {@link ackBuckets} and one for what took longer; not cumulated. */
  readonly buckets: number[] = noBuckets()
  periods = noAcks()
  count = 0
  /** Seconds. */
  sum = 0
  max = 0

  /** @param seconds from delivery to acknowledgement */
  add(seconds: number): void {
    const time = Math.max(0, seconds)
    const found = ackBuckets.findIndex((end) => time <= end)
    const bucket = found < 0 ? ackBuckets.length : found
    this.buckets[bucket] = (this.buckets[bucket] ?? 0) + 1
    countAck(this.periods, time)
    this.count++
    this.sum += time
    this.max = Math.max(this.max, time)
  }

  /** Moves everything out, for the process that counts for all. */
  take(): Pick<AckTimes, 'buckets' | 'periods' | 'count' | 'sum' | 'max'> {
    const { count, sum, max } = this
    const taken = { buckets: [...this.buckets], periods: this.periods, count, sum, max }
    this.buckets.fill(0)
    this.periods = noAcks()
    this.count = this.sum = this.max = 0
    return taken
  }

  /** Adds what {@link take} took from another one. */
  merge({ buckets, periods, count, sum, max }: Readonly<ReturnType<AckTimes['take']>>): void {
    for (const [at, grown] of buckets.entries()) this.buckets[at] = (this.buckets[at] ?? 0) + grown
    this.periods = sumAcks([this.periods, periods])
    this.count += count
    this.sum += sum
    this.max = Math.max(this.max, max)
  }
}

function noBuckets(): number[] {
  return [...ackBuckets.map(() => 0), 0]
}
