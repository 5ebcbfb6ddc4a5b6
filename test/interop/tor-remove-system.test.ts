import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { chmod, chown, rm, rmdir } from 'node:fs/promises'
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest'
import { iniHosts } from '../../src/config/ini-hosts.ts'
import { runCommand } from '../../src/system/command.ts'
import { noServiceManager, type ServiceManager } from '../../src/system/service-manager.ts'
import { TorControl } from '../../src/tor/control/tor-control.ts'
import { createInstance } from '../../src/tor/process/system-instance.ts'
import { torPlace } from '../../src/tor/process/tor-place.ts'
import { findRemoval, removeOnion, type RemoveOptions } from '../../src/tor/setup/remove.ts'
import type { SetupResult } from '../../src/tor/setup/setup.ts'
import { torNetwork } from '../tor-network/fixture.ts'
import { RelayFiles, relayIni } from './tor-relay.ts'
import { tree } from './tree.ts'
import { UnitPlayer } from './unit-player.ts'

/*
 * With a real instance of the system, whose tor is on a private network; creating it needs root.
 */

const instance = `smpgone${process.pid}`
const place = torPlace(instance)
const { torrc, user, control: endpoint, unit } = place
const ours = [`/etc/tor/instances/${instance}`, `/var/lib/tor-instances/${instance}`, `/run/tor-instances/${instance}`]
const NOBODY = 65_534

describe.runIf(process.geteuid?.() === 0)('the removal of a system instance (needs root)', () => {
  let files: RelayFiles
  let services: UnitPlayer
  beforeEach(async () => {
    const network = await torNetwork(inject('torNetwork'))
    files = await RelayFiles.make(relayIni, network.joinTorrc)
    services = new UnitPlayer(instance)
  })
  afterEach(async () => {
    await services.stop()
    await files.remove()
    await runCommand('/usr/sbin/deluser', ['--system', '--quiet', user])
    for (const path of ours) await rm(path, { recursive: true, force: true })
    for (const path of ['/etc/tor/instances', '/var/lib/tor-instances', '/run/tor-instances']) {
      await rmdir(path).catch(() => undefined)
    }
  })

  async function setUp(): Promise<SetupResult> {
    return await files.setUp({ mode: 'system', instance }, { services })
  }

  function removal(manager: ServiceManager = services): RemoveOptions {
    return files.removal({ services: manager }, { mode: 'system', control: endpoint })
  }

  async function remove(): Promise<void> {
    const found = await findRemoval(removal())
    if (!found) throw new Error('there is something to remove')
    expect(found.isSystem).toBe(true)
    expect((await removeOnion(removal(), found, false)).left).toEqual([])
  }

  /** Lines about the instance in the lists of users and groups. */
  function accounts(): string[] {
    const lists = ['/etc/passwd', '/etc/group', '/etc/shadow', '/etc/gshadow'].map((path) => readFileSync(path, 'utf8'))
    return lists.flatMap((text) => text.split('\n').filter((line) => line.includes(instance)))
  }

  it('nothing is left of an instance that the setup created for a relay of another user', async () => {
    await chmod(files.directory, 0o755)
    for (const path of [`${files.directory}/etc`, files.ini]) await chown(path, NOBODY, -1)
    const before = tree(files.directory)
    await setUp()
    expect(accounts().join('\n')).toContain('nobody')
    await remove()
    expect(services.calls).toEqual([`enable ${unit}`, `disable ${unit}`])
    expect(accounts()).toEqual([])
    expect(ours.filter((path) => existsSync(path))).toEqual([])
    expect(tree(files.directory)).toEqual(before)
    expect(await findRemoval(removal())).toBeUndefined()
  }, 90_000)

  it('an instance that was there before gets its torrc back', async () => {
    await createInstance(place, runCommand)
    const before = [tree(files.directory), tree(ours[0] ?? ''), accounts()]
    await setUp()
    expect(readFileSync(torrc, 'utf8')).toContain('HiddenServiceSingleHopMode 1')
    await setUp()
    await remove()
    expect([tree(files.directory), tree(ours[0] ?? ''), accounts()]).toEqual(before)
  }, 90_000)

  it('the service is removed from a tor that keeps running, and a torrc that was changed since stays', async () => {
    await setUp()
    writeFileSync(torrc, 'SocksPort 0\n# mine\n')
    const running = removal({ ...noServiceManager, type: 'systemd' })
    const found = await findRemoval(running)
    if (!found) throw new Error('there is something to remove')
    const { left } = await removeOnion(running, found, false)
    expect(left).toEqual([
      `${torrc} holds settings that smp-server did not write, and stays.`,
      `The tor instance ${instance} stays, because ${torrc} was changed.`,
    ])
    const control = await TorControl.connect({ endpoint })
    expect(await control.onions()).toEqual([])
    control.close()
  }, 90_000)

  it('a setup that fails at its last step leaves nothing behind', async () => {
    // The INI file does not take the last setting.
    writeFileSync(files.ini, '[TRANSPORT]\nhost = a.example\n')
    const before = tree(files.directory)
    const progress = {
      ...files.progress,
      begin: (text: string): void => {
        if (text.startsWith('Write the onion address')) writeFileSync(files.ini, '[TRANSPORT]\nhost = b.example\n')
      },
    }
    const attempt = files.setUp({ mode: 'system', instance }, { services, progress })
    await expect(attempt).rejects.toMatchObject({ code: 'INI_CHANGED' })
    expect(files.shown.at(-1)).toBe('left: Rolled back: everything is as it was before')
    expect(Object.keys(tree(files.directory))).toEqual(Object.keys(before))
    expect(accounts()).toEqual([])
    expect(ours.filter((path) => existsSync(path))).toEqual([])
    expect(iniHosts(await files.read()).hosts).toEqual(['b.example'])
  }, 90_000)
})
