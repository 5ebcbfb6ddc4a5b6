import { expect, it } from 'vitest'
import { servicePorts } from '../../../src/app/onion-settings.ts'
import { readSettings } from '../../../src/config/read-settings.ts'

it.each([
  ['', '127.0.0.1:5223'],
  ['listen_host = 127.0.0.1', '127.0.0.1:5223'],
  ['listen_host = 0.0.0.0', '127.0.0.1:5223'],
  ['listen_host = ::', '127.0.0.1:5223'],
  ['listen_host = 192.0.2.7', '192.0.2.7:5223'],
  ['listen_host = ::1', '[::1]:5223'],
])('with %j the onion name leads to where the relay listens', (line, target) => {
  const { settings } = readSettings(`[TRANSPORT]\nhost = a.example\nport = 5223\n${line}\n`, '/ini')
  expect(servicePorts(settings, { mode: 'own' })).toEqual([{ virtualPort: 5223, target }])
})

it.each([
  ['own', '127.0.0.1:5224'],
  ['torrc', '127.0.0.1:5224'],
  ['system', '127.0.0.1:5223'],
  [undefined, '127.0.0.1:5223'],
] as const)('with mode %s and circuit_port the onion service leads to %s', (mode, target) => {
  const ini = '[TRANSPORT]\nhost = a.example\nport = 5223\n[TOR]\ncircuit_port = 5224\n'
  expect(servicePorts(readSettings(ini, '/ini').settings, { mode })).toEqual([{ virtualPort: 5223, target }])
})
