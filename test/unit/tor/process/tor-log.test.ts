import { expect, it } from 'vitest'
import { crashReason, isHarmlessWarning } from '../../../../src/tor/process/tor-log.ts'

it.each([
  ['HiddenServiceNonAnonymousMode is set. Every hidden service on this tor instance is NON-ANONYMOUS.', true],
  ["You are running Tor as root. You don't need to, and you probably shouldn't.", true],
  ['TestingTorNetwork is set. This will make your node almost unusable in the public Tor network.', true],
  ['You have used DirAuthority or AlternateDirAuthority to specify alternate directory authorities.', true],
  ['Problem bootstrapping. Stuck at 5% (conn): Connecting to a relay. (Connection refused; CONNECTREFUSED)', true],
  ['Received NETINFO cell with skewed time (OR:192.0.2.1:443): It seems that our clock is behind by 3 days.', true],
  [
    'SocksPort, TransPort, NATDPort, DNSPort, and ORPort are all undefined, and there aren’t any hidden services.',
    true,
  ],
  ['Received a bad CERTS cell: At least one certificate expired.', true],
  ['22 connections have failed:', true],
  [' 22 connections died in state handshaking (Tor, v3 handshake) with SSL state SSL negotiation finished', true],
  ['Your system clock just jumped 3600 seconds forward; assuming established circuits no longer work.', false],
  ['Failing because we have 4063 connections already. Please read doc/TUNING for guidance.', false],
])('the warning %j is harmless: %s', (text, expected) => {
  expect(isHarmlessWarning(text)).toBe(expected)
})

it('the reason of a crash is the last error of tor, not a frame of its stack', () => {
  const failed =
    'Dec 01 12:00:06.000 [err] tor_assertion_failed_(): Bug: src/core/or/a.c:12: f: Assertion x failed; aborting. '
  const frame =
    'Dec 01 12:00:06.000 [err] Bug:     /usr/bin/tor(log_backtrace_impl+0x5b) [0x55cb5a2f1c9b] (on Tor 0.4.9.11 )'
  expect(crashReason([failed, frame])).toMatch(/^tor_assertion_failed_\(\): Bug: .*Assertion x failed; aborting$/)
  expect(crashReason(['Tor 0.4.9.11 died: Caught signal 11', '/usr/bin/tor(+0xf152e)[0x556360bae52e]'])).toBe(
    'Caught signal 11',
  )
  expect(crashReason(['Dec 01 12:00:06.000 [warn] Something.'])).toBeUndefined()
})
