/** The value below which `share` (0..1) of the samples lie. */
export const quantile = (samples: readonly number[], share: number): number => {
  const sorted = Float64Array.from(samples).sort()
  return ofSorted(sorted, share)
}

const ofSorted = (sorted: Float64Array, share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN

export const median = (samples: readonly number[]): number => quantile(samples, 0.5)

const resampledMedian = (samples: readonly number[]): number => {
  const again = new Float64Array(samples.length)
  for (let index = 0; index < again.length; index++)
    again[index] = samples[Math.floor(Math.random() * samples.length)] ?? 0
  return ofSorted(again.sort(), 0.5)
}

/** Ratio of the medians of two samples with its 95 % confidence interval (bootstrap). */
export const medianRatio = (
  samples: readonly number[],
  reference: readonly number[],
  rounds = 500,
): { ratio: number; low: number; high: number } => {
  const ratios: number[] = []
  for (let round = 0; round < rounds; round++) ratios.push(resampledMedian(samples) / resampledMedian(reference))
  return { ratio: median(samples) / median(reference), low: quantile(ratios, 0.025), high: quantile(ratios, 0.975) }
}
