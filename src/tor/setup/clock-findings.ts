import type { ClockFacts } from './clock-facts.ts'
import type { Finding } from './findings.ts'

/*
 * What can be said of a clock with certainty. How much is too much tor itself judges later, see `clock.ts`. No I/O.
 */

/** File systems and packagers round. */
const toleranceMs = 60_000

export function judgeClock({ now, synchronized, latest }: ClockFacts): Finding[] {
  const remedy = 'Correct it, because tor needs the right time: timedatectl set-ntp true'
  if (latest && now.getTime() < latest.at.getTime() - toleranceMs) {
    const text = `The clock of this machine is wrong: it says ${shown(now)}, but ${latest.what} is of ${shown(latest.at)}.`
    return [{ level: 'note', code: 'CLOCK_BEHIND', text, remedy }]
  }
  if (synchronized !== false) return []
  const text = 'Nothing keeps the clock of this machine right: systemd says that it is not synchronized.'
  return [{ level: 'note', code: 'CLOCK_FREE', text, remedy: 'tor needs the right time: timedatectl set-ntp true' }]
}

/** `2025-01-31 12:00 UTC`. */
function shown(time: Date): string {
  return `${time.toISOString().slice(0, 16).replace('T', ' ')} UTC`
}
