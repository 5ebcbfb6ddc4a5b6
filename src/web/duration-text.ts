const units = [
  ['month', 30 * 86_400],
  ['day', 86_400],
  ['hour', 3600],
  ['min', 60],
  ['sec', 1],
] as const

type Unit = (typeof units)[number][0]

/** `90061` seconds are `1 day 1 hour 1 min 1 sec`; a month has 30 days, and only 7 and 14 days are weeks. */
export function durationText(seconds: number): string {
  let rest = seconds
  const parts: string[] = []
  for (const [unit, size] of units) {
    const count = Math.floor(rest / size)
    rest -= count * size
    if (count > 0) parts.push(amount(count, unit))
  }
  return parts.join(' ') || '0 sec'
}

function amount(count: number, unit: Unit): string {
  if (unit === 'day' && count === 7) return '1 week'
  if (unit === 'day' && count === 14) return '2 weeks'
  const isPlural = count !== 1 && unit !== 'min' && unit !== 'sec'
  return `${count} ${unit}${isPlural ? 's' : ''}`
}
