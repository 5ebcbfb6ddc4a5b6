import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { projectRoot } from '../project-root.ts'
import { buildProgram, Installation } from './cli-process.ts'

beforeAll(buildProgram)

let relay: Installation
beforeEach(() => (relay = new Installation()))
afterEach(() => relay.remove())

describe('smp-server help', () => {
  it('prints the general help, and that of a command, on stdout', () => {
    const { status, stdout, stderr } = relay.run(['help'])
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(stdout).toBe(relay.run(['--help']).stdout)
    expect(relay.run(['help', 'init'])).toEqual(relay.run(['init', '-h']))
    expect(relay.run(['help', 'tor', 'key', 'import'])).toEqual(relay.run(['tor', 'key', 'import', '-h']))
  })

  it('explains an error code, in either spelling', () => {
    const { status, stdout } = relay.run(['help', 'PORT_IN_USE'])
    expect(status).toBe(0)
    expect(stdout).toMatch(/^PORT_IN_USE\nAnother program listens on the port\..*\nCure: Stop that program/)
    expect(relay.run(['help', 'port-in-use']).stdout).toBe(stdout)
  })

  it('lists the commands when it does not know the topic', () => {
    const { status, stdout, stderr } = relay.run(['help', 'strat'])
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
    expect(stderr).toMatch(/^Invalid argument `strat'\n/)
    expect(stderr).toMatch(/^ {2}start /m)
  })
})

it('smp-server version prints what --version prints', () => {
  expect(relay.run(['version'])).toEqual(relay.run(['--version']))
})

it.each([['foo'], ['-l', '0.0.0.0:5223'], ['--listen']])('%j: what is no command lists the commands', (...args) => {
  const { status, stderr } = relay.run(args)
  expect(status).toBe(1)
  expect(stderr).toMatch(/^Available commands:\n {2}init /m)
})

it('a wrong option shows the usage of its own command', () => {
  expect(relay.run(['tor', 'status', '--jsn']).stderr).toMatch(/\n\nUsage: smp-server tor status /)
})

it('--control-port takes its port with = and without', () => {
  expect(relay.run(['init', '-y', '--control-port', '7324']).status).toBe(0)
  expect(relay.run(['help']).status).toBe(0)
})

describe('an error', () => {
  function errorOf(environment: NodeJS.ProcessEnv): string {
    const main = join(projectRoot, 'dist/cli/main.js')
    const env = { ...relay.environment, ...environment }
    return spawnSync(process.execPath, [main, 'backup', '/nonexistent/x'], { env, encoding: 'utf8' }).stdout
  }

  beforeEach(() => {
    relay.run(['init', '-y'])
  })

  it('is wrapped at 80 columns when it does not go to a terminal, and ends with its code', () => {
    const lines = errorOf({ COLUMNS: undefined }).trimEnd().split('\n')
    expect(lines.every((line) => line.length <= 80 || !line.includes(' '))).toBe(true)
    expect(lines[0]).toMatch(/^Error: /)
    expect(lines.at(-1)).toBe('More: `smp-server help FILE_MISSING`')
  })

  it('has colours only where they are wanted', () => {
    expect(errorOf({})).not.toContain('\x1b')
    expect(errorOf({ FORCE_COLOR: '1' })).toContain('\x1b[31mError:')
    expect(errorOf({ FORCE_COLOR: '1', NO_COLOR: '1' })).toContain('\x1b[31mError:')
  })
})
