import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { chown, rm, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest'
import { iniHosts } from '../../src/config/ini-hosts.ts'
import { runCommand } from '../../src/system/command.ts'
import { TorControl } from '../../src/tor/control/tor-control.ts'
import { findRemoval, removeOnion, type RemoveOptions } from '../../src/tor/setup/remove.ts'
import { noServiceManager } from '../../src/system/service-manager.ts'
import { setupSystemTor } from '../../src/tor/setup/system.ts'
import type { SystemSetupOptions } from '../../src/tor/setup/setup.ts'
import { createInstance, instancePaths } from '../../src/tor/process/system-instance.ts'
import { torNetwork } from '../tor-network/fixture.ts'
import { RelayFiles, relayIni } from './tor-relay.ts'
import { tree } from './tree.ts'
import { UnitPlayer } from './unit-player.ts'

/*
 * With a real instance of the system, whose tor is on a private network; without root there is nothing to remove.
 */

const instance = `smpgone${process.pid}`
const { torrc, user, control: endpoint, unit } = instancePaths(instance)
const ours = [`/etc/tor/instances/${instance}`, `/var/lib/tor-instances/${instance}`, `/run/tor-instances/${instance}`]
const nobody = 65_534
const isRoot = process.geteuid?.() === 0

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
  if (!isRoot) return
  await runCommand('/usr/sbin/deluser', ['--system', '--quiet', user])
  for (const path of ours) await rm(path, { recursive: true, force: true })
  for (const path of ['/etc/tor/instances', '/var/lib/tor-instances', '/run/tor-instances']) {
    await rmdir(path).catch(() => undefined)
  }
})

function setupOptions(): SystemSetupOptions {
  return { ...files.common, torrcExtra: files.extra, instance, services, run: runCommand }
}

function removeOptions(): RemoveOptions {
  const { ini, keyFile, portsFile } = files.common
  const torDirectory = join(files.directory, 'state', 'tor')
  const form = { mode: 'system', control: endpoint } as const
  return { ini, keyFile, portsFile, torDirectory, traces: [], form, run: runCommand, services }
}

async function remove(): Promise<void> {
  const removal = await findRemoval(removeOptions())
  if (!removal) throw new Error('there is something to remove')
  expect(removal.isSystem).toBe(true)
  expect((await removeOnion(removeOptions(), removal, false)).left).toEqual([])
}

/** Lines about the instance in the lists of users and groups. */
function accounts(): string[] {
  const lists = ['/etc/passwd', '/etc/group', '/etc/shadow', '/etc/gshadow'].map((path) => readFileSync(path, 'utf8'))
  return lists.flatMap((text) => text.split('\n').filter((line) => line.includes(instance)))
}

if (!isRoot) {
  it('without root nothing of the system is removed', async () => {
    const change = { version: 1, changes: [{ type: 'unit', name: instance, was: 'stopped' }] }
    writeFileSync(join(files.directory, 'etc', 'onion-setup.json'), JSON.stringify(change))
    await expect(findRemoval(removeOptions())).rejects.toMatchObject({ code: 'NEEDS_ROOT' })
  })
} else {
  describe('the removal of a system instance', () => {
    it('leaves nothing of one that the setup has made, for a relay of another user', async () => {
      await chown(join(files.directory, 'etc'), nobody, -1)
      await chown(files.ini, nobody, -1)
      const before = tree(files.directory)
      await setupSystemTor(setupOptions(), files.progress)
      expect(accounts().join('\n')).toContain('nobody')
      await remove()
      expect(services.calls).toEqual([`enable ${unit}`, `disable ${unit}`])
      expect(accounts()).toEqual([])
      expect(ours.filter((path) => existsSync(path))).toEqual([])
      expect(tree(files.directory)).toEqual(before)
      expect(await findRemoval(removeOptions())).toBeUndefined()
    }, 90_000)

    it('gives one back its torrc that was there before', async () => {
      await createInstance(instance, runCommand)
      const before = [tree(files.directory), tree(ours[0] ?? ''), accounts()]
      await setupSystemTor(setupOptions(), files.progress)
      expect(readFileSync(torrc, 'utf8')).toContain('HiddenServiceSingleHopMode 1')
      await setupSystemTor({ ...setupOptions(), torrcExtra: files.extra }, files.progress)
      await remove()
      expect([tree(files.directory), tree(ours[0] ?? ''), accounts()]).toEqual(before)
    }, 90_000)

    it('takes the service out of a tor that goes on, and leaves a torrc that somebody has changed', async () => {
      await setupSystemTor(setupOptions(), files.progress)
      writeFileSync(torrc, 'SocksPort 0\n# by hand\n')
      const going = { ...removeOptions(), services: { ...noServiceManager, type: 'systemd' as const } }
      const removal = await findRemoval(going)
      if (!removal) throw new Error('there is something to remove')
      const { left } = await removeOnion(going, removal, false)
      expect(left).toEqual([
        `${torrc} holds settings that smp-server did not write, and stays.`,
        `The tor instance ${instance} stays, because somebody has changed ${torrc}.`,
      ])
      const control = await TorControl.connect({ endpoint })
      expect(await control.onions()).toEqual([])
      control.close()
    }, 90_000)

    it('is what a setup does that fails', async () => {
      const before = tree(files.directory)
      // The key is made and the service added when the INI file turns out not to take the last setting.
      writeFileSync(files.ini, '[TRANSPORT]\nhost = a.example\n]\n')
      const ini = tree(files.directory)
      await expect(setupSystemTor(setupOptions(), files.progress)).rejects.toMatchObject({ code: 'INI_WRITE' })
      expect(files.steps.at(-1)).toBe('undo left: Everything that was changed has been taken back')
      expect(tree(files.directory)).toEqual(ini)
      expect(Object.keys(ini)).toEqual(Object.keys(before))
      expect(accounts()).toEqual([])
      expect(ours.filter((path) => existsSync(path))).toEqual([])
      expect(iniHosts(await files.read()).onion).toBeUndefined()
    }, 90_000)
  })
}
