import { readFileSync } from 'node:fs'

/** How many files and connections this process may have open; undefined where the system does not say. */
export function descriptorLimit(path = '/proc/self/limits'): number | undefined {
  try {
    const soft = /^Max open files\s+(\d+)/m.exec(readFileSync(path, 'utf8'))?.[1]
    return soft === undefined ? undefined : Number(soft)
  } catch {
    return undefined
  }
}

/** Of 65,535 descriptors 6,000 are kept for the store, metrics, control port, the site, and connections to relays. */
const MAX_RESERVE = 6000
const MIN_RESERVE = 64

/**
 * The descriptors that clients may take, so that the rest of the relay never runs out of them.
 *
 * @param limit of the process
 */
export function clientDescriptors(limit: number): number {
  const reserve = Math.min(MAX_RESERVE, Math.max(MIN_RESERVE, Math.floor(limit / 4)))
  return Math.max(1, limit - reserve)
}
