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

/** Counts one delivery that took, or has been waiting for, `seconds`. */
export function countAck(counts: AckPeriods, seconds: number): void {
  const [period] = ackPeriods.find(([, end]) => seconds < end) ?? ['3600+']
  counts[period]++
}

/** How long recipients took to acknowledge messages, since the relay started. */
export class AckTimes {
  /** One for each of {@link ackBuckets} and one for what took longer; not cumulated. */
  readonly buckets: number[] = [...ackBuckets.map(() => 0), 0]
  readonly periods = noAcks()
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
}
