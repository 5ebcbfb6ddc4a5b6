import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { iniValue, setIniValue } from '../../src/config/ini.ts'
import { encodeOnionKey, generateOnionKey, type OnionKey } from '../../src/crypto/onion-key.ts'
import { buildProgram, type CommandResult, Installation } from './cli-process.ts'
import { startTor } from './tor-process.ts'
import { tree } from './tree.ts'

/*
 * With the age program of the system, and a real tor whose network is off.
 */

beforeAll(buildProgram)

let relay: Installation
let extra: string
let words: string
const passphrase = 'four words at random'
const key = generateOnionKey()
beforeEach(async () => {
  relay = new Installation()
  extra = join(relay.root, 'torrc-extra')
  words = join(relay.root, 'passphrase')
  writeFileSync(extra, 'DisableNetwork 1\n')
  writeFileSync(words, `${passphrase}\n`)
  await relay.initialize('-n', 'a.example', '--no-password')
})
afterEach(() => relay.remove())

const keyFile = (): string => join(relay.config, 'onion.key')
const host = (): string | undefined => iniValue(readFileSync(relay.ini, 'utf8'), 'TRANSPORT', 'host')

function setUp(): string {
  expect(relay.run(['tor', 'setup', '--own', '-y', '--torrc-extra', extra]).status).toBe(0)
  return host()?.split(',')[1] ?? ''
}

function write(name: string, content: string | Buffer): string {
  const path = join(relay.root, name)
  writeFileSync(path, content)
  return path
}

/** On a terminal of its own. */
function type(
  answers: [question: string, answer: string][],
  command: string[],
): { status: number | null; shown: string } {
  const script = join(import.meta.dirname, 'type-in.py')
  const { status, stdout } = spawnSync('python3', [script, JSON.stringify(answers), ...command], {
    env: relay.environment,
    encoding: 'utf8',
    timeout: 30_000,
  })
  return { status, shown: stdout }
}

function typed(
  answers: [question: string, answer: string][],
  args: string[],
): { status: number | null; shown: string } {
  return type(answers, [process.execPath, join(import.meta.dirname, '../../dist/cli/main.js'), ...args])
}

describe('a backup of the key', () => {
  test('gives the age program tor’s own file', () => {
    const hostname = setUp()
    const backup = join(relay.root, 'backup.age')
    const { status, stdout } = relay.run(['tor', 'key', 'backup', backup, '--passphrase-file', words])
    expect(status).toBe(0)
    expect(stdout).toContain(`The key of ${hostname} is in ${backup}, encrypted.`)
    const opened = join(relay.root, 'opened')
    expect(type([['passphrase', passphrase]], ['age', '-d', '-o', opened, backup]).status).toBe(0)
    expect(readFileSync(opened)).toEqual(readFileSync(keyFile()))
  })

  test('is also what the age program makes of tor’s own file', () => {
    const file = write('key', encodeOnionKey(key))
    for (const [index, form] of [[], ['-a']].entries()) {
      const backup = join(relay.root, `backup-${index}`)
      const answers: [string, string][] = [
        ['Enter passphrase', passphrase],
        ['Confirm passphrase', passphrase],
      ]
      expect(type(answers, ['age', '-p', ...form, '-o', backup, file]).status).toBe(0)
      const { status, stdout } = relay.run(['tor', 'key', 'restore', backup, '--passphrase-file', words])
      expect(status).toBe(0)
      expect(stdout).toContain(`The key of ${key.hostname} is ${index === 0 ? 'now in' : 'in'} ${keyFile()}`)
    }
    expect(readFileSync(keyFile())).toEqual(encodeOnionKey(key))
  })

  test('brings the same name back after everything was removed', () => {
    const before = tree(relay.config, relay.state)
    const hostname = setUp()
    const backup = join(relay.root, 'backup.age')
    relay.run(['tor', 'key', 'backup', backup, '--passphrase-file', words])
    expect(relay.run(['tor', 'remove', '-y']).status).toBe(0)
    expect(tree(relay.config, relay.state)).toEqual(before)
    expect(relay.run(['tor', 'key', 'restore', backup, '--passphrase-file', words]).stdout).toContain(hostname)
    expect(setUp()).toBe(hostname)
  })

  test('asks twice on a terminal, and shows nothing of what is typed', () => {
    setUp()
    const backup = join(relay.root, 'backup.age')
    const questions = (second: string): [string, string][] => [
      ['Passphrase for the backup', passphrase],
      ['The same again', second],
    ]
    const different = typed(questions('four other words'), ['tor', 'key', 'backup', backup])
    expect(different.status).toBe(1)
    expect(different.shown).toContain('Error: These were two different passphrases.')
    const { status, shown } = typed(questions(passphrase), ['tor', 'key', 'backup', backup])
    expect(status).toBe(0)
    expect(shown).not.toContain(passphrase.slice(0, 4))
    relay.run(['tor', 'remove', '-y'])
    const restored = typed([['Passphrase of the backup', passphrase]], ['tor', 'key', 'restore', backup])
    expect(restored.status).toBe(0)
    expect(restored.shown).not.toContain(passphrase.slice(0, 4))
  })

  test('can be made of the next key while a name is being replaced', () => {
    setUp()
    const backUp = (name: string, ...more: string[]): CommandResult =>
      relay.run(['tor', 'key', 'backup', join(relay.root, name), '--passphrase-file', words, ...more])
    expect(backUp('none.age', '--next').stdout).toContain(
      'onion-next.key to back up.\n`smp-server tor rotate` makes one.',
    )
    relay.run(['tor', 'rotate'])
    const [, present = '', next = ''] = host()?.split(',') ?? []
    expect(backUp('present.age').stdout).toContain(`The key of ${present} is in`)
    expect(backUp('next.age', '--next').stdout).toContain(`The key of ${next} is in`)
  })

  test('never overwrites a file', () => {
    setUp()
    const present = write('backup.age', 'precious')
    const { status, stdout } = relay.run(['tor', 'key', 'backup', present, '--passphrase-file', words])
    expect([status, stdout]).toEqual([1, `Error: ${present} exists already.\nName another file.\n`])
    expect(readFileSync(present, 'utf8')).toBe('precious')
  })
})

/** Runs it, and makes sure that nothing has changed; returns what it printed. */
function refused(args: string[]): string {
  const before = tree(relay.config, relay.state)
  const { status, stdout, stderr }: CommandResult = relay.run(args)
  expect([status, stderr]).toEqual([1, ''])
  expect(stdout).toMatch(/^Error: .*\.\n.*\.?\n$/)
  expect(tree(relay.config, relay.state)).toEqual(before)
  return stdout
}

describe('what is no backup', () => {
  test.each([false, true])('is refused with a sentence, and changes nothing; with a key there: %s', (isSetUp) => {
    if (isSetUp) setUp()
    const restore = (file: string): string => refused(['tor', 'key', 'restore', file, '--passphrase-file', words])
    const age = type(
      [
        ['Enter passphrase', 'another passphrase'],
        ['Confirm passphrase', 'another passphrase'],
      ],
      ['age', '-p', '-o', join(relay.root, 'other.age'), write('key', encodeOnionKey(key))],
    )
    expect(age.status).toBe(0)
    const other = readFileSync(join(relay.root, 'other.age'))
    expect(restore(join(relay.root, 'other.age'))).toContain('The passphrase does not open')
    expect(restore(write('cut', other.subarray(0, 90)))).toContain('cut is damaged.')
    expect(restore(write('text', 'hello\n'))).toContain('text is not an encrypted backup.')
    expect(restore(join(relay.root, 'key'))).toContain('is not an encrypted backup.')
    expect(restore(relay.root)).toContain(`${relay.root} is a directory.`)
    expect(restore(join(relay.root, 'none'))).toContain('none does not exist.')
    symlinkSync('loop', join(relay.root, 'loop'))
    expect(restore(join(relay.root, 'loop'))).toContain('loop cannot be read (ELOOP).')
    expect(refused(['tor', 'key', 'restore', join(relay.root, 'other.age')])).toContain('There is no terminal')
  })
})

/** A key whose name begins with this letter, as vanity generators look for them. */
function vanityKey(letter: string): OnionKey {
  for (;;) {
    const found = generateOnionKey()
    if (found.hostname.startsWith(letter)) return found
  }
}

describe('the key of another program', () => {
  test('that a vanity generator has found gives the relay its name', () => {
    const vanity = vanityKey('s')
    mkdirSync(join(relay.root, vanity.hostname))
    const file = write(join(vanity.hostname, 'hs_ed25519_secret_key'), encodeOnionKey(vanity))
    write(join(vanity.hostname, 'hostname'), `${vanity.hostname}\n`)
    expect(refused(['tor', 'key', 'import', file])).toContain('Give --mode single-hop if it was not')
    const { status, stdout } = relay.run(['tor', 'key', 'import', file, '--mode', 'single-hop'])
    expect(status).toBe(0)
    expect(stdout).toContain(`The key of ${vanity.hostname} is now in`)
    expect(setUp()).toBe(vanity.hostname)
  })

  test('of an anonymous service of a real tor is not used in single-hop mode unless that is wanted', async () => {
    const directory = join(relay.root, 'service')
    const tor = await startTor([`HiddenServiceDir ${directory}`, 'HiddenServicePort 5223', 'SocksPort 0'])
    try {
      const file = join(directory, 'hs_ed25519_secret_key')
      await expect.poll(() => refusedKey(file)).not.toContain('does not exist')
      const torrc = join(tor.directory, 'torrc')
      const args = ['tor', 'key', 'import', file, '--torrc', torrc]
      expect(refused(args)).toContain('is the key of an anonymous onion service')
      expect(refused([...args, '--mode', 'single-hop'])).toContain(`which ${torrc} names, is the key of an anonymous`)
      const { status, stdout } = relay.run([...args, '--from-anonymous'])
      expect(status).toBe(0)
      expect(stdout).toContain(readFileSync(join(directory, 'hostname'), 'utf8').trim())
      expect(stdout).toContain(`Take HiddenServiceDir ${directory} out of ${torrc}`)
    } finally {
      await tor.stop()
    }
  })

  test('of a single-hop service of a real tor is taken over, and that of a relay with it', async () => {
    const directory = join(relay.root, 'service')
    const lines = ['HiddenServiceNonAnonymousMode 1', 'HiddenServiceSingleHopMode 1', 'SocksPort 0']
    const tor = await startTor([`HiddenServiceDir ${directory}`, 'HiddenServicePort 5223', ...lines])
    const file = join(directory, 'hs_ed25519_secret_key')
    try {
      await expect.poll(() => refusedKey(file)).not.toContain('does not exist')
      const { status } = relay.run(['tor', 'key', 'import', file, '--torrc', join(tor.directory, 'torrc')])
      expect(status).toBe(0)
    } finally {
      await tor.stop()
    }
    const hostname = setUp()
    expect(hostname).toBe(readFileSync(join(directory, 'hostname'), 'utf8').trim())
    const second = new Installation()
    try {
      await second.initialize('-n', 'b.example', '--no-password')
      expect(second.run(['tor', 'key', 'import', keyFile()]).stdout).toContain(hostname)
    } finally {
      await second.remove()
    }
  })

  test('of a single-hop service is not used for an anonymous one', () => {
    writeFileSync(relay.ini, setIniValue(readFileSync(relay.ini, 'utf8'), 'TOR', 'single_hop', 'off'))
    const args = ['tor', 'key', 'import', write('key', encodeOnionKey(key))]
    expect(refused(args)).toContain('Give --mode anonymous if it was not')
    expect(refused([...args, '--mode', 'single-hop'])).toContain('is the key of a single-hop onion service')
    expect(refused([...args, '--mode', 'single-hop', '--from-anonymous'])).toContain('a single-hop onion service')
    expect(relay.run([...args, '--mode', 'anonymous']).status).toBe(0)
    writeFileSync(relay.ini, readFileSync(relay.ini, 'utf8').replace('single_hop = off', 'single_hop = on'))
    expect(refused(['tor', 'key', 'import', keyFile()])).toContain('is the key of an anonymous onion service')
  })

  test('as the control port gives it is taken over too, but never over another key', () => {
    const hostname = setUp()
    const file = write('control', `ED25519-V3:${key.secret.toString('base64')}\n`)
    const args = ['tor', 'key', 'import', file, '--mode', 'single-hop']
    expect(refused(args)).toContain(`onion.key holds another key, that of ${hostname}.`)
    const { status, stdout } = relay.run([...args, '--force'])
    expect(status).toBe(0)
    expect(stdout).toContain('The key that was there before is in')
    expect(host()).toBe(`a.example,${key.hostname}`)
    expect(setUp()).toBe(key.hostname)
  })

  test('is refused with a sentence when it is no key, and changes nothing', () => {
    const file = encodeOnionKey(key)
    const take = (path: string): string => refused(['tor', 'key', 'import', path, '--mode', 'single-hop'])
    expect(take(write('short', file.subarray(0, 64)))).toContain('short has 64 bytes, but a key file has 96.')
    expect(take(write('type', file.toString('latin1').replace('type0', 'type1')))).toContain('a type that is not known')
    expect(take(write('public', '== ed25519v1-public: type0 ==\0\0\0'.padEnd(64, 'x')))).toContain(
      'only the public key',
    )
    expect(take(write('text', 'hello'))).toContain('is not the secret key of an onion service')
    expect(take(relay.root)).toContain('is a directory.\nName the file with the secret key')
    expect(take(join(relay.root, 'none'))).toContain('none does not exist.')
    writeFileSync(join(relay.root, 'hostname'), `${generateOnionKey().hostname}\n`)
    expect(take(write('other', file))).toContain('but hostname beside it is of')
  })
})

function refusedKey(file: string): string {
  return relay.run(['tor', 'key', 'import', file]).stdout
}
