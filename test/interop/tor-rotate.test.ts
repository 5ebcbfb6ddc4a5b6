import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { iniValue } from '../../src/config/ini.ts'
import { connectOwnTor } from '../../src/tor/process/own-tor.ts'
import { buildProgram, Installation } from './cli-process.ts'
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

function onions(): string[] {
  const hosts = iniValue(readFileSync(relay.ini, 'utf8'), 'TRANSPORT', 'host')?.split(',') ?? []
  return hosts.filter((host) => host.endsWith('.onion'))
}

function setUp(): string {
  relay.run(['tor', 'setup', '--own', '-y', '--torrc-extra', extra])
  return onions()[0] ?? ''
}

describe('tor rotate', () => {
  it('a rotation has both addresses in the server address until one of them is dropped', () => {
    const old = setUp()
    const before = tree(relay.config)
    const begun = relay.run(['tor', 'rotate', '-y'])
    expect(begun.status).toBe(0)
    const [first, next = ''] = onions()
    expect(first).toBe(old)
    expect(begun.stdout).toMatch(new RegExp(`^New onion address: ${next}$`, 'm'))
    expect(relay.run(['address']).stdout).toContain(
      `@a.example,${old},${next}:${relay.value('TRANSPORT', 'port') ?? ''}\n`,
    )
    expect(relay.run(['tor', 'rotate', '-y']).stdout).toContain(`The new onion address ${next} is already there.`)
    expect(onions()).toEqual([old, next])

    expect(relay.run(['tor', 'rotate', '--abort']).stdout).toContain(`${old} stays the only onion address.`)
    expect(tree(relay.config)).toEqual(before)

    relay.run(['tor', 'rotate', '-y'])
    const [, other = ''] = onions()
    expect(other).not.toBe(next)
    const refused = relay.run(['tor', 'rotate', '--finish'])
    expect([refused.status, onions()]).toEqual([1, [old, other]])
    expect(refused.stdout).toContain('pass `-y` to confirm')
    expect(relay.run(['tor', 'rotate', '--finish', '-y']).stdout).toContain(`${other} is now the only onion address.`)
    expect(onions()).toEqual([other])
  })

  it('tor rotate without a terminal and without -y changes nothing', () => {
    setUp()
    const before = tree(relay.config)
    const { status, stdout } = relay.run(['tor', 'rotate'])
    expect([status, stdout]).toEqual([1, 'Nothing was changed. Not a terminal; pass `-y` to confirm.\n'])
    expect(tree(relay.config)).toEqual(before)
  })

  it('a rotation without a key, or the end of one that was not started, is refused', () => {
    const before = tree(relay.config)
    for (const [args, message] of [
      [['-y'], `There is no onion key ${join(relay.config, 'onion.key')}.`],
      [['--finish', '-y'], 'No rotation is in progress.'],
      [['--abort'], 'No rotation is in progress.'],
    ] as const) {
      const { status, stdout } = relay.run(['tor', 'rotate', ...args])
      expect(status).toBe(1)
      expect(stdout).toContain(`Error: ${message}\n`)
    }
    expect(tree(relay.config)).toEqual(before)
  })

  it('a running relay follows a rotation', async () => {
    setUp()
    const running = relay.start(['start'])
    const has = async (): Promise<string[]> => {
      const control = await connectOwnTor(join(relay.state, 'tor'))
      const services = (await control?.onions()) ?? []
      control?.close()
      return services.map((id) => `${id}.onion`).sort()
    }
    await expect.poll(has, { timeout: 20_000 }).toEqual(onions())
    const { stdout } = relay.run(['tor', 'rotate', '-y'])
    expect(stdout).toContain('The relay has added the new address')
    expect(await has()).toEqual(onions().sort())
    expect(await has()).toHaveLength(2)
    relay.run(['tor', 'rotate', '--finish', '-y'])
    expect(await has()).toEqual(onions())
    await running.shows(/Onion key replaced/)
    expect(await has()).toEqual(onions())
    running.kill('SIGINT')
    expect((await running.ended()).status).toBe(0)
  })
})
