const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const

/** A size for people, with two digits at least: `512 B`, `1.5 KiB`, `20 MiB`. */
export function bytesText(bytes: number): string {
  const power = bytes < 1 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log2(bytes) / 10))
  const value = bytes / 1024 ** power
  return `${value < 10 && power > 0 ? value.toFixed(1) : Math.round(value)} ${UNITS[power] ?? 'B'}`
}
