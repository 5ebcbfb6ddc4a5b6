import type { BootstrapPhase, TorEvent } from './events.ts'

/*
 * What tor says about this machine's clock (Tor control-spec §4.1.10, CLOCK_SKEW; SKEW is negative when the clock is
 * behind). tor decides how much is too much: it compares with relays, directories and the consensus. With a clock that
 * is days ahead it does not get that far: the certificates of all relays seem expired, which only its log tells.
 */

/** Seconds by which the clock is ahead, or `ahead` when only that is known. */
export type ClockSkew = number | 'ahead'

const expiredCertificate = 'Received a bad CERTS cell: At least one certificate expired'

/**
 * `undefined` for events that say nothing about the clock.
 *
 * @param phase of the bootstrap: once tor is connected, an expired certificate is the fault of one relay
 */
export function clockSkew(event: TorEvent, phase: BootstrapPhase | undefined): ClockSkew | undefined {
  if (event.type === 'warning') {
    return phase?.progress !== 100 && event.text.startsWith(expiredCertificate) ? 'ahead' : undefined
  }
  if (event.type !== 'status' || event.action !== 'CLOCK_SKEW') return undefined
  const match = /^[+-]?\d{1,12}$/.exec(event.keywords.get('SKEW') ?? '')
  return match ? Number(match[0]) : undefined
}

/** Corrects the clock on a machine with systemd. */
export const clockRemedy = 'timedatectl set-ntp true'

/** A clause without a full stop. */
export function skewClause(skew: ClockSkew): string {
  if (skew === 'ahead') return 'the clock of this machine seems to be days ahead'
  const size = Math.abs(skew)
  const [count, unit] =
    size >= 2 * 86_400
      ? [Math.round(size / 86_400), 'days']
      : size >= 2 * 3600
        ? [Math.round(size / 3600), 'hours']
        : [Math.round(size / 60), 'minutes']
  return `the clock of this machine is about ${count} ${unit} ${skew < 0 ? 'behind' : 'ahead'}`
}

/** The same with the remedy. */
export function skewText(skew: ClockSkew): string {
  return `${skewClause(skew)}: ${clockRemedy}`
}
