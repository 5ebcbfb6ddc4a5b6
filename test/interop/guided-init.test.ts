import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import decodeQR from 'qr/decode.js'
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { projectRoot } from '../project-root.ts'
import { buildProgram, Installation } from './cli-process.ts'

beforeAll(buildProgram)

let relay: Installation
beforeEach(() => (relay = new Installation()))
afterEach(() => relay.remove())

interface Shown {
  readonly status: number | null
  readonly text: string
}

const DOWN = '\x1b[B'

/** Runs `init` on a terminal and types each answer once its question is shown. */
function guided(answers: readonly (readonly [string, string])[], args: readonly string[] = [], columns = 120): Shown {
  const script = join(import.meta.dirname, 'type-in.py')
  const command = [process.execPath, join(projectRoot, 'dist/cli/main.js'), 'init', ...args]
  const { status, stdout } = spawnSync('python3', [script, JSON.stringify(answers), ...command], {
    env: { ...relay.environment, TERM: 'xterm-256color', TERMINAL_COLUMNS: String(columns) },
    encoding: 'utf8',
    timeout: 60_000,
  })
  return { status, text: stripVTControlCharacters(stdout).replaceAll('\r', '') }
}

/** What a camera reads from the half blocks of a terminal: four pixels for each module. */
function scanned(text: string): string {
  const rows = text.split('\n').filter((line) => /^[█▀▄ ]{20,}$/.test(line))
  const modules = rows.flatMap((row) => [
    Array.from(row, (cell) => cell === '█' || cell === '▀'),
    Array.from(row, (cell) => cell === '█' || cell === '▄'),
  ])
  const scale = 4
  const [width, height] = [(modules[0]?.length ?? 0) * scale, modules.length * scale]
  const data = Uint8Array.from({ length: width * height * 4 }, (_, at) => {
    const pixel = Math.floor(at / 4)
    const isLight = modules[Math.floor(pixel / width / scale)]?.[Math.floor((pixel % width) / scale)] ?? true
    return at % 4 === 3 || isLight ? 255 : 0
  })
  return decodeQR({ width, height, data })
}

describe('init on a terminal', () => {
  it('asks for host, password, onion address and site, explains what it refuses, and ends with an address to scan', () => {
    const { status, text } = guided([
      ['Domain name or IP address', 'localhost:5223'],
      ['contains a port', '\x15127.0.0.1'],
      ['Password for creating queues', DOWN],
      ['Your password', 'a b'],
      ['must not contain blanks', '\x15secret1'],
      ['Repeat the password', 'secret1'],
      ['out of the log', 'n'],
      ['onion address', 'n'],
      ['web page', 'y'],
      ['Its certificate', ''],
      ['Its key', ''],
    ])
    expect(status, text).toBe(0)
    expect(text).toContain('Addresses of this machine:')
    expect([
      relay.value('TRANSPORT', 'host'),
      relay.value('AUTH', 'create_password'),
      relay.value('AUTH', 'hide_password'),
      relay.value('WEB', 'cert'),
    ]).toEqual(['127.0.0.1', 'secret1', undefined, join(relay.config, 'web.crt')])
    const address = relay.run(['address']).stdout.trim()
    expect(text).toContain(`\n${address}\n`)
    expect(scanned(text)).toBe(address)
    expect(text).toContain('smp-server start')
    expect(text).toContain(join(relay.config, 'ca.key'))
  })

  it('asks nothing that an option answers, and puts the QR code into a file where the terminal is too narrow', () => {
    const args = ['-n', 'relay.example.org', '--password', 'secret2', '--hide-password', '--no-onion', '--disable-web']
    const { status, text } = guided([], args, 30)
    expect(status, text).toBe(0)
    expect(relay.value('AUTH', 'hide_password')).toBe('on')
    const picture = join(relay.config, 'address.svg')
    expect(text.replaceAll('\n', ' ')).toContain('This terminal is too narrow for the QR code')
    expect(text).not.toMatch(/█{10}/)
    expect([statSync(picture).mode & 0o777, readFileSync(picture, 'utf8').startsWith('<svg')]).toEqual([0o600, true])
  })

  it('writes nothing when the user stops at any question', () => {
    const questions = [
      ['Domain name', 'relay.example.org'],
      ['Password for creating', ''],
      ['out of the log', 'y'],
      ['onion address', 'n'],
      ['web page', 'n'],
    ] as const
    for (const [at, [question]] of questions.entries()) {
      const { status, text } = guided([...questions.slice(0, at), [question, '\x03']])
      expect(status, text).toBe(1)
      expect(text).toContain('Nothing was written.')
      expect([existsSync(relay.config), existsSync(relay.state)]).toEqual([false, false])
    }
  })

  it('has no password only when that is chosen, says what that means, and how to get an address', () => {
    const { status, text } = guided(
      [
        ['Domain name', ''],
        ['Password for creating', `${DOWN}${DOWN}`],
      ],
      ['--no-onion', '--disable-web'],
    )
    expect(status, text).toBe(0)
    expect(text).toContain('Without a password anybody may use this relay')
    expect(relay.value('AUTH', 'create_password')).toBeUndefined()
    expect(text).not.toContain('<hostnames>')
    expect(text).toContain('smp-server tor setup')
  })

  it('asks what upstream asks with --upstream-prompts, and on a terminal that can do nothing but print', () => {
    const answers = [
      ['(press Enter)', ''],
      ['(Yn):', ''],
      ['(yN):', ''],
      ['or enter password:', 'secret3'],
      ['for certificate', 'relay.example.org'],
      ['source code URI', ''],
      ['connection links', ''],
    ] as const
    const { status, text } = guided(answers, ['--upstream-prompts'])
    expect(status, text).toBe(0)
    expect(text).toContain('Server initialized, please provide additional server information in ')
    expect(relay.value('AUTH', 'create_password')).toBe('secret3')
  })
})

describe('init --onion', () => {
  it('prepares an onion service, which the relay publishes when it starts', () => {
    const extra = join(relay.root, 'torrc-extra')
    writeFileSync(extra, 'DisableNetwork 1\n')
    const options = ['-n', 'a.example', '--disable-web', '--onion', '--torrc-extra', extra]
    const { status, stdout } = relay.run(['init', '-y', ...options])
    expect(status, stdout).toBe(0)
    expect(relay.value('TRANSPORT', 'host')).toMatch(/^a\.example,[a-z2-7]{56}\.onion$/)
    expect(relay.value('TOR', 'torrc_extra')).toBe(extra)
  })

  it('leaves a relay without one, and says how to go on, when that fails', () => {
    const extra = join(relay.root, 'none')
    const options = ['-n', 'a.example', '--disable-web', '--onion', '--torrc-extra', extra]
    const { status, stdout } = relay.run(['init', '-y', ...options])
    expect(status).toBe(1)
    expect(stdout).toContain(`The torrc file ${extra} does not exist.`)
    expect(stdout).toContain('run `smp-server tor setup`')
    expect(relay.value('TRANSPORT', 'host')).toBe('a.example')
  })
})
