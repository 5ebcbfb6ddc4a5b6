import { statfsSync, writeFileSync } from 'node:fs'
import { chmod, copyFile, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import { runCommand } from '../../src/system/command.ts'
import { TorControl } from '../../src/tor/control/tor-control.ts'
import type { OnionSupervisor, SupervisorOptions } from '../../src/tor/supervisor/supervisor.ts'
import { encodeOnionKey, generateOnionKey } from '../../src/crypto/onion-key.ts'
import { writeOnionRecord } from '../../src/tor/onion/record.ts'
import { connectOwnTor } from '../../src/tor/process/own-tor.ts'
import { ownTorPaths } from '../../src/tor/process/own-torrc.ts'
import { PlayedUnit } from './played-unit.ts'
import { startTor } from './tor-process.ts'
import { RelayFiles, relayIni } from './tor-relay.ts'

/*
 * What can go wrong with a tor while the relay runs: each time the supervisor repairs it in so many seconds, or says in
 * one sentence what it waits for and what to do. The tors are real and have no network.
 */

const ends: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

async function relay(extra: readonly string[] = ['DisableNetwork 1']): Promise<RelayFiles> {
  const files = await RelayFiles.make(relayIni, extra)
  ends.push(() => files.remove())
  await files.setUp()
  return files
}

function started(files: RelayFiles, options: Partial<SupervisorOptions> = {}): OnionSupervisor {
  const supervisor = files.supervisor(options)
  ends.push(() => supervisor.stop())
  supervisor.start()
  return supervisor
}

/** Waits until a tor has the service. */
async function serving(supervisor: OnionSupervisor, seconds: number): Promise<void> {
  await expect.poll(() => supervisor.state.phase, { timeout: seconds * 1000 }).toBe('bootstrapping')
}

async function lost(supervisor: OnionSupervisor, code: string, seconds: number): Promise<void> {
  const error = (): unknown => supervisor.state.lastError?.code
  await expect.poll(error, { timeout: seconds * 1000 }).toBe(code)
}

describe('the own tor of a running relay', () => {
  const spoils: [string, (socket: string, cookie: string) => Promise<unknown>][] = [
    ['control socket is removed', (socket) => rm(socket)],
    ['cookie is removed', (_, cookie) => rm(cookie)],
    ['cookie is changed', (_, cookie) => writeFile(cookie, Buffer.alloc(32, 1))],
    ['cookie became a directory', (_, cookie) => rm(cookie).then(() => mkdir(cookie))],
    ['socket and cookie are removed', (socket, cookie) => Promise.all([rm(socket), rm(cookie)])],
    ['whole directory is removed', (socket) => rm(dirname(socket), { recursive: true })],
  ]
  it.each(spoils)('whose %s can be talked to again within 5 s, and its service goes on', async (_, spoil) => {
    const files = await relay()
    const supervisor = started(files)
    await serving(supervisor, 20)
    const directory = files.torDirectory
    const { controlSocket, cookieFile } = ownTorPaths(directory)
    const { torPid } = supervisor.state
    await spoil(controlSocket, cookieFile)
    const onions = async (): Promise<unknown> => {
      const control = await connectOwnTor(directory)
      try {
        return control && (await control.onions()).map((serviceId) => `${serviceId}.onion`)
      } finally {
        control?.close()
      }
    }
    await expect.poll(() => onions().catch(String), { timeout: 5000 }).toEqual([supervisor.state.hostname])
    expect(supervisor.state).toMatchObject({ torPid, restarts: 0 })
    expect((await stat(cookieFile)).mode & 0o777).toBe(0o600)
  })

  it('whose torrc was broken by hand, and its directory opened to all, is whole within 10 s of its end', async () => {
    const files = await relay()
    const supervisor = started(files)
    await serving(supervisor, 20)
    const directory = files.torDirectory
    const { torrc } = ownTorPaths(directory)
    const before = await readFile(torrc, 'utf8')
    await writeFile(torrc, 'Bogus 1\n')
    await chmod(directory, 0o777)
    process.kill(supervisor.state.torPid ?? 0, 'SIGKILL')
    await expect.poll(() => supervisor.state.restarts).toBe(1)
    await serving(supervisor, 10)
    expect(await readFile(torrc, 'utf8')).toBe(before)
    expect((await stat(directory)).mode & 0o777).toBe(0o700)
    expect(supervisor.state.restarts).toBe(1)
  })

  it('that was upgraded is restarted with its new program while no client is connected; one that was removed goes on', async () => {
    const files = await relay()
    const binary = join(files.directory, 'tor')
    await copyFile('/usr/bin/tor', binary)
    const supervisor = started(files, { tor: { ...files.ownTor, binary } })
    await serving(supervisor, 20)
    const { torPid } = supervisor.state
    await rm(binary)
    await sleep(1500)
    expect(supervisor.state).toMatchObject({ torPid, restarts: 0 })
    await copyFile('/usr/bin/tor', binary)
    await lost(supervisor, 'TOR_UPGRADED', 5)
    await serving(supervisor, 10)
    expect(supervisor.state).toMatchObject({ restarts: 1 })
    expect(supervisor.state.torPid).not.toBe(torPid)
    await sleep(1500)
    expect(supervisor.state).toMatchObject({ restarts: 1 })
  })

  it('whose extra lines were broken by hand says which line, and is back within 20 s when they are right', async () => {
    const files = await relay()
    const supervisor = started(files)
    await serving(supervisor, 20)
    await writeFile(files.extra, 'DisableNetwork 1\nBogus 1\n')
    process.kill(supervisor.state.torPid ?? 0, 'SIGKILL')
    await lost(supervisor, 'TORRC_REFUSED', 20)
    expect(supervisor.state.lastError).toMatchObject({
      message: `tor rejects ${files.extra}: Unknown option 'Bogus'.`,
      remedy: 'Fix that line, or remove torrc_extra under [TOR].',
    })
    await writeFile(files.extra, 'DisableNetwork 1\n')
    await serving(supervisor, 20)
  })

  it.each([
    ['anonymous', 'single-hop', 'ONION_KEY_ANONYMOUS'],
    ['single-hop', 'anonymous', 'ONION_KEY_SINGLE_HOP'],
  ] as const)('does not get an %s key when it is %s', async (used, serviceType, code) => {
    const files = await relay()
    const key = generateOnionKey()
    await writeFile(files.keyFile, encodeOnionKey(key), { mode: 0o600 })
    await writeOnionRecord(files.keyFile, key, used)
    const directory = files.torDirectory
    const tor = { mode: 'own', directory, torrcExtra: files.extra, serviceType } as const
    const supervisor = started(files, { tor, config: { type: serviceType } })
    await lost(supervisor, code, 20)
    expect(supervisor.state.lastError?.remedy).toMatch(/another key|new key/)
    expect(await readFile(files.keyFile)).toEqual(encodeOnionKey(key))
  })
})

describe('a disk that becomes full under a running relay', () => {
  it('leaves every file whole, is named in one sentence, and with room again tor is back within 20 s', async (context) => {
    const files = await relay()
    const state = join(files.directory, 'state')
    const mounted = await runCommand('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', state]).catch(() => undefined)
    context.skip(mounted?.status !== 0, 'mounting a small file system needs root')
    ends.push(() => runCommand('umount', [state]))
    const supervisor = started(files)
    await serving(supervisor, 20)
    const { torrc } = ownTorPaths(files.torDirectory)
    const before = await readFile(torrc, 'utf8')
    const filler = join(state, 'filler')
    const { bavail, bsize } = statfsSync(state)
    writeFileSync(filler, Buffer.alloc(bavail * bsize))
    process.kill(supervisor.state.torPid ?? 0, 'SIGKILL')
    await lost(supervisor, 'DISK_FULL', 20)
    expect(supervisor.state.lastError).toMatchObject({
      message: expect.stringMatching(/\/state\/.*: no space left on the disk\.$/) as string,
      remedy: 'Free some space and run the command again.',
    })
    expect(await readFile(torrc, 'utf8')).toBe(before)
    await rm(filler)
    await serving(supervisor, 20)
    expect(await readFile(torrc, 'utf8')).toBe(before)
  })
})

describe('a tor of the system under a running relay', () => {
  const singleHop = ['SocksPort 0', 'HiddenServiceNonAnonymousMode 1', 'HiddenServiceSingleHopMode 1']

  async function played(lines: readonly string[] = singleHop): Promise<{
    files: RelayFiles
    unit: PlayedUnit
    options: Partial<SupervisorOptions>
    at: (name: string) => string
  }> {
    const files = await relay()
    const at = (name: string): string => join(files.directory, name)
    await writeFile(at('torrc'), ['DisableNetwork 1', ...lines, ''].join('\n'))
    const defaults = [
      `DataDirectory ${at('data')}`,
      `ControlSocket ${at('control')}`,
      'CookieAuthentication 1',
      `CookieAuthFile ${at('cookie')}`,
      `__OwningControllerProcess ${process.pid}`,
      '',
    ]
    await chmod(files.directory, 0o700)
    await writeFile(at('defaults'), defaults.join('\n'))
    const unit = new PlayedUnit(at('torrc'), at('defaults'))
    ends.push(() => unit.stop())
    return { files, unit, at, options: { tor: { mode: 'system', control: { type: 'unix', path: at('control') } } } }
  }

  it('that starts after the relay, or is started again, has the service within 8 s', async () => {
    const { files, unit, options, at } = await played()
    const supervisor = started(files, options)
    await lost(supervisor, 'TOR_CONTROL_ABSENT', 5)
    expect(supervisor.state.lastError).toMatchObject({
      message: `No tor answers at ${at('control')}.`,
      remedy: 'Check that this tor runs, and that control under [TOR] is its control socket.',
    })
    // Long enough for the longest pause between two attempts.
    await sleep(12_000)
    await unit.enable('tor@smp')
    await serving(supervisor, 8)
    const { hostname } = supervisor.state
    await unit.restart('tor@smp')
    await expect.poll(() => supervisor.state.phase).toBe('waiting')
    await serving(supervisor, 8)
    expect(supervisor.state.hostname).toBe(hostname)
  }, 60_000)

  it('whose socket or cookie is removed goes on, and is talked to again within 8 s of its restart', async () => {
    const { files, unit, options, at } = await played()
    await unit.enable('tor@smp')
    const supervisor = started(files, options)
    await serving(supervisor, 10)
    const { restarts } = supervisor.state
    await rm(at('cookie'))
    const endpoint = { type: 'unix', path: at('control') } as const
    await expect(TorControl.connect({ endpoint })).rejects.toMatchObject({
      code: 'TOR_COOKIE_MISSING',
      message: `tor's authentication cookie ${at('cookie')} does not exist.`,
      remedy: 'Restart that tor, which creates the file at its start.',
    })
    await rm(at('control'))
    await expect(TorControl.connect({ endpoint })).rejects.toMatchObject({ code: 'TOR_CONTROL_ABSENT' })
    await sleep(2000)
    expect(supervisor.state).toMatchObject({ phase: 'bootstrapping', restarts })
    await unit.restart('tor@smp')
    await expect.poll(() => supervisor.state.restarts).toBeGreaterThan(restarts)
    await serving(supervisor, 8)
  }, 40_000)

  it('that stands still for 60 s has the service within 10 s after it goes on', async () => {
    const { files, unit, options } = await played()
    await unit.enable('tor@smp')
    const supervisor = started(files, options)
    await serving(supervisor, 10)
    const { hostname } = supervisor.state
    process.kill(unit.pid ?? 0, 'SIGSTOP')
    await lost(supervisor, 'TOR_CONTROL_TIMEOUT', 15)
    expect(supervisor.state.lastError?.remedy).toBe('If this continues, restart that tor.')
    await sleep(48_000)
    process.kill(unit.pid ?? 0, 'SIGCONT')
    await serving(supervisor, 10)
    expect(supervisor.state.hostname).toBe(hostname)
  }, 100_000)

  it('that is not in single-hop mode is refused in one sentence, and taken within 8 s when it is', async () => {
    const { files, unit, options, at } = await played(['SocksPort 0'])
    await unit.enable('tor@smp')
    const supervisor = started(files, options)
    await lost(supervisor, 'TOR_NOT_SINGLE_HOP', 10)
    expect(supervisor.state.lastError).toMatchObject({
      message: 'This tor does not run in single-hop mode, and a running tor cannot switch to it.',
      remedy: 'Run `smp-server tor setup` again; it restarts that tor.',
    })
    await writeFile(at('torrc'), ['DisableNetwork 1', ...singleHop, ''].join('\n'))
    await unit.restart('tor@smp')
    await serving(supervisor, 8)
  }, 40_000)

  it('whose torrc has the same service is refused in one sentence', async () => {
    const files = await relay()
    const directory = join(files.directory, 'service')
    const key = generateOnionKey()
    await mkdir(directory, { mode: 0o700 })
    await writeFile(join(directory, 'hs_ed25519_secret_key'), encodeOnionKey(key), { mode: 0o600 })
    await writeFile(files.keyFile, encodeOnionKey(key), { mode: 0o600 })
    const tor = await startTor([...singleHop, `HiddenServiceDir ${directory}`, 'HiddenServicePort 5223'])
    ends.push(() => tor.stop())
    const supervisor = started(files, { tor: { mode: 'system', control: tor.endpoint } })
    await lost(supervisor, 'ONION_COLLISION', 10)
    expect(supervisor.state.lastError?.remedy).toContain('smp-server tor setup --adopt DIR')
  })
})
