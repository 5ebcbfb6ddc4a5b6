import { existsSync, mkdtempSync, readdirSync, readlinkSync } from 'node:fs'
import { chmod, chown, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { open } from 'lmdb'
import { afterEach, describe, expect, it } from 'vitest'
import { silentLogger } from '../../src/config/log.ts'
import { processMark } from '../../src/system/process-mark.ts'
import { generateOnionKey } from '../../src/crypto/onion-key.ts'
import { readOnionKey } from '../../src/tor/onion/key.ts'
import { addService, removeOthers } from '../../src/tor/onion/service.ts'
import { endOrphan } from '../../src/tor/process/orphan.ts'
import { OwnTor, connectOwnTor } from '../../src/tor/process/own-tor.ts'
import { ownTorPaths, prepareOwnTor } from '../../src/tor/process/own-torrc.ts'
import type { SupervisorState } from '../../src/tor/supervisor/state.ts'
import { RelayFiles, relayIni } from './tor-relay.ts'
import { tree } from './tree.ts'

const offline = ['DisableNetwork 1']
const relays: RelayFiles[] = []
const tors: OwnTor[] = []
afterEach(async () => {
  for (const tor of tors.splice(0)) await tor.stop()
  for (const relay of relays.splice(0)) await relay.remove()
})

async function relay(extra: readonly string[] = offline, ini = relayIni): Promise<RelayFiles> {
  const made = await RelayFiles.make(ini, extra)
  relays.push(made)
  return made
}

/** Empty for a descriptor that was closed meanwhile. */
function linkOf(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return ''
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

describe('setup in mode own', () => {
  it('setup beside a stopped relay prepares key, record and INI, and starts no tor', async () => {
    const files = await relay()
    const result = await files.setUp()
    const record = join(files.directory, 'etc', 'onion.json')
    expect(result).toMatchObject({
      hosts: ['relay.example', result.hostname],
      onionOnly: false,
      changed: [record, files.keyFile, files.ini],
      wasDone: false,
      publication: { published: false, why: 'the relay is not running' },
    })
    expect((await readOnionKey(files.keyFile))?.hostname).toBe(result.hostname)
    expect((await stat(files.keyFile)).mode & 0o777).toBe(0o600)
    expect(JSON.parse(await readFile(record, 'utf8'))).toMatchObject({ mode: 'own', serviceType: 'single-hop' })
    const tail = `\r\n[TOR]\r\nmode = own\r\ntorrc_extra = ${files.extra}\r\n`
    const changed = relayIni.replace('relay.example', `relay.example,${result.hostname}`)
    expect(await files.read()).toBe(changed + tail)
    expect((await stat(files.ini)).mode & 0o777).toBe(0o640)
    expect(existsSync(files.torDirectory)).toBe(false)
  })

  it('a second setup changes nothing', async () => {
    const files = await relay()
    const first = await files.setUp()
    const before = await files.snapshot()
    const second = await files.setUp()
    expect(second).toMatchObject({ hostname: first.hostname, hosts: first.hosts, changed: [], wasDone: true })
    expect(await files.snapshot()).toEqual(before)
  })

  it('the onion address replaces the placeholder, and the result says that there is no public host', async () => {
    const files = await relay(offline, '[TRANSPORT]\nhost = <hostnames>\nport = 5223\n')
    const result = await files.setUp()
    expect(result).toMatchObject({ hosts: [result.hostname], onionOnly: true })
    expect(await files.read()).toContain(`host = ${result.hostname}\n`)
  })

  it('bytes of the INI file that are not UTF-8 survive the setup', async () => {
    const files = await relay()
    await writeFile(files.ini, Buffer.from(`# M\xfcnchen\n${relayIni}`, 'latin1'))
    await files.setUp()
    const bytes = await readFile(files.ini)
    expect(bytes.subarray(0, 10).toString('latin1')).toBe('# M\xfcnchen\n')
  })

  it('setup beside a running relay waits until that relay has published the service', async () => {
    const files = await relay()
    const states: (SupervisorState | undefined)[] = [
      undefined,
      { phase: 'bootstrapping', restarts: 0 },
      { phase: 'published', restarts: 0 },
    ]
    let reloads = 0
    let asked = 0
    const link = {
      reload: (): Promise<void> => Promise.resolve(void (reloads += 1)),
      state: async (): Promise<SupervisorState | undefined> => {
        const hostname = (await readOnionKey(files.keyFile))?.hostname
        const state = states[Math.min(asked++, states.length - 1)]
        return state && hostname && { ...state, hostname }
      },
    }
    const result = await files.setUp({}, { relay: link })
    expect(result.publication).toEqual({ published: true })
    expect([reloads, asked, existsSync(files.torDirectory)]).toEqual([1, 3, false])
    expect(files.shown.at(-1)).toBe('The onion service is published')
  })

  it('setup changes nothing when the INI file contains another onion address', async () => {
    const other = 'opzuh7zruzglastucbfbibrchuwztgncnwpg5kore65jj7vhkmvwumyd.onion'
    const ini = `[TRANSPORT]\nhost = relay.example,${other}\n`
    const files = await relay(offline, ini)
    await expect(files.setUp()).rejects.toMatchObject({ code: 'HOST_OTHER_ONION' })
    expect(await files.read()).toBe(ini)
    expect(existsSync(files.keyFile)).toBe(false)
  })

  it('extra lines that tor rejects are reported with tor’s reason, and nothing is changed', async () => {
    for (const [line, reason] of [
      ['Bogus 1', "Unknown option 'Bogus'"],
      ['SocksPort 9050', 'Invalid SocksPort configuration'],
    ] as const) {
      const files = await relay([line])
      const before = tree(files.directory)
      await expect(files.setUp()).rejects.toMatchObject({
        code: 'TORRC_REFUSED',
        message: expect.stringContaining(`tor rejects ${files.extra}: ${reason}`) as string,
      })
      expect(tree(files.directory)).toEqual(before)
    }
  })

  it('setup without tor says that it is missing', async () => {
    const files = await relay()
    const binary = join(files.directory, 'tor')
    await expect(files.setUp({}, { binary })).rejects.toMatchObject({ code: 'TOR_MISSING' })
  })

  it('a setup that is interrupted between its steps leaves every file as it was', async () => {
    const files = await relay()
    const before = tree(files.directory)
    const abort = new AbortController()
    const progress = {
      ...files.progress,
      begin: (text: string): void => {
        if (text.startsWith('Write the onion address')) abort.abort(new Error('Interrupted.'))
      },
    }
    await expect(files.setUp({}, { signal: abort.signal, progress })).rejects.toThrow('Interrupted.')
    expect(files.shown.at(-1)).toBe('left: Rolled back: everything is as it was before')
    expect(tree(files.directory)).toEqual(before)
  })

  if (process.geteuid?.() === 0) {
    it('root sets up a relay of another user, whose files belong to that user', async () => {
      const files = await relay()
      await chmod(files.directory, 0o755)
      for (const path of ['etc', 'state']) await chown(join(files.directory, path), 65_534, 65_534)
      await chown(files.ini, 65_534, 65_534)
      await files.setUp()
      for (const name of ['onion.key', 'onion.json', 'onion-setup.json', 'smp-server.ini']) {
        expect((await stat(join(files.directory, 'etc', name))).uid).toBe(65_534)
      }
    })
  }
})

describe('the own tor', () => {
  const extra = { path: '/offline', text: 'DisableNetwork 1\n' }

  async function start(): Promise<{ tor: OwnTor; directory: string }> {
    const { torDirectory: directory } = await relay()
    const tor = await OwnTor.start({ directory, extra, log: silentLogger })
    tors.push(tor)
    return { tor, directory }
  }

  it('an own tor runs in single-hop mode in a directory that only its user can enter', async () => {
    const { tor, directory } = await start()
    const values = await tor.control.getConf('HiddenServiceSingleHopMode', 'SocksPort', 'DisableNetwork')
    expect([...values.values()]).toEqual([['1'], ['0'], ['1']])
    expect((await stat(directory)).mode & 0o777).toBe(0o700)
    expect((await stat(join(directory, 'torrc'))).mode & 0o777).toBe(0o600)
    await tor.enableNetwork()
    expect((await tor.control.getConf('DisableNetwork')).get('disablenetwork')).toEqual(['1'])
  })

  it('an own tor works where the path of its control socket would be too long', async () => {
    const files = await relay()
    const directory = join(files.directory, 'd'.repeat(100))
    const tor = await OwnTor.start({ directory, extra, log: silentLogger })
    tors.push(tor)
    expect(await tor.control.onions()).toEqual([])
    await tor.stop()
    await rm(join(ownTorPaths(directory).controlSocket, '..'), { recursive: true })
  })

  it('a second own tor in the same directory is refused', async () => {
    const { tor, directory } = await start()
    const second = OwnTor.start({ directory, extra, log: silentLogger })
    await expect(second).rejects.toMatchObject({ code: 'TOR_RUNS_ALREADY' })
    const guest = await connectOwnTor(directory)
    expect((await guest?.getInfo('process/pid'))?.get('process/pid')).toBe(String(tor.pid))
    guest?.close()
    await tor.control.getInfo('version')
  })

  it('of two own tors that start at the same moment in one directory one is refused', async () => {
    const { torDirectory: directory } = await relay()
    const starts = [1, 2].map(() => OwnTor.start({ directory, extra, log: silentLogger }))
    const outcomes = await Promise.allSettled(starts)
    for (const outcome of outcomes) if (outcome.status === 'fulfilled') tors.push(outcome.value)
    expect(tors).toHaveLength(1)
    expect(outcomes).toContainEqual({
      status: 'rejected',
      reason: expect.objectContaining({ code: 'TOR_RUNS_ALREADY' }) as Error,
    })
    await tors[0]?.control.getInfo('version')
  })

  it('an own tor exits when its owning connection closes, and when it is stopped', async () => {
    const { tor, directory } = await start()
    tor.control.close()
    expect(await tor.exited).toBe('it was told to stop')
    expect(isAlive(tor.pid)).toBe(false)
    expect(await connectOwnTor(directory)).toBeUndefined()
    const next = await OwnTor.start({ directory, extra, log: silentLogger })
    await next.stop()
    expect(isAlive(next.pid)).toBe(false)
  })

  it.each(['own', 'socks', 'client'] as const)(
    'a reload of the %s tor with SIGHUP leaves its network on',
    async (template) => {
      const { torDirectory: directory } = await relay()
      const lines = `TestingTorNetwork 1\nDirAuthority x orport=1 v3ident=${'A'.repeat(40)} 127.0.0.1:1 ${'B'.repeat(40)}\n`
      let reloads = 0
      const debug = (text: string): void => void (reloads += Number(text.includes('Reloading config')))
      const log = { ...silentLogger, debug }
      const tor = await OwnTor.start({ directory, extra: { path: '/x', text: lines }, template, log })
      tors.push(tor)
      const isOff = async (): Promise<unknown> => (await tor.control.getConf('DisableNetwork')).get('disablenetwork')
      expect(await isOff()).toEqual(['1'])
      await tor.enableNetwork()
      process.kill(tor.pid, 'SIGHUP')
      await expect.poll(() => reloads).toBe(1)
      expect(await isOff()).toEqual(['0'])
    },
  )

  it('an own tor inherits no descriptor that a library left open to children', async () => {
    const path = join(mkdtempSync(join(tmpdir(), 'smp-lmdb-')), 'store')
    const store = open({ path })
    try {
      const { tor } = await start()
      const held = readdirSync('/proc/self/fd').map((name) => linkOf(`/proc/self/fd/${name}`))
      expect(held.filter((file) => file.startsWith(path))).not.toEqual([])
      const files = readdirSync(`/proc/${tor.pid}/fd`).map((name) => linkOf(`/proc/${tor.pid}/fd/${name}`))
      expect(files.filter((file) => file.startsWith(path))).toEqual([])
    } finally {
      await store.close()
      await rm(join(path, '..'), { recursive: true })
    }
  })

  it('an own tor that crashes says why, and no frame of its stack', async () => {
    const { tor } = await start()
    process.kill(tor.pid, 'SIGSEGV')
    expect(await tor.exited).toBe('it was ended by SIGABRT (Caught signal 11)')
  })

  it('an own tor that does not react is killed', async () => {
    const { tor } = await start()
    process.kill(tor.pid, 'SIGSTOP')
    await tor.stop(200)
    expect(await tor.exited).toBe('it was ended by SIGKILL')
  })

  it('a tor that hangs, of a relay that was killed, is ended by the next start; no other process is', async () => {
    const { tor, directory } = await start()
    const { torrc } = ownTorPaths(directory)
    const ownerFile = join(directory, 'owner.json')
    process.kill(tor.pid, 'SIGSTOP')
    const owned = JSON.parse(await readFile(ownerFile, 'utf8')) as { owner: object; tor: object; torrc: string }
    // Its relay still runs.
    expect(await endOrphan(directory, torrc)).toBeUndefined()
    const orphaned = { ...owned, owner: { pid: process.pid, processStart: '1' } }
    const others = [
      { ...orphaned, tor: { ...owned.tor, processStart: '1' } },
      { ...orphaned, tor: processMark(process.pid) },
      { ...orphaned, torrc: '/another/torrc' },
      { ...orphaned, tor: { pid: tor.pid } },
      { ...orphaned, tor: { pid: 0, processStart: '1' } },
      'nothing',
    ]
    for (const other of others) {
      await writeFile(ownerFile, JSON.stringify(other))
      expect(await endOrphan(directory, torrc)).toBeUndefined()
    }
    expect(isAlive(tor.pid)).toBe(true)
    await writeFile(ownerFile, JSON.stringify(orphaned))
    const next = await OwnTor.start({ directory, extra, log: silentLogger })
    tors.push(next)
    expect(await tor.exited).toBe('it was ended by SIGKILL')
    expect(next.pid).not.toBe(tor.pid)
    expect(await next.control.onions()).toEqual([])
  })

  it('a tor that was kept is adopted with the services of its torrc, unless it was started with something else', async () => {
    const { torDirectory: directory } = await relay()
    const options = { directory, extra, keep: true, withCircuits: true, log: silentLogger }
    const tor = await OwnTor.start(options)
    const key = generateOnionKey()
    const config = { type: 'single-hop', withCircuits: true, maxStreams: 9 } as const
    const ports = [{ virtualPort: 5223, target: '127.0.0.1:5228' }]
    await addService(tor.onions, { key, ports, config })
    await tor.leave()
    const ownerFile = join(directory, 'owner.json')
    const orphaned = {
      ...(JSON.parse(await readFile(ownerFile, 'utf8')) as object),
      owner: { pid: 4, processStart: '1' },
    }
    await writeFile(ownerFile, JSON.stringify(orphaned))
    const next = await OwnTor.start(options)
    expect(next.pid).toBe(tor.pid)
    expect(await next.onions.onions()).toEqual([key.serviceId])
    // The service of a key that was replaced meanwhile goes, the other stays as it was.
    const other = generateOnionKey()
    await addService(next.onions, { key: other, ports, config })
    await removeOthers(next.onions, [key])
    const lines = await readFile(join(directory, 'torrc'), 'utf8')
    expect(lines).toContain(`HiddenServiceDir ${join(directory, 'services', key.serviceId)}\n`)
    expect(lines).toContain('HiddenServiceMaxStreams 9\n')
    expect(lines).not.toContain(other.serviceId)
    expect(readdirSync(join(directory, 'services'))).toEqual([key.serviceId])
    await next.leave()
    await writeFile(ownerFile, JSON.stringify({ ...orphaned, tor: processMark(next.pid) }))
    const changed = await OwnTor.start({ ...options, extra: { ...extra, text: `${extra.text}AvoidDiskWrites 1\n` } })
    tors.push(changed)
    expect([isAlive(next.pid), await changed.onions.onions()]).toEqual([false, []])
    expect(existsSync(join(directory, 'services'))).toBe(false)
  })

  it('an own tor starts over what a killed one left', async () => {
    const { tor, directory } = await start()
    process.kill(tor.pid, 'SIGKILL')
    await tor.exited
    const next = await OwnTor.start({ directory, extra, log: silentLogger })
    tors.push(next)
    expect(await next.control.onions()).toEqual([])
  })

  it('a data directory that is no directory is refused', async () => {
    const { torDirectory: directory } = await relay()
    await writeFile(directory, '')
    await expect(prepareOwnTor({ directory, log: silentLogger })).rejects.toMatchObject({ code: 'TOR_DIRECTORY' })
  })
})

describe('the supervisor of an own tor', () => {
  it('the supervisor restarts a killed tor, and keeps the address', async () => {
    const files = await relay()
    await files.setUp()
    const supervisor = files.supervisor({ heartbeatMs: 100 })
    supervisor.start()
    try {
      await expect.poll(() => supervisor.state.phase, { timeout: 10_000 }).toBe('bootstrapping')
      const { hostname, torPid } = supervisor.state
      process.kill(torPid ?? 0, 'SIGKILL')
      await expect.poll(() => supervisor.state.restarts, { timeout: 10_000 }).toBe(1)
      await expect.poll(() => supervisor.state.torPid, { timeout: 10_000 }).toBeGreaterThan(0)
      expect(supervisor.state.torPid).not.toBe(torPid)
      expect(supervisor.state).toMatchObject({ hostname, phase: 'bootstrapping' })
      expect(supervisor.state.lastError?.message).toBe('tor exited: it was ended by SIGKILL.')
    } finally {
      const { torPid } = supervisor.state
      await supervisor.stop()
      expect(torPid !== undefined && isAlive(torPid)).toBe(false)
    }
  })
})
