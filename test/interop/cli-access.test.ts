import { spawnSync } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, readdirSync, rmdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { buildProgram, Installation } from './cli-process.ts'
import { tree } from './tree.ts'

/*
 * A relay of an unprivileged user, in directories that root made for it and whose parent it cannot write to; and what a
 * run as root leaves behind. Needs root, to be two users.
 */

const nobody = 65534

beforeAll(buildProgram)

let relay: Installation
beforeEach(() => {
  relay = new Installation()
  chmodSync(relay.root, 0o755)
  for (const directory of [relay.config, relay.state]) {
    mkdirSync(directory)
    chownSync(directory, nobody, nobody)
  }
})
afterEach(() => relay.remove())

describe.skipIf(process.getuid?.() !== 0)('the user of a relay (needs root)', () => {
  it('initialises and starts a relay, and owns everything in it', () => {
    expect(relay.run(['init', '-y'], '', nobody)).toMatchObject({ status: 0, stderr: '' })
    expect(relay.run(['start', '-m'], '', nobody).status).toBe(0)
    const everything = spawnSync('find', [relay.config, relay.state, '!', '-uid', String(nobody)], { encoding: 'utf8' })
    expect(everything.stdout).toBe('')
    expect(statSync(relay.ini).mode & 0o777).toBe(0o600)
  })

  it('can start a relay that root initialised in its directories', () => {
    relay.run(['init', '-y'])
    expect(relay.run(['start', '-m'], '', nobody).status).toBe(0)
  })

  it('tor setup in a configuration directory that the relay may not write is refused with one chown, to smp and to root', () => {
    relay.run(['init', '-y', '-n', 'a.example'], '', nobody)
    chownSync(relay.config, 0, 0)
    chmodSync(relay.config, 0o755)
    const before = tree(relay.config, relay.state)
    for (const uid of [nobody, undefined]) {
      const { status, stdout } = relay.run(['tor', 'setup', '--own', '-y'], '', uid)
      expect([status, stdout]).toEqual([
        1,
        expect.stringMatching(/^Error: The relay's user \S+ may not write to .*\nAs root: chown -R \S+ \S+$/m),
      ])
      expect(stdout.match(/chown/g)).toHaveLength(1)
    }
    expect(tree(relay.config, relay.state)).toEqual(before)
  })

  it('cannot initialise a relay in a directory of root, and nothing is written', () => {
    chownSync(relay.state, 0, 0)
    const { status, stdout } = relay.run(['init', '-y'], '', nobody)
    expect([status, stdout]).toEqual([
      1,
      `Error: User nobody may not write to ${relay.state}, which belongs to root.\n` +
        `Run as root: \`chown -R nobody ${relay.config} ${relay.state}\`\nMore: \`smp-server help FILE_OWNER\`\n`,
    ])
    expect(readdirSync(relay.config)).toEqual([])
  })

  it('learns the command that creates a directory which it may not create itself', () => {
    rmdirSync(relay.state)
    const { status, stdout } = relay.run(['init', '-y'], '', nobody)
    expect([status, stdout]).toEqual([
      1,
      `Error: ${relay.state} does not exist, and user nobody may not create it.\n` +
        `Run as root: \`install -d -o nobody -m 700 ${relay.state}\`\nMore: \`smp-server help DIRECTORY_MISSING\`\n`,
    ])
    expect(readdirSync(relay.config)).toEqual([])
    spawnSync('install', ['-d', '-o', 'nobody', '-m', '700', relay.state])
    expect(relay.run(['init', '-y'], '', nobody).status).toBe(0)
  })

  it('learns which files root left behind, and the command that gives them back', () => {
    relay.run(['init', '-y'], '', nobody)
    expect(relay.run(['start', '-m'], '', nobody).status).toBe(0)
    spawnSync('chown', ['-R', 'root', join(relay.state, 'smp-server-store')])
    const { status, stdout, stderr } = relay.run(['start', '-m'], '', nobody)
    const store = join(relay.state, 'smp-server-store')
    expect({ status, stderr }).toEqual({ status: 1, stderr: '' })
    expect(stdout).toBe(
      `Error: User nobody may not write to ${store}, which belongs to root.\n` +
        `Run as root: \`chown -R nobody ${relay.config} ${relay.state}\`\nMore: \`smp-server help FILE_OWNER\`\n`,
    )
    spawnSync('chown', ['-R', 'nobody', relay.config, relay.state])
    expect(relay.run(['start', '-m'], '', nobody).status).toBe(0)
  })

  it('can be root, without a warning, if the directories belong to root', () => {
    for (const directory of [relay.config, relay.state]) chownSync(directory, 0, 0)
    relay.run(['init', '-y'])
    expect(relay.run(['start', '-m']).stderr).not.toContain('root')
  })

  it('may not read the relay of another user', () => {
    for (const directory of [relay.config, relay.state]) chownSync(directory, 0, 0)
    chmodSync(relay.config, 0o700)
    relay.run(['init', '-y'])
    const { status, stdout } = relay.run(['address'], '', nobody)
    expect(status).toBe(1)
    expect(stdout).toBe(
      `Error: User nobody may not read ${relay.config}, which belongs to root.\n` +
        `Run smp-server as the user that owns the relay, or give it to nobody as root: \`chown -R nobody ${relay.config} ${relay.state}\`\n` +
        'More: `smp-server help FILE_OWNER`\n',
    )
  })
})
