import { readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { iniValue } from '../../src/config/ini.ts'
import { connectOwnTor } from '../../src/tor/process/own-tor.ts'
import { findRemoval, removeOnion } from '../../src/tor/setup/remove.ts'
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
  it.each([
    ['a public name', 'host = a.example'],
    ['no name at all', 'host = <hostnames>'],
    ['odd blanks', 'host:a.example ,  b.example'],
  ])('tor remove leaves every file as it was before tor setup: %s', (_, line) => {
    writeFileSync(relay.ini, ini().replace(/^host = .*/m, line))
    const before = everything()
    const hostname = setUp()
    expect(everything()).not.toEqual(before)
    const { status, stdout } = relay.run(['tor', 'remove', '--delete-key', '-y'])
    expect(status).toBe(0)
    expect(stdout).toContain(`${hostname} will stop working`)
    expect(everything()).toEqual(before)
    expect(relay.run(['tor', 'remove', '--delete-key', '-y']).stdout).toBe(
      'There is no onion service to remove. Nothing was changed.\n',
    )
  })

  it('tor remove leaves every file as it was also after a second setup and two rotations', () => {
    const before = everything()
    setUp()
    relay.run(['tor', 'rotate', '-y'])
    relay.run(['tor', 'rotate', '--finish', '-y'])
    setUp()
    relay.run(['tor', 'rotate', '-y'])
    expect(host()?.split(',')).toHaveLength(3)
    expect(relay.run(['tor', 'remove', '--delete-key', '-y']).status).toBe(0)
    expect(everything()).toEqual(before)
  })

  it('tor remove keeps later edits of the INI file', () => {
    const before = ini()
    setUp()
    writeFileSync(relay.ini, ini().replace('host = a.example', 'host = new.example').replace('[WEB]', '[WEB]\n# mine'))
    expect(relay.run(['tor', 'remove', '--delete-key', '-y']).status).toBe(0)
    expect(ini()).toBe(before.replace('host = a.example', 'host = new.example').replace('[WEB]', '[WEB]\n# mine'))
  })

  it('tor remove removes the address also without a journal', () => {
    setUp()
    rmSync(join(relay.config, 'onion-setup.json'))
    expect(relay.run(['tor', 'remove', '--delete-key', '-y']).status).toBe(0)
    expect(host()).toBe('a.example')
    expect(readdirSync(relay.state)).toEqual([])
  })

  it('tor remove --keep-key keeps the key in another file, from which setup imports it', () => {
    const before = everything()
    const hostname = setUp()
    const { stdout } = relay.run(['tor', 'remove', '-y', '--keep-key'])
    const [path = ''] = /\S+onion-\S+Z\.key/.exec(stdout) ?? []
    const names = Object.keys(everything()).filter((name) => !(name in before))
    expect(names).toEqual([expect.stringMatching(/onion-\d.*\.json$/), expect.stringMatching(/onion-\d.*\.key$/)])
    expect(relay.run(['tor', 'key', 'import', path]).stdout).toContain(`is now the key of ${hostname}.`)
    expect(setUp()).toBe(hostname)
  })

  it('tor remove refuses without a choice for the key, and without confirmation', () => {
    setUp()
    const before = everything()
    for (const [args, message] of [
      [[], 'Nothing was changed. Pass --keep-key to keep the onion key in another file, or --delete-key.'],
      [['-y'], 'Nothing was changed. Pass --keep-key to keep the onion key in another file, or --delete-key.'],
      [['--keep-key'], 'Nothing was changed. Not a terminal; pass `-y` to confirm.'],
    ] as const) {
      const { status, stdout } = relay.run(['tor', 'remove', ...args])
      expect([status, stdout]).toEqual([1, expect.stringContaining(message)])
      expect(everything()).toEqual(before)
    }
  })

  it('a running service whose key file is away survives a change of the INI file, and applies it when the key is back', async () => {
    setUp()
    const running = relay.start(['start'])
    const tor = async (): Promise<string | undefined> => {
      const control = await connectOwnTor(join(relay.state, 'tor'))
      const pid = await control?.getInfo('process/pid')
      control?.close()
      return pid?.get('process/pid')
    }
    await expect.poll(tor, { timeout: 20_000 }).toBeDefined()
    await expect.poll(() => relay.run(['tor', 'status']).stdout).toMatch(/service +ok/)
    const before = await tor()
    const key = join(relay.config, 'onion.key')
    renameSync(key, `${key}.away`)
    relay.set('TOR', 'check_interval', '900')
    await running.shows(/onion service: its key .* is missing; the running service keeps .*tor key restore FILE/)
    expect(await tor()).toBe(before)
    renameSync(`${key}.away`, key)
    await running.shows(/Reloaded the settings of the onion service/)
    running.kill('SIGTERM')
    expect((await running.ended()).status).toBe(0)
  })

  it('tor remove under a running relay ends its tor, and the relay goes on in peace', async () => {
    const before = tree(relay.config)
    setUp()
    const running = relay.start(['start'])
    const directory = join(relay.state, 'tor')
    await expect.poll(() => isRunning(directory), { timeout: 20_000 }).toBe(true)
    const { status, stdout } = relay.run(['tor', 'remove', '--delete-key', '-y'])
    expect(status).toBe(0)
    expect(stdout).toContain('The onion service was removed.')
    expect(tree(relay.config)).toEqual(before)
    await running.shows(/Reloaded the settings of the onion service\./)
    expect(await isRunning(directory)).toBe(false)
    expect(relay.run(['tor', 'status']).stdout).toContain('no onion service')
    running.kill('SIGINT')
    const { status: end, stderr } = await running.ended()
    expect([end, stderr]).toEqual([0, expect.not.stringMatching(/WARN.*onion service|is missing/)])
    expect(readdirSync(relay.state).filter((name) => name.startsWith('tor') || name.startsWith('onion'))).toEqual([])
  })
})

async function isRunning(directory: string): Promise<boolean> {
  const control = await connectOwnTor(directory)
  control?.close()
  return control !== undefined
}

describe('a setup that fails', () => {
  it('a setup that fails at its last step leaves every file as it was', async () => {
    const files = await RelayFiles.make('[TRANSPORT]\nhost = a.example\n', ['DisableNetwork 1'])
    try {
      const progress = {
        ...files.progress,
        begin: (text: string): void => {
          if (text.startsWith('Write the onion address')) writeFileSync(files.ini, '[TRANSPORT]\nhost = b.example\n')
        },
      }
      const before = Object.keys(tree(files.directory))
      await expect(files.setUp({}, { progress })).rejects.toMatchObject({ code: 'INI_CHANGED' })
      expect(files.shown.at(-1)).toBe('left: Rolled back: everything is as it was before')
      expect(Object.keys(tree(files.directory))).toEqual(before)
    } finally {
      await files.remove()
    }
  })

  it('a second setup that fails leaves what the first one set up', async () => {
    const files = await RelayFiles.make('[TRANSPORT]\nhost = a.example\n', ['DisableNetwork 1'])
    try {
      await files.setUp()
      const before = tree(join(files.directory, 'etc'))
      writeFileSync(files.extra, 'DisableNetwork 1\nBogus 1\n')
      await expect(files.setUp()).rejects.toMatchObject({ code: 'TORRC_REFUSED' })
      writeFileSync(files.extra, 'DisableNetwork 1\n')
      expect(tree(join(files.directory, 'etc'))).toEqual(before)
    } finally {
      await files.remove()
    }
  })

  it('what a killed setup left is rolled back by the next one, which then succeeds', async () => {
    const files = await RelayFiles.make('[TRANSPORT]\nhost = a.example\n', ['DisableNetwork 1'])
    try {
      const before = tree(files.directory)
      // Exactly what is there when the process is killed before the last step.
      const killed = new Promise<Record<string, Buffer>>((resolve) => {
        const progress = {
          ...files.progress,
          begin: (text: string): void => {
            if (!text.startsWith('Write the onion address')) return
            const etc = join(files.directory, 'etc')
            resolve(Object.fromEntries(readdirSync(etc).map((name) => [name, readFileSync(join(etc, name))])))
            throw new Error('killed')
          },
        }
        files.setUp({}, { progress }).catch(() => undefined)
      })
      const left = await killed
      await expect.poll(() => tree(files.directory)).toEqual(before)
      for (const [name, content] of Object.entries(left)) writeFileSync(join(files.directory, 'etc', name), content)
      expect(Object.keys(left)).toContain('onion.key')
      const { hostname } = await files.setUp()
      expect(files.shown).toContain('left: Rolled back: everything is as it was before')
      const found = await findRemoval(files.removal())
      expect(found?.keys.map(({ key }) => key.hostname)).toEqual([hostname])
      if (found) await removeOnion(files.removal(), found, false)
      expect(tree(files.directory)).toEqual(before)
    } finally {
      await files.remove()
    }
  })
})
