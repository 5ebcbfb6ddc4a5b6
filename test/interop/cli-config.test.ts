import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { buildProgram, Installation } from './cli-process.ts'

beforeAll(buildProgram)

let relay: Installation
beforeEach(() => {
  relay = new Installation()
  const args = ['init', '-y', '-n', 'smp.example.org', '--password', 'secret1', '--disable-web']
  expect(relay.run(args).status).toBe(0)
})
afterEach(() => relay.remove())

describe('smp-server config', () => {
  it('sets one key, keeps every other byte, and gets it back', () => {
    const before = readFileSync(relay.ini, 'utf8')
    expect(relay.run(['config', 'get', 'TRANSPORT.port'])).toMatchObject({ status: 0, stdout: '5223,443\n' })
    const { status, stdout } = relay.run(['config', 'set', 'transport.port', '7301'])
    expect([status, stdout]).toEqual([0, `[TRANSPORT] port = 7301 is set in ${relay.ini}.\n`])
    expect(readFileSync(relay.ini, 'utf8')).toBe(before.replace('port = 5223,443', 'port = 7301'))
    expect(statSync(relay.ini).mode & 0o777).toBe(0o600)
    expect(relay.run(['config', 'get', 'TRANSPORT.port']).stdout).toBe('7301\n')
    expect(relay.run(['config', 'get', 'TOR.check_interval']).stdout).toMatch(/^\d+\n$/)
  })

  it('sets keys together that are only valid together, or none of them', () => {
    const before = readFileSync(relay.ini, 'utf8')
    const keys = (value: string): string[] => ['STORE_LOG.store_queues', value, 'STORE_LOG.store_messages', value]
    for (const args of [
      keys('database').slice(0, 2),
      keys('database').slice(0, 3),
      [...keys('database'), 'A.b', 'c'],
    ]) {
      expect(relay.run(['config', 'set', ...args]).status).toBe(1)
      expect(readFileSync(relay.ini, 'utf8')).toBe(before)
    }
    expect(relay.run(['config', 'set', ...keys('database')]).status).toBe(0)
    expect(relay.run(['config', 'get', 'STORE_LOG.store_messages']).stdout).toBe('database\n')
    expect(relay.run(['config', 'set', ...keys('memory')]).status).toBe(0)
    expect(readFileSync(relay.ini, 'utf8')).toBe(before)
  })

  it('refuses a value or a key that start would refuse, and changes nothing', () => {
    const before = readFileSync(relay.ini, 'utf8')
    for (const [key, value, reason] of [
      ['TRANSPORT.port', '70000', /\[TRANSPORT\] port = 70000: /],
      ['TRANSPORT.host', 'smp.example.org:5223', /contains a port/],
      ['AUTH.create_password', 'Straße', /\[AUTH\] create_password = …: /],
      ['TRANSPORT.create_password', 'x', /is not a key of the configuration\.\nWrite AUTH\.create_password\./],
      ['AUTH.new_queues', 'yes\nno', /must be one line/],
    ] as const) {
      const { status, stdout } = relay.run(['config', 'set', key, value])
      expect([status, stdout]).toEqual([1, expect.stringMatching(reason)])
    }
    expect(readFileSync(relay.ini, 'utf8')).toBe(before)
  })

  it('checks the file, shows what differs from the defaults without secrets, and explains keys', () => {
    expect(relay.run(['config', 'check'])).toMatchObject({ status: 0, stdout: `${relay.ini} is valid.\n` })
    const { stdout } = relay.run(['config', 'diff'])
    expect(stdout).toContain('AUTH.create_password = …')
    expect(stdout).not.toContain('secret1')
    const explained = (name: string): string => relay.run(['config', 'explain', name]).stdout
    expect(explained('max_streams')).toMatch(/^\[TOR\] max_streams\n[^]*uses a change within seconds\.\n$/)
    expect(explained('circuit_port')).toMatch(/uses a change after `smp-server reload`\.\n$/)
    writeFileSync(relay.ini, readFileSync(relay.ini, 'utf8').replace('[AUTH]', '[auth]'))
    const refused = relay.run(['config', 'check'])
    expect([refused.status, refused.stdout]).toEqual([
      1,
      expect.stringContaining('create_password in [auth] is ignored'),
    ])
  })
})
