import type { ClockFacts } from './clock-facts.ts'
import type { Finding } from './findings.ts'

/*
 * What can be said about a clock with certainty. tor itself decides later how much is too much. No I/O.
 */

/** File systems and packages round their times. */
const TOLERANCE_MS = 60_000

export function clockFindings({ now, synchronized, latest }: ClockFacts): Finding[] {
  const remedy = 'Tor needs the right time: timedatectl set-ntp true'
  if (latest && now.getTime() < latest.at.getTime() - TOLERANCE_MS) {
    const text = `The clock of this machine is wrong: it says ${shown(now)}, but ${latest.what} dates from ${shown(latest.at)}.`
    return [{ level: 'note', code: 'CLOCK_BEHIND', text, remedy }]
  }
  if (synchronized !== false) return []
  const text = 'The clock of this machine is not synchronized.'
  return [{ level: 'note', code: 'CLOCK_FREE', text, remedy }]
}

/** `2025-01-31 12:00 UTC`. */
function shown(time: Date): string {
  return `${time.toISOString().slice(0, 16).replace('T', ' ')} UTC`
}
