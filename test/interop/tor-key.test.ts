import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
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
    timeout: 60_000,
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
  it('the age program decrypts a backup to tor’s own key file', () => {
    const hostname = setUp()
    const backup = join(relay.root, 'backup.age')
    const { status, stdout } = relay.run(['tor', 'key', 'backup', backup, '--passphrase-file', words])
    expect(status).toBe(0)
    expect(stdout).toContain(`The key of ${hostname} was written to ${backup}, encrypted.`)
    const opened = join(relay.root, 'opened')
    expect(type([['passphrase', passphrase]], ['age', '-d', '-o', opened, backup]).status).toBe(0)
    expect(readFileSync(opened)).toEqual(readFileSync(keyFile()))
  })

  it('a backup that the age program made of tor’s own key file is restored', () => {
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
      expect(stdout).toContain(`${keyFile()} ${index === 0 ? 'is now' : 'already is'} the key of ${key.hostname}.`)
    }
    expect(readFileSync(keyFile())).toEqual(encodeOnionKey(key))
  })

  it('a backup restores the same address after everything was removed', () => {
    const before = tree(relay.config, relay.state)
    const hostname = setUp()
    const backup = join(relay.root, 'backup.age')
    relay.run(['tor', 'key', 'backup', backup, '--passphrase-file', words])
    expect(relay.run(['tor', 'remove', '--delete-key', '-y']).status).toBe(0)
    expect(tree(relay.config, relay.state)).toEqual(before)
    expect(relay.run(['tor', 'key', 'restore', backup, '--passphrase-file', words]).stdout).toContain(hostname)
    expect(setUp()).toBe(hostname)
  })

  it('the passphrase is asked twice on a terminal, and never shown', () => {
    setUp()
    const backup = join(relay.root, 'backup.age')
    const questions = (second: string): [string, string][] => [
      ['Passphrase for the backup', passphrase],
      ['Repeat the passphrase', second],
    ]
    const different = typed(questions('four other words'), ['tor', 'key', 'backup', backup])
    expect(different.status).toBe(1)
    expect(different.shown).toContain('Error: The two passphrases are different.')
    const { status, shown } = typed(questions(passphrase), ['tor', 'key', 'backup', backup])
    expect(status).toBe(0)
    expect(shown).not.toContain(passphrase.slice(0, 4))
    relay.run(['tor', 'remove', '--delete-key', '-y'])
    const restored = typed([['Passphrase of the backup', passphrase]], ['tor', 'key', 'restore', backup])
    expect(restored.status).toBe(0)
    expect(restored.shown).not.toContain(passphrase.slice(0, 4))
  })

  it('the next key of a rotation can be backed up', () => {
    setUp()
    const backUp = (name: string, ...more: string[]): CommandResult =>
      relay.run(['tor', 'key', 'backup', join(relay.root, name), '--passphrase-file', words, ...more])
    expect(backUp('none.age', '--next').stdout).toContain('onion-next.key.\nCreate one with `smp-server tor rotate`.')
    relay.run(['tor', 'rotate', '-y'])
    const [, present = '', next = ''] = host()?.split(',') ?? []
    expect(backUp('present.age').stdout).toContain(`The key of ${present} was written to`)
    expect(backUp('next.age', '--next').stdout).toContain(`The key of ${next} was written to`)
  })

  it('a backup never overwrites a file', () => {
    setUp()
    const present = write('backup.age', 'precious')
    const { status, stdout } = relay.run(['tor', 'key', 'backup', present, '--passphrase-file', words])
    expect([status, stdout]).toEqual([
      1,
      expect.stringMatching(`^Error: ${present} already exists.\nPass another file name.\n`),
    ])
    expect(readFileSync(present, 'utf8')).toBe('precious')
  })
})

/** Runs it, and makes sure that nothing has changed; returns what it printed. */
function refused(args: string[]): string {
  const before = tree(relay.config, relay.state)
  const { status, stdout, stderr }: CommandResult = relay.run(args)
  expect([status, stderr]).toEqual([1, ''])
  expect(stdout).toMatch(/^Error: .*\.\n.*\.?\nMore: `smp-server help [A-Z_]+`\n$/)
  expect(tree(relay.config, relay.state)).toEqual(before)
  return stdout
}

describe('what is no backup', () => {
  it.each([false, true])(
    'a file that is no backup is refused with a sentence, and changes nothing; with a key there: %s',
    (isSetUp) => {
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
      expect(refused(['tor', 'key', 'restore', join(relay.root, 'other.age')])).toContain('there is no terminal')
    },
  )
})

/** A key whose name begins with this letter, as vanity generators look for them. */
function vanityKey(letter: string): OnionKey {
  for (;;) {
    const found = generateOnionKey()
    if (found.hostname.startsWith(letter)) return found
  }
}

describe('the key of another program', () => {
  it('a key from a vanity generator gives the relay its address', () => {
    const vanity = vanityKey('s')
    mkdirSync(join(relay.root, vanity.hostname))
    const file = write(join(vanity.hostname, 'hs_ed25519_secret_key'), encodeOnionKey(vanity))
    write(join(vanity.hostname, 'hostname'), `${vanity.hostname}\n`)
    expect(refused(['tor', 'key', 'import', file])).toContain('Pass --mode single-hop if it was not')
    const { status, stdout } = relay.run(['tor', 'key', 'import', file, '--mode', 'single-hop'])
    expect(status).toBe(0)
    expect(stdout).toContain(`is now the key of ${vanity.hostname}.`)
    expect(setUp()).toBe(vanity.hostname)
  })

  it('the key of an anonymous service of a real tor is not used in single-hop mode, and not while that tor has it', async () => {
    const directory = join(relay.root, 'service')
    const tor = await startTor([`HiddenServiceDir ${directory}`, 'HiddenServicePort 5223', 'SocksPort 0'])
    try {
      const file = join(directory, 'hs_ed25519_secret_key')
      await expect.poll(() => refusedKey(file)).not.toContain('does not exist')
      const torrc = join(tor.directory, 'torrc')
      const args = ['tor', 'key', 'import', file, '--torrc', torrc]
      expect(refused(args)).toContain('is the key of an anonymous onion service')
      expect(refused([...args, '--mode', 'single-hop'])).toContain(`which ${torrc} uses, is the key of an anonymous`)
      const inUse = refused([...args, '--from-anonymous'])
      expect(inUse).toContain(`Error: ${torrc} still has a service with the key ${file}, in ${directory}.`)
      expect(inUse).toContain(`smp-server tor setup --adopt ${directory}`)
      writeFileSync(torrc, 'SocksPort 0\n')
      const { status, stdout } = relay.run([...args, '--from-anonymous'])
      expect(status).toBe(0)
      expect(stdout).toContain(readFileSync(join(directory, 'hostname'), 'utf8').trim())
    } finally {
      await tor.stop()
    }
  })

  it('the key of a single-hop service of a real tor is imported, and that of another relay, too', async () => {
    const directory = join(relay.root, 'service')
    const lines = ['HiddenServiceNonAnonymousMode 1', 'HiddenServiceSingleHopMode 1', 'SocksPort 0']
    const tor = await startTor([`HiddenServiceDir ${directory}`, 'HiddenServicePort 5223', ...lines])
    const file = join(directory, 'hs_ed25519_secret_key')
    try {
      await expect.poll(() => refusedKey(file)).not.toContain('does not exist')
      const torrc = join(tor.directory, 'torrc')
      expect(refused(['tor', 'key', 'import', file, '--torrc', torrc])).toContain('still has a service with the key')
      writeFileSync(torrc, 'SocksPort 0\n')
      expect(relay.run(['tor', 'key', 'import', file, '--mode', 'single-hop']).status).toBe(0)
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

  it('the key of a single-hop service is not used for an anonymous one', () => {
    writeFileSync(relay.ini, setIniValue(readFileSync(relay.ini, 'utf8'), 'TOR', 'single_hop', 'off'))
    const args = ['tor', 'key', 'import', write('key', encodeOnionKey(key))]
    expect(refused(args)).toContain('Pass --mode anonymous if it was not')
    expect(refused([...args, '--mode', 'single-hop'])).toContain('is the key of a single-hop onion service')
    expect(refused([...args, '--mode', 'single-hop', '--from-anonymous'])).toContain('a single-hop onion service')
    expect(relay.run([...args, '--mode', 'anonymous']).status).toBe(0)
    writeFileSync(relay.ini, readFileSync(relay.ini, 'utf8').replace('single_hop = off', 'single_hop = on'))
    expect(refused(['tor', 'key', 'import', keyFile()])).toContain('is the key of an anonymous onion service')
  })

  it('a key in the format of the control port is imported, too, but never over another key', () => {
    const hostname = setUp()
    const file = write('control', `ED25519-V3:${key.secret.toString('base64')}\n`)
    const args = ['tor', 'key', 'import', file, '--mode', 'single-hop']
    expect(refused(args)).toContain(`onion.key holds another key, that of ${hostname}.`)
    const { status, stdout } = relay.run([...args, '--force'])
    expect(status).toBe(0)
    expect(stdout).toContain('The previous key was moved to')
    expect(host()).toBe(`a.example,${key.hostname}`)
    expect(setUp()).toBe(key.hostname)
  })

  it('a file that is no key is refused with a sentence, and changes nothing', () => {
    const file = encodeOnionKey(key)
    const take = (path: string): string => refused(['tor', 'key', 'import', path, '--mode', 'single-hop'])
    expect(take(write('short', file.subarray(0, 64)))).toContain('short has 64 bytes, but a key file has 96.')
    expect(take(write('type', file.toString('latin1').replace('type0', 'type1')))).toContain('an unknown type')
    expect(take(write('public', '== ed25519v1-public: type0 ==\0\0\0'.padEnd(64, 'x')))).toContain(
      'only the public key',
    )
    expect(take(write('text', 'hello'))).toContain('is not the secret key of an onion service')
    expect(take(relay.root)).toContain('is a directory.\nPass the file of the secret key')
    expect(take(join(relay.root, 'none'))).toContain('none does not exist.')
    writeFileSync(join(relay.root, 'hostname'), `${generateOnionKey().hostname}\n`)
    expect(take(write('other', file))).toContain('but hostname beside it belongs to')
  })
})

function refusedKey(file: string): string {
  return relay.run(['tor', 'key', 'import', file]).stdout
}
