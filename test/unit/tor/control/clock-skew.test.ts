import { expect, it } from 'vitest'
import { clockSkew, skewText } from '../../../../src/tor/control/clock-skew.ts'
import { type BootstrapPhase, parseEvent } from '../../../../src/tor/control/events.ts'

function event(text: string): ReturnType<typeof parseEvent> {
  return parseEvent({ status: 650, lines: [{ text }] })
}

it.each([
  ['STATUS_GENERAL WARN CLOCK_SKEW SKEW=-3600 MIN_SKEW=3600 SOURCE=CONSENSUS', -3600],
  ['STATUS_GENERAL WARN CLOCK_SKEW SKEW=86400 SOURCE=OR:1.2.3.4:443', 86_400],
  ['STATUS_GENERAL WARN CLOCK_SKEW SKEW=abc', undefined],
  ['STATUS_GENERAL WARN CLOCK_SKEW', undefined],
  ['STATUS_CLIENT NOTICE CIRCUIT_ESTABLISHED', undefined],
])('a clock skew is read from %s: %s seconds', (text, seconds) => {
  expect(clockSkew(event(text), undefined)).toBe(seconds)
})

it('an expired certificate makes the clock suspect while tor is not connected', () => {
  const phase = (progress: number): BootstrapPhase => ({ severity: 'NOTICE', progress, tag: '', summary: '' })
  const expired = event('WARN Received a bad CERTS cell: At least one certificate expired.')
  expect(clockSkew(expired, phase(14))).toBe('ahead')
  expect(clockSkew(expired, phase(100))).toBeUndefined()
  expect(clockSkew(event('WARN Received a bad CERTS cell: No RSA identity'), phase(14))).toBeUndefined()
})

it.each([
  [-3600, 'about 60 minutes behind'],
  [7200, 'about 2 hours ahead'],
  [-900_000, 'about 10 days behind'],
  ['ahead', 'days ahead: '],
] as const)('a clock skew of %s is described as %s', (seconds, text) => {
  expect(skewText(seconds)).toContain(text)
})
