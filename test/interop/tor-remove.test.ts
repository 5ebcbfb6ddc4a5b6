import { readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { iniValue } from '../../src/config/ini.ts'
import { connectOwnTor } from '../../src/tor/process/own-tor.ts'
import { setupOwnTor } from '../../src/tor/setup/own.ts'
import { buildProgram, Installation } from './cli-process.ts'
import { RelayFiles } from './tor-relay.ts'
import { tree } from './tree.ts'

/*
 * With a real tor whose network is off.
 */

beforeAll(buildProgram)

let relay: Installation
let extra: string
beforeEach(async () => {
  relay = new Installation()
  extra = join(relay.root, 'torrc-extra')
  writeFileSync(extra, 'DisableNetwork 1\n')
  await relay.initialize('-n', 'a.example', '--no-password', '--disable-web')
})
afterEach(() => relay.remove())

const ini = (): string => readFileSync(relay.ini, 'utf8')
const host = (): string | undefined => iniValue(ini(), 'TRANSPORT', 'host')
const everything = (): Record<string, string> => tree(relay.config, relay.state)

function setUp(): string {
  expect(relay.run(['tor', 'setup', '--own', '-y', '--torrc-extra', extra]).status).toBe(0)
  return /[a-z2-7]{56}\.onion/.exec(host() ?? '')?.[0] ?? ''
}

describe('tor remove', () => {
  test.each([
    ['a public name', 'host = a.example'],
    ['no name at all', 'host = <hostnames>'],
    ['odd blanks', 'host:a.example ,  b.example'],
  ])('leaves every file as it was before tor setup: %s', (_, line) => {
    writeFileSync(relay.ini, ini().replace(/^host = .*/m, line))
    const before = everything()
    const hostname = setUp()
    expect(everything()).not.toEqual(before)
    const { status, stdout } = relay.run(['tor', 'remove', '-y'])
    expect(status).toBe(0)
    expect(stdout).toContain(`${hostname} will not be reached any more`)
    expect(everything()).toEqual(before)
    expect(relay.run(['tor', 'remove', '-y']).stdout).toBe(
      'There is no onion service to remove, nothing was changed.\n',
    )
  })

  test('leaves every file as it was also after a second setup and two rotations', () => {
    const before = everything()
    setUp()
    relay.run(['tor', 'rotate'])
    relay.run(['tor', 'rotate', '--finish', '-y'])
    setUp()
    relay.run(['tor', 'rotate'])
    expect(host()?.split(',')).toHaveLength(3)
    expect(relay.run(['tor', 'remove', '-y']).status).toBe(0)
    expect(everything()).toEqual(before)
  })

  test('keeps what was edited since', () => {
    const before = ini()
    setUp()
    writeFileSync(relay.ini, ini().replace('host = a.example', 'host = new.example').replace('[WEB]', '[WEB]\n# mine'))
    expect(relay.run(['tor', 'remove', '-y']).status).toBe(0)
    expect(ini()).toBe(before.replace('host = a.example', 'host = new.example').replace('[WEB]', '[WEB]\n# mine'))
  })

  test('takes the name out even when nothing was written down', () => {
    setUp()
    rmSync(join(relay.config, 'onion-setup.json'))
    expect(relay.run(['tor', 'remove', '-y']).status).toBe(0)
    expect(host()).toBe('a.example')
    expect(readdirSync(relay.state)).toEqual([])
  })

  test('puts the key aside when it is to be kept, and import takes it from there', () => {
    const before = everything()
    const hostname = setUp()
    const { stdout } = relay.run(['tor', 'remove', '-y', '--keep-key'])
    const [path = ''] = /\S+onion-\S+\.key/.exec(stdout) ?? []
    const names = Object.keys(everything()).filter((name) => !(name in before))
    expect(names).toEqual([expect.stringMatching(/onion-\d.*\.json$/), expect.stringMatching(/onion-\d.*\.key$/)])
    expect(relay.run(['tor', 'key', 'import', path]).stdout).toContain(`The key of ${hostname} is now in`)
    expect(setUp()).toBe(hostname)
  })

  test('does nothing unless somebody agrees', () => {
    setUp()
    const before = everything()
    const { status, stdout } = relay.run(['tor', 'remove'])
    expect(status).toBe(1)
    expect(stdout).toContain('Nothing was changed, because nobody can be asked: give -y to agree.')
    expect(everything()).toEqual(before)
  })

  test('ends the tor of a running relay, which goes on without it', async () => {
    const before = tree(relay.config)
    setUp()
    const running = relay.start(['start'])
    const directory = join(relay.state, 'tor')
    await expect.poll(() => isRunning(directory), { timeout: 20_000 }).toBe(true)
    const { status, stdout } = relay.run(['tor', 'remove', '-y'])
    expect(status).toBe(0)
    expect(stdout).toContain('Restart the server')
    expect(tree(relay.config)).toEqual(before)
    // It would come back within the first pauses of the keeper.
    await running.shows(/The key .* is missing/)
    expect(await isRunning(directory)).toBe(false)
    running.kill('SIGINT')
    expect((await running.ended()).status).toBe(0)
    // What the relay has written about its state until then.
    relay.run(['tor', 'remove', '-y'])
    expect(readdirSync(relay.state)).toEqual(['smp-server-store', 'smp-server-store.log', 'www'])
  })
})

async function isRunning(directory: string): Promise<boolean> {
  const control = await connectOwnTor(directory)
  control?.close()
  return control !== undefined
}

describe('a setup that fails', () => {
  test('leaves every file as it was, and says so', async () => {
    // The host can be set, but not what comes behind the line that is no setting.
    const files = await RelayFiles.make('[TRANSPORT]\nhost = a.example\n]\n', ['DisableNetwork 1'])
    try {
      const before = tree(files.directory)
      const attempt = setupOwnTor(files.own, files.progress)
      await expect(attempt).rejects.toMatchObject({ code: 'INI_WRITE' })
      expect(files.steps.slice(-2)).toEqual(['onion', 'undo left: Everything that was changed has been taken back'])
      expect(tree(files.directory)).toEqual(before)
    } finally {
      await files.remove()
    }
  })

  test('leaves what was there before it', async () => {
    const files = await RelayFiles.make('[TRANSPORT]\nhost = a.example\n', ['DisableNetwork 1'])
    try {
      await setupOwnTor(files.own, files.progress)
      const before = { ...tree(join(files.directory, 'etc')), torrc: '' }
      writeFileSync(files.extra, 'DisableNetwork 1\nBogus 1\n')
      const other = { ...files.own, torrcExtra: files.extra }
      await expect(setupOwnTor(other, files.progress)).rejects.toMatchObject({ code: 'TORRC_REFUSED' })
      writeFileSync(files.extra, 'DisableNetwork 1\n')
      expect({ ...tree(join(files.directory, 'etc')), torrc: '' }).toEqual(before)
    } finally {
      await files.remove()
    }
  })
})
