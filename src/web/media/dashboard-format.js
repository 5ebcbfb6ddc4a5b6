/**
 * How the dashboard writes values. Everything here is pure, so that it can be tested without a browser.
 *
 * @typedef {{
 *   readonly times: readonly number[],
 *   readonly values: Readonly<Record<string, readonly (number | null)[]>>,
 * }} Samples
 */

/** @param {number | undefined | null} value */
export function count(value) {
  if (value === undefined || value === null) return '–'
  return value.toLocaleString('en', { maximumFractionDigits: Math.abs(value) < 10 ? 2 : 0 })
}

/** @param {number | undefined | null} value bytes */
export function bytes(value) {
  if (value === undefined || value === null) return '–'
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let size = value
  let unit = 0
  while (size >= 1024 && unit < units.length - 1) {
    size /= 1024
    unit++
  }
  return `${size.toLocaleString('en', { maximumFractionDigits: size < 10 && unit > 0 ? 1 : 0 })} ${units[unit]}`
}

/** @param {number | undefined | null} value */
export function percent(value) {
  return value === undefined || value === null ? '–' : `${count(value)} %`
}

/** @param {number | undefined | null} value milliseconds */
export function milliseconds(value) {
  if (value === undefined || value === null) return '–'
  return value >= 1000 ? `${count(value / 1000)} s` : `${count(Math.round(value))} ms`
}

/** @param {number} seconds */
export function duration(seconds) {
  /** @type {readonly (readonly [string, number])[]} */
  const units = [
    ['day', 86_400],
    ['hour', 3600],
    ['minute', 60],
  ]
  /** @type {string[]} */
  const parts = []
  let rest = Math.max(0, Math.floor(seconds))
  for (const [unit, size] of units) {
    const amount = Math.floor(rest / size)
    rest -= amount * size
    if (amount > 0 && parts.length < 2) parts.push(`${amount} ${unit}${amount === 1 ? '' : 's'}`)
  }
  return parts.join(' ') || 'less than a minute'
}

/**
 * The values of one field at the times of a range, `null` where there is none; a gap in the samples is a gap in the line.
 *
 * @param {Samples} samples
 * @param {number} step seconds between two samples
 * @returns {{ times: number[], valuesOf: (field: string, scale?: number) => (number | null)[] }}
 */
export function columns(samples, step) {
  const first = samples.times[0]
  const last = samples.times.at(-1)
  /** @type {number[]} */
  const times = []
  if (first !== undefined && last !== undefined) for (let time = first; time <= last; time += step) times.push(time)
  const indexes = new Map(samples.times.map((time, index) => [time, index]))
  return {
    times,
    valuesOf: (field, scale = 1) =>
      times.map((time) => {
        const value = samples.values[field]?.[indexes.get(time) ?? -1] ?? null
        return value === null ? null : value * scale
      }),
  }
}

/**
 * The last value, the lowest and the highest.
 *
 * @param {readonly (number | null)[]} values
 */
export function extremes(values) {
  const known = values.filter((value) => value !== null)
  if (known.length === 0) return undefined
  return { last: known.at(-1) ?? 0, min: Math.min(...known), max: Math.max(...known) }
}
