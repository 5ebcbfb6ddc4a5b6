import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { readFile, rm, rmdir, stat, writeFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { runCommand } from '../../src/system/command.ts'
import { TorControl } from '../../src/tor/control/tor-control.ts'
import type { ServiceManager } from '../../src/system/service-manager.ts'
import { noServiceManager } from '../../src/system/service-manager.ts'
import type { SystemSetupOptions } from '../../src/tor/setup/setup.ts'
import { setupSystemTor } from '../../src/tor/setup/system.ts'
import { instancePaths } from '../../src/tor/process/system-instance.ts'
import type { TorNetwork } from '../tor-network/fixture.ts'
import { torNetwork } from '../tor-network/fixture.ts'
import { RelayFiles, relayIni } from './tor-relay.ts'

/*
 * The instance is a real one, made by Debian's own program, with its own user; only systemd is played, by doing what
 * tor@.service says. Making users needs root, so without root there is one thing to see: that it is refused.
 */

const instance = `smptest${process.pid}`
const { torrc, user, control: endpoint, unit } = instancePaths(instance)
const defaults = `/run/tor-instances/${instance}.defaults`
const isRoot = process.geteuid?.() === 0

/** Starts and stops the instance as the unit does. */
class UnitPlayer implements ServiceManager {
  readonly type = 'systemd'
  readonly calls: string[] = []
  #tor: ChildProcess | undefined

  isActive(): Promise<boolean> {
    return Promise.resolve(this.#tor !== undefined)
  }

  async enable(name: string): Promise<void> {
    this.calls.push(`enable ${name}`)
    await this.#start()
  }

  async restart(name: string): Promise<void> {
    this.calls.push(`restart ${name}`)
    await this.stop()
    await this.#start()
  }

  async stop(signal: NodeJS.Signals = 'SIGINT'): Promise<void> {
    const tor = this.#tor
    if (!tor) return
    const ended = new Promise((resolve) => tor.once('close', resolve))
    tor.kill(signal)
    await ended
    this.#tor = undefined
  }

  async #start(): Promise<void> {
    await runCommand('install', ['-d', '/run/tor-instances'])
    await runCommand('install', ['-m', '02755', '-o', user, '-g', user, '-d', `/run/tor-instances/${instance}`])
    const template = await readFile('/usr/share/tor/tor-service-defaults-torrc-instances', 'utf8')
    await writeFile(defaults, template.replaceAll('@@NAME@@', instance))
    const args = ['--defaults-torrc', defaults, '-f', torrc]
    expect((await runCommand('/usr/bin/tor', [...args, '--verify-config'])).status).toBe(0)
    this.#tor = spawn('/usr/bin/tor', args, { stdio: 'ignore' })
  }
}

let network: TorNetwork
let files: RelayFiles
const services = new UnitPlayer()

function options(extra?: string): SystemSetupOptions {
  return { ...files.common, torrcExtra: extra ?? files.extra, instance, services, run: runCommand }
}

beforeAll(async () => {
  network = await torNetwork(inject('torNetwork'))
  files = await RelayFiles.make(relayIni, network.joinTorrc)
})
afterAll(async () => {
  await services.stop()
  await files.remove()
  if (!isRoot) return
  await runCommand('/usr/sbin/deluser', ['--system', '--quiet', user])
  for (const path of [`/etc/tor/instances/${instance}`, `/var/lib/tor-instances/${instance}`]) {
    await rm(path, { recursive: true, force: true })
  }
  await rm(`/run/tor-instances/${instance}`, { recursive: true, force: true })
  await rm(defaults, { force: true })
  for (const path of ['/etc/tor/instances', '/var/lib/tor-instances', '/run/tor-instances']) {
    await rmdir(path).catch(() => undefined)
  }
})

describe('without root', () => {
  it('a system instance is refused and nothing is changed', async () => {
    const me = process.geteuid?.() ?? 0
    process.seteuid?.(isRoot ? 65534 : me)
    try {
      await expect(setupSystemTor(options(), files.progress)).rejects.toMatchObject({ code: 'NEEDS_ROOT' })
    } finally {
      process.seteuid?.(me)
    }
    expect(await files.read()).toBe(relayIni)
  })
})

if (isRoot) describeSetup()

function describeSetup(): void {
  describe('the setup of a system instance', () => {
    it('makes the instance, starts it in single-hop mode and publishes the service', async () => {
      const result = await setupSystemTor(options(), files.progress)
      expect(result).toMatchObject({ publication: { published: true }, hosts: ['relay.example', result.hostname] })
      expect(result.changes).toEqual([torrc, files.keyFile, files.ini])
      expect(services.calls).toEqual([`enable ${unit}`])
      expect((await stat(torrc)).mode & 0o777).toBe(0o644)
      const ini = await files.read()
      expect(ini).toContain(`mode = system\r\ninstance = ${instance}\r\n`)
      expect(ini.startsWith(relayIni.replace('relay.example', result.hosts.join(',')))).toBe(true)
    }, 90_000)

    it('changes nothing the second time, and leaves the instance running', async () => {
      const [before, torrcBefore] = [await files.snapshot(), (await stat(torrc)).ino]
      const control = await TorControl.connect({ endpoint })
      const result = await setupSystemTor(options(), files.progress)
      expect(result).toMatchObject({ changes: [], publication: { published: true } })
      expect(await files.snapshot()).toEqual(before)
      expect((await stat(torrc)).ino).toBe(torrcBefore)
      expect(services.calls).toHaveLength(1)
      expect(await control.onions()).toHaveLength(1)
      control.close()
    }, 90_000)

    it('restarts the instance for a changed torrc, never reloads it, and keeps the name', async () => {
      await writeFile(files.extra, [...network.joinTorrc, 'ConnLimit 900', ''].join('\n'))
      const hostname = /([a-z2-7]{56}\.onion)/.exec(await files.read())?.[1]
      const result = await setupSystemTor(options(), files.progress)
      expect(result).toMatchObject({ hostname, changes: [torrc], publication: { published: true } })
      expect(services.calls.at(-1)).toBe(`restart ${unit}`)
    }, 90_000)

    it('has its service brought back by the keeper when the instance was killed and started again', async () => {
      const { portsFile, ports } = files.common
      const keeper = files.keeper({ form: { mode: 'system', control: endpoint }, portsFile, ports })
      keeper.start()
      try {
        await expect.poll(() => keeper.state.phase, { timeout: 40_000 }).toBe('published')
        await services.stop('SIGKILL')
        await expect.poll(() => keeper.state.phase).toBe('waiting')
        await services.enable(unit)
        await expect.poll(() => keeper.state.phase, { timeout: 60_000 }).toBe('published')
      } finally {
        await keeper.stop()
      }
      const control = await TorControl.connect({ endpoint })
      expect(await control.onions()).toHaveLength(1)
      control.close()
    }, 120_000)

    it('keeps the torrc that works when the new lines are bad', async () => {
      const before = await readFile(torrc, 'utf8')
      await writeFile(files.extra, 'Bogus 1\n')
      await expect(setupSystemTor(options(), files.progress)).rejects.toMatchObject({
        code: 'TORRC_REFUSED',
        message: `tor does not accept ${files.extra}: Unknown option 'Bogus'.`,
      })
      expect(await readFile(torrc, 'utf8')).toBe(before)
      expect(await services.isActive()).toBe(true)
    })

    it('does not touch a torrc that somebody else wrote', async () => {
      await writeFile(files.extra, network.joinTorrc.join('\n'))
      await writeFile(torrc, 'SocksPort 9050\n')
      await expect(setupSystemTor(options(), files.progress)).rejects.toMatchObject({ code: 'TORRC_FOREIGN' })
      expect(await readFile(torrc, 'utf8')).toBe('SocksPort 9050\n')
    })

    it('says what is missing where there is no systemd', async () => {
      await services.stop()
      await rm(torrc)
      const attempt = setupSystemTor({ ...options(), services: noServiceManager }, files.progress)
      await expect(attempt).rejects.toMatchObject({ code: 'NO_SERVICE_MANAGER' })
    })
  })
}
