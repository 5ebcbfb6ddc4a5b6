import type { TorEvent } from './control/events.ts'

/*
 * What tor says about this machine's clock (Tor control-spec §4.1.10, CLOCK_SKEW; SKEW is negative when the clock is
 * behind). tor itself decides how much is too much: it compares with relays, directories and the consensus.
 */

/** Seconds by which the clock is ahead; `undefined` for other events. */
export function clockSkew(event: TorEvent): number | undefined {
  if (event.type !== 'status' || event.action !== 'CLOCK_SKEW') return undefined
  const match = /^[+-]?\d{1,12}$/.exec(event.keywords.get('SKEW') ?? '')
  return match ? Number(match[0]) : undefined
}

/** What sets the clock right on a machine with systemd. */
export const clockRemedy = 'timedatectl set-ntp true'

/** A clause without a final stop. */
export function skewClause(seconds: number): string {
  const size = Math.abs(seconds)
  const [count, unit] =
    size >= 2 * 86_400
      ? [Math.round(size / 86_400), 'days']
      : size >= 2 * 3600
        ? [Math.round(size / 3600), 'hours']
        : [Math.round(size / 60), 'minutes']
  return `the clock of this machine is about ${count} ${unit} ${seconds < 0 ? 'behind' : 'ahead'}`
}

/** The same with what to do. */
export function skewText(seconds: number): string {
  return `${skewClause(seconds)}: ${clockRemedy}`
}
