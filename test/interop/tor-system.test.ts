import { readFile, rm, rmdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { runCommand } from '../../src/system/command.ts'
import { noServiceManager, type ServiceManager } from '../../src/system/service-manager.ts'
import { TorControl } from '../../src/tor/control/tor-control.ts'
import { torPlace } from '../../src/tor/process/tor-place.ts'
import type { SetupResult } from '../../src/tor/setup/setup.ts'
import type { TorNetwork } from '../tor-network/fixture.ts'
import { torNetwork } from '../tor-network/fixture.ts'
import { RelayFiles, relayIni } from './tor-relay.ts'
import { UnitPlayer } from './unit-player.ts'

/*
 * A real tor instance, created by Debian's own program, with its own user; only systemd is played, by doing what
 * tor@.service says. Creating users needs root.
 */

const instance = `smptest${process.pid}`
const { torrc, user, control: endpoint, unit } = torPlace(instance)

describe.runIf(process.geteuid?.() === 0)('setup in mode system (needs root)', () => {
  let network: TorNetwork
  let files: RelayFiles
  const unitPlayer = new UnitPlayer(instance)

  async function setUp(services: ServiceManager = unitPlayer): Promise<SetupResult> {
    return await files.setUp({ mode: 'system', instance }, { services })
  }

  beforeAll(async () => {
    network = await torNetwork(inject('torNetwork'))
    files = await RelayFiles.make(relayIni, network.joinTorrc)
  })
  afterAll(async () => {
    await unitPlayer.stop()
    await files.remove()
    await runCommand('/usr/sbin/deluser', ['--system', '--quiet', user])
    for (const path of ['/etc/tor/instances', '/var/lib/tor-instances', '/run/tor-instances']) {
      await rm(join(path, instance), { recursive: true, force: true })
      await rmdir(path).catch(() => undefined)
    }
  })

  it('setup creates the instance, starts it in single-hop mode and publishes the service', async () => {
    const result = await setUp()
    expect(result).toMatchObject({ publication: { published: true }, hosts: ['relay.example', result.hostname] })
    expect(result.changed).toEqual([join(files.directory, 'etc', 'onion.json'), torrc, files.keyFile, files.ini])
    expect(unitPlayer.calls).toEqual([`enable ${unit}`])
    expect((await stat(torrc)).mode & 0o777).toBe(0o644)
    const ini = await files.read()
    expect(ini).toContain(`mode = system\r\ninstance = ${instance}\r\n`)
    expect(ini.startsWith(relayIni.replace('relay.example', result.hosts.join(',')))).toBe(true)
  }, 90_000)

  it('a second setup changes nothing, and leaves the instance and its service running', async () => {
    const [before, torrcBefore] = [await files.snapshot(), (await stat(torrc)).ino]
    const control = await TorControl.connect({ endpoint })
    const result = await setUp()
    expect(result).toMatchObject({ changed: [], wasDone: true, publication: { published: true } })
    expect(await files.snapshot()).toEqual(before)
    expect((await stat(torrc)).ino).toBe(torrcBefore)
    expect(unitPlayer.calls).toHaveLength(1)
    expect(await control.onions()).toHaveLength(1)
    control.close()
  }, 90_000)

  it('a changed torrc restarts the instance, never reloads it, and keeps the address', async () => {
    await writeFile(files.extra, [...network.joinTorrc, 'ConnLimit 900', ''].join('\n'))
    const hostname = /([a-z2-7]{56}\.onion)/.exec(await files.read())?.[1]
    expect(await setUp()).toMatchObject({ hostname, changed: [torrc], publication: { published: true } })
    expect(unitPlayer.calls.at(-1)).toBe(`restart ${unit}`)
  }, 90_000)

  it('the supervisor adds the service again when the instance was killed and started again', async () => {
    const supervisor = files.supervisor({ tor: { mode: 'system', control: endpoint } })
    supervisor.start()
    try {
      await expect.poll(() => supervisor.state.phase, { timeout: 40_000 }).toBe('published')
      await unitPlayer.stop('SIGKILL')
      await expect.poll(() => supervisor.state.phase).toBe('waiting')
      await unitPlayer.enable(unit)
      await expect.poll(() => supervisor.state.phase, { timeout: 60_000 }).toBe('published')
    } finally {
      await supervisor.stop()
    }
    const control = await TorControl.connect({ endpoint })
    expect(await control.onions()).toHaveLength(1)
    control.close()
  }, 120_000)

  it('another mode is refused while the instance carries the service', async () => {
    await expect(files.setUp()).rejects.toMatchObject({
      code: 'TOR_MODE_OTHER',
      message: `The onion service was set up in mode system (tor@${instance}).`,
    })
  })

  it('bad extra lines leave the working torrc in place', async () => {
    const before = await readFile(torrc, 'utf8')
    await writeFile(files.extra, 'Bogus 1\n')
    await expect(setUp()).rejects.toMatchObject({
      code: 'TORRC_REFUSED',
      message: `tor rejects ${files.extra}: Unknown option 'Bogus'.`,
    })
    expect(await readFile(torrc, 'utf8')).toBe(before)
    expect(await unitPlayer.isActive()).toBe(true)
  })

  it('a torrc that smp-server did not write is not touched', async () => {
    await writeFile(files.extra, network.joinTorrc.join('\n'))
    await writeFile(torrc, 'SocksPort 9050\n')
    await expect(setUp()).rejects.toMatchObject({ code: 'TORRC_FOREIGN' })
    expect(await readFile(torrc, 'utf8')).toBe('SocksPort 9050\n')
  })

  it('setup without systemd says what is missing', async () => {
    await unitPlayer.stop()
    await rm(torrc)
    await expect(setUp(noServiceManager)).rejects.toMatchObject({ code: 'NO_SERVICE_MANAGER' })
  })
})
