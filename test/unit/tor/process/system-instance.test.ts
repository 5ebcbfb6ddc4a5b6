import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import type { CommandResult, CommandRunner } from '../../../../src/system/command.ts'
import { noServiceManager, systemd } from '../../../../src/system/service-manager.ts'
import {
  createInstance,
  joinGroup,
  missingMember,
  processIsMember,
} from '../../../../src/tor/process/system-instance.ts'
import { instanceOf, torPlace } from '../../../../src/tor/process/tor-place.ts'

type Reply = Partial<CommandResult>

function runner(reply: (command: string) => Reply): { run: CommandRunner; commands: string[] } {
  const commands: string[] = []
  const run: CommandRunner = (program, args) => {
    const command = [program, ...args].join(' ')
    commands.push(command)
    return Promise.resolve({ status: 0, stdout: '', stderr: '', ...reply(command) })
  }
  return { run, commands }
}

describe('a tor instance of the system', () => {
  it('an instance has the places that Debian gives it', () => {
    expect(torPlace('smp')).toMatchObject({
      unit: 'tor@smp',
      user: '_tor-smp',
      torrc: '/etc/tor/instances/smp/torrc',
      serviceDirectory: '/var/lib/tor-instances/smp/simplex-smp',
      control: { type: 'unix', path: '/run/tor-instances/smp/control' },
    })
    expect(instanceOf(torPlace('smp').torrc)).toBe('smp')
  })

  it('the default tor gets an included file beside its own torrc', () => {
    expect(torPlace('default')).toMatchObject({ unit: 'tor@default', mainTorrc: '/etc/tor/torrc' })
    expect(instanceOf('/etc/tor/torrc')).toBe('default')
    expect(instanceOf('/home/me/torrc')).toBeUndefined()
  })

  it.each(['', 'bad-name', '../x', 'a b', 'a'.repeat(25)])('an instance cannot be named %j', (name) => {
    expect(() => torPlace(name)).toThrow(expect.objectContaining({ code: 'TOR_INSTANCE_NAME' }) as Error)
  })

  it('an instance is created by tor-instance-create, whose complaint is shown', async () => {
    const { run } = runner(() => ({ status: 1, stderr: 'Invalid name: x.\n' }))
    await expect(createInstance(torPlace('x'), run)).rejects.toMatchObject({
      message: 'tor-instance-create x failed: Invalid name: x.',
    })
    const missing: CommandRunner = () => Promise.reject(Object.assign(new Error('spawn'), { code: 'ENOENT' }))
    await expect(createInstance(torPlace('x'), missing)).rejects.toMatchObject({ code: 'TOR_MISSING' })
  })

  it('the user of the relay joins the group of the instance once', async () => {
    const smp = torPlace('smp')
    const out = (command: string): Reply => ({ stdout: command.startsWith('id -nu') ? 'simplex\n' : 'simplex adm\n' })
    const first = runner(out)
    expect(await missingMember(smp, 1001, first.run)).toBe('simplex')
    await joinGroup(smp, 'simplex', first.run)
    expect(first.commands.at(-1)).toBe('/usr/sbin/usermod -a -G _tor-smp simplex')
    const again = runner((command) => ({ stdout: command.startsWith('id -nu') ? 'simplex\n' : 'simplex _tor-smp\n' }))
    expect(await missingMember(smp, 1001, again.run)).toBeUndefined()
    expect(again.commands).toEqual(['id -nG 1001'])
    const refused = runner(() => ({ status: 6, stderr: 'no group' }))
    await expect(joinGroup(smp, 'simplex', refused.run)).rejects.toMatchObject({ code: 'TOR_INSTANCE_GROUP' })
    const root = runner(() => ({}))
    expect(await missingMember(smp, 0, root.run)).toBeUndefined()
    expect(root.commands).toEqual([])
  })

  it('a process has the groups that its user had at its start', async () => {
    const group = /^Groups:\t(\d*)/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1] ?? ''
    const member = runner(() => ({ stdout: `_tor-smp:x:${group}:\n` }))
    expect(await processIsMember(torPlace('smp'), process.pid, member.run)).toBe(true)
    expect(member.commands).toEqual(['getent group _tor-smp'])
    const other = runner(() => ({ stdout: '_tor-smp:x:4294967000:\n' }))
    expect(await processIsMember(torPlace('smp'), process.pid, other.run)).toBe(process.geteuid?.() === 0)
    expect(await processIsMember(torPlace('smp'), 2 ** 30, other.run)).toBeUndefined()
    expect(await processIsMember(torPlace('smp'), process.pid, runner(() => ({ status: 2 })).run)).toBeUndefined()
  })
})

describe('the service manager', () => {
  it('the service manager uses the commands of systemd', async () => {
    const { run, commands } = runner((command) => ({ status: command.includes('is-active') ? 3 : 0 }))
    const services = systemd(run)
    expect(await services.isActive('tor@smp')).toBe(false)
    await services.enable('tor@smp')
    await services.restart('tor@smp')
    expect(commands).toEqual([
      'systemctl is-active --quiet tor@smp',
      'systemctl enable --now tor@smp',
      'systemctl restart tor@smp',
    ])
  })

  it('the service manager says why a unit does not start, and where to look', async () => {
    const { run } = runner(() => ({ status: 1, stderr: 'Job for tor@smp.service failed.\nSee "systemctl status".\n' }))
    await expect(systemd(run).restart('tor@smp')).rejects.toMatchObject({
      message: '`systemctl restart tor@smp` failed: Job for tor@smp.service failed.',
      remedy: 'Run: `journalctl -u tor@smp -n 20`',
    })
  })

  it('a machine without systemd starts no units', async () => {
    expect(await noServiceManager.isActive('tor@smp')).toBe(false)
    await expect(noServiceManager.enable('tor@smp')).rejects.toMatchObject({ code: 'NO_SERVICE_MANAGER' })
    await expect(noServiceManager.restart('tor@smp')).rejects.toMatchObject({ code: 'NO_SERVICE_MANAGER' })
  })
})
