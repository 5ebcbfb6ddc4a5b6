import { existsSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { setIniValue } from '../../src/config/ini.ts'
import { buildProgram, freePort, Installation } from './cli-process.ts'

beforeAll(buildProgram)

let relay: Installation
beforeEach(() => {
  relay = new Installation()
  const args = ['init', '-y', '-n', 'smp.example.org', '--password', 'secret1', '--disable-web']
  expect(relay.run(args).status).toBe(0)
})
afterEach(() => relay.remove())

function setIni(section: string, key: string, value: string): void {
  writeFileSync(relay.ini, setIniValue(readFileSync(relay.ini, 'utf8'), section, key, value))
}

const TRANSPORT = '[TRANSPORT]\nhost = smp.example.org\nport = 7301\nwebsockets = off\n'

describe('start refuses an INI file in which a line that protects the relay would not count:', () => {
  it.each([
    [
      'a password under a section that [AUTH] replaces',
      `[AUTH]\ncreate_password = x\n${TRANSPORT}[AUTH]\nnew_queues = on\n`,
      2,
    ],
    [
      'a password behind an array',
      `${TRANSPORT}[PROXY]\nown_server_domains[]=a.example\n[AUTH]\ncreate_password=x\n`,
      8,
    ],
    [
      'a password without its header',
      `[INFORMATION]\nsource_code: https://a.example\ncreate_password: x\n${TRANSPORT}`,
      3,
    ],
  ])('%s', (_why, text, line) => {
    writeFileSync(relay.ini, text)
    const { status, stdout } = relay.run(['start'])
    expect(status).toBe(1)
    expect(stdout).toMatch(new RegExp(`^Error: ${relay.ini}:${line}: create_password in .* is ignored: `))
    expect(stdout).toContain('Without it, the relay would be open to everyone.')
    expect(stdout).not.toContain('Serving')
  })

  it('and names the port that stands in a section of another name', () => {
    writeFileSync(relay.ini, '[store_log]\nenable: on\n[transport]\nhost: a.example\nport: 7301\n')
    const { status, stdout } = relay.run(['start'])
    expect(status).toBe(1)
    expect(stdout).toContain('port in line 5 is ignored: the section must be written [TRANSPORT], not [transport].')
    expect(stdout).toMatch(/^Warning: /m)
    expect(stdout).not.toContain('Error: Warning')
  })

  it('and an INI file in UTF-16, as some editors save it', () => {
    writeFileSync(relay.ini, `\ufeff${readFileSync(relay.ini, 'utf8')}`, 'utf16le')
    const { status, stdout } = relay.run(['start'])
    expect(status).toBe(1)
    expect(stdout).toContain(`${relay.ini} is UTF-16 text, and must be UTF-8.`)
  })
})

it('start says that an open relay is open', () => {
  writeFileSync(relay.ini, `[STORE_LOG]\nenable = on\n${TRANSPORT}`)
  expect(relay.run(['start', '-m']).stderr).toContain('This relay is open: anyone can create queues')
  setIni('AUTH', 'create_password', 'x')
  expect(relay.run(['start', '-m']).stderr).not.toContain('open')
})

it('hide_password keeps the password out of what start prints; address shows it', () => {
  setIni('AUTH', 'hide_password', 'on')
  const { stdout, stderr } = relay.run(['start', '-m'])
  expect(stdout).toMatch(/^Server address: smp:\/\/\S{44}:…@smp\.example\.org$/m)
  expect(stdout + stderr).not.toContain('secret1')
  expect(relay.run(['address']).stdout).toMatch(/:secret1@smp\.example\.org\n$/)
})

it('init --hide-password sets that', () => {
  rmSync(relay.config, { recursive: true })
  rmSync(relay.state, { recursive: true })
  expect(relay.run(['init', '-y', '--hide-password', '--disable-web']).status).toBe(0)
  expect(readFileSync(relay.ini, 'utf8')).toMatch(/^hide_password = on$/m)
})

describe('the fingerprint, which is only the hash of ca.crt,', () => {
  const file = (): string => join(relay.config, 'fingerprint')

  it.each([
    ['empty', (): void => truncateSync(file())],
    ['missing', (): void => rmSync(file())],
  ])('is written again by start when it is %s', (_how, damage) => {
    const before = readFileSync(file(), 'utf8')
    const address = relay.run(['address']).stdout
    damage()
    expect(relay.run(['address'])).toMatchObject({ status: 0, stdout: address })
    const { status, stderr } = relay.run(['start', '-m'])
    expect(status).toBe(0)
    expect(stderr).toContain(`${file()} was missing or empty`)
    expect(stderr).toContain(before.trim())
    expect(readFileSync(file(), 'utf8')).toBe(before)
  })

  it('is refused with both values when it is another one, and never replaced', () => {
    const before = readFileSync(file(), 'utf8').trim()
    const other = `${before.startsWith('A') ? 'B' : 'A'}${before.slice(1)}`
    writeFileSync(file(), `${other}\n`)
    const { status, stdout } = relay.run(['start', '-m'])
    expect(status).toBe(1)
    expect(stdout.split('\n').slice(0, 2)).toEqual([
      'Stored fingerprint is invalid.',
      `${file()} contains ${other}, but the fingerprint of ${join(relay.config, 'ca.crt')} is ${before}.`,
    ])
    expect(readFileSync(file(), 'utf8').trim()).toBe(other)
  })
})

it('address says when the running relay still has another one, until it reloads', async () => {
  setIni('TRANSPORT', 'port', String(await freePort()))
  const running = relay.start(['start'])
  await running.shows(/Listening on port/)
  await expect.poll(() => existsSync(join(relay.state, 'control.sock'))).toBe(true)
  expect(relay.run(['address']).stderr).toBe('')
  setIni('AUTH', 'create_password', 'secret2')
  const { status, stdout, stderr } = relay.run(['address'])
  expect(status).toBe(0)
  expect(stdout).toContain(':secret2@')
  expect(stderr).toMatch(/^Warning: The running relay still has another address: smp:\S+:secret1@/)
  running.kill('SIGHUP')
  await running.shows(/Applied: \[AUTH\] create_password\./)
  expect(relay.run(['address']).stderr).toBe('')
  running.kill('SIGINT')
  expect((await running.ended()).status).toBe(0)
})
