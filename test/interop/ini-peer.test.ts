import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { readByPeer, readHere } from '../ini-peer.ts'
import { buildProgram, Installation } from './cli-process.ts'

/*
 * What the commands write into the INI file, read by the npm package `ini`. With a real tor whose network is off.
 */

beforeAll(buildProgram)

let relay: Installation
beforeEach(() => (relay = new Installation()))
afterEach(() => relay.remove())

/** As the package reads it; everything must be read alike here. */
function read(): Record<string, string> {
  const text = readFileSync(relay.ini, 'utf8')
  const values = readByPeer(text)
  expect(values).toEqual(readHere(text))
  return values
}

it('the package ini reads what init, tor setup, tor rotate and tor remove wrote', async () => {
  const information = ['--source-code=https://code.example/x;y#z', '--operator', 'A & B = C', '--hosting', 'D: E']
  await relay.initialize('-n', 'a.example', '--password', 'p#ss;w=rd', ...information, '--own-domains', 'b.example')
  const initialized = read()
  expect(initialized).toMatchObject({
    'AUTH.create_password': 'p#ss;w=rd',
    'INFORMATION.source_code': 'https://code.example/x;y#z',
    'INFORMATION.operator': 'A & B = C',
    'INFORMATION.hosting': 'D: E',
    'TRANSPORT.host': 'a.example',
  })

  const extra = join(relay.root, 'torrc extra;1')
  writeFileSync(extra, 'DisableNetwork 1\n')
  const setup = ['tor', 'setup', '--own', '-y', '--torrc-extra', extra, '--pow', '--max-streams', '64']
  expect(relay.run(setup).status).toBe(0)
  const onion = /^a\.example,([a-z2-7]{56}\.onion)$/.exec(read()['TRANSPORT.host'] ?? '')?.[1]
  expect(onion).toBeDefined()
  expect(read()).toMatchObject({ 'TOR.torrc_extra': extra, 'TOR.pow': 'on', 'TOR.max_streams': '64' })

  expect(relay.run(['tor', 'rotate', '-y']).status).toBe(0)
  expect(read()['TRANSPORT.host']?.split(',').slice(0, 2)).toEqual(['a.example', onion])
  expect(read()['TRANSPORT.host']?.split(',')).toHaveLength(3)

  expect(relay.run(['tor', 'remove', '--delete-key', '-y']).status).toBe(0)
  expect(read()).toEqual(initialized)
})
