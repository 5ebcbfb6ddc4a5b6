import { existsSync } from 'node:fs'
import { mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { silentLogger } from '../../src/config/log.ts'
import { readOnionKey } from '../../src/tor/onion/key.ts'
import { OwnTor, connectOwnTor, ownTorPaths, prepareOwnTor } from '../../src/tor/process/own-tor.ts'
import { setupOwnTor } from '../../src/tor/setup/own.ts'
import { RelayFiles, relayIni } from './tor-relay.ts'

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

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

describe('the setup of the own form without a network', () => {
  it('has the name, the key and the INI, and says that it is not published yet', async () => {
    const files = await relay()
    const result = await setupOwnTor(files.own, files.progress)
    expect(result).toMatchObject({
      hosts: ['relay.example', result.hostname],
      onionOnly: false,
      changes: [files.keyFile, files.ini],
      publication: { published: false },
      relayRuns: false,
    })
    expect(files.steps).toEqual([
      'check',
      'tor',
      'onion',
      'ini',
      'publication left: Not published yet: the torrc lines switch the network off',
    ])
    expect((await readOnionKey(files.keyFile))?.hostname).toBe(result.hostname)
    expect((await stat(files.keyFile)).mode & 0o777).toBe(0o600)
    const tail = `\r\n[TOR]\r\ntorrc_extra = ${files.extra}\r\n`
    const changed = relayIni.replace('relay.example', `relay.example,${result.hostname}`)
    expect(await files.read()).toBe(changed + tail)
    expect((await stat(files.ini)).mode & 0o777).toBe(0o640)
    expect(existsSync(ownTorPaths(files.own.directory).controlSocket)).toBe(false)
  })

  it('changes one line of an INI that names the extra lines already, and nothing the second time', async () => {
    const ini = (path: string): string => `${relayIni}[TOR]\r\ntorrc_extra = ${path}\r\n`
    const files = await relay()
    await writeFile(files.ini, ini(files.extra))
    const options = { ...files.own, torrcExtra: undefined }
    const first = await setupOwnTor(options, files.progress)
    const expected = ini(files.extra).replace('relay.example', `relay.example,${first.hostname}`)
    expect(await files.read()).toBe(expected)
    const before = await files.snapshot()
    const second = await setupOwnTor(options, files.progress)
    expect(second).toMatchObject({ hostname: first.hostname, hosts: first.hosts, changes: [] })
    expect(await files.snapshot()).toEqual(before)
  })

  it('takes the place of the placeholder, and says that no public host is set', async () => {
    const files = await relay(offline, '[TRANSPORT]\nhost = <hostnames>\nport = 5223\n')
    const result = await setupOwnTor(files.own, files.progress)
    expect(result).toMatchObject({ hosts: [result.hostname], onionOnly: true })
    expect(await files.read()).toContain(`host = ${result.hostname}\n`)
  })

  it('keeps bytes that are no UTF-8', async () => {
    const files = await relay()
    await writeFile(files.ini, Buffer.from(`# M\xfcnchen\n${relayIni}`, 'latin1'))
    await setupOwnTor(files.own, files.progress)
    const bytes = await readFile(files.ini)
    expect(bytes.subarray(0, 10).toString('latin1')).toBe('# M\xfcnchen\n')
  })

  it('works where the path of the control socket would be too long', async () => {
    const files = await relay()
    const deep = join(files.directory, 'state', 'd'.repeat(100))
    await mkdir(deep)
    const directory = join(deep, 'tor')
    const result = await setupOwnTor({ ...files.own, directory }, files.progress)
    await rm(join(ownTorPaths(directory).controlSocket, '..'), { recursive: true })
    expect(result.hostname).toMatch(/^[a-z2-7]{56}\.onion$/)
  })

  it('uses the tor of a running relay, never a second one', async () => {
    const files = await relay()
    const keeper = files.keeper()
    keeper.start()
    try {
      await expect.poll(() => keeper.state.hostname, { timeout: 10_000 }).toBeDefined()
      const pid = keeper.state.torPid
      const patience = { stallMs: 200, totalMs: 200 }
      const result = await setupOwnTor({ ...files.own, patience }, files.progress)
      expect(result).toMatchObject({ relayRuns: true, hostname: keeper.state.hostname, changes: [files.ini] })
      expect(keeper.state).toMatchObject({ torPid: pid, restarts: 0 })
      expect(pid !== undefined && isAlive(pid)).toBe(true)
    } finally {
      await keeper.stop()
    }
  })

  it('changes nothing when another onion name is in the INI', async () => {
    const other = 'opzuh7zruzglastucbfbibrchuwztgncnwpg5kore65jj7vhkmvwumyd.onion'
    const ini = `[TRANSPORT]\nhost = relay.example,${other}\n`
    const files = await relay(offline, ini)
    await expect(setupOwnTor(files.own, files.progress)).rejects.toMatchObject({ code: 'HOST_OTHER_ONION' })
    expect(await files.read()).toBe(ini)
    expect(existsSync(files.keyFile)).toBe(false)
  })

  it('reports a bad file of extra lines with tor’s reason, before anything is changed', async () => {
    for (const [line, reason] of [
      ['Bogus 1', "Unknown option 'Bogus'"],
      ['SocksPort 9050', 'Invalid SocksPort configuration'],
      ['%include /nonexistent/bridges', 'Error reading included configuration file'],
    ] as const) {
      const files = await relay([line])
      const attempt = setupOwnTor(files.own, files.progress)
      await expect(attempt).rejects.toMatchObject({
        code: 'TORRC_REFUSED',
        message: expect.stringContaining(`tor does not accept ${files.extra}: ${reason}`) as string,
      })
      expect(await files.read()).toBe(relayIni)
      expect(existsSync(files.keyFile)).toBe(false)
    }
  })

  it('needs a tor', async () => {
    const files = await relay()
    const binary = join(files.directory, 'tor')
    await expect(setupOwnTor({ ...files.own, binary }, files.progress)).rejects.toMatchObject({ code: 'TOR_MISSING' })
  })
})

describe('the own tor', () => {
  const extra = { path: '/offline', text: 'DisableNetwork 1\n' }

  async function start(): Promise<{ tor: OwnTor; directory: string }> {
    const files = await relay()
    const { directory } = files.own
    const tor = await OwnTor.start({ directory, extra, log: silentLogger })
    tors.push(tor)
    return { tor, directory }
  }

  it('runs in single-hop mode in a directory that only this user can enter', async () => {
    const { tor, directory } = await start()
    const values = await tor.control.getConf('HiddenServiceSingleHopMode', 'SocksPort', 'DisableNetwork')
    expect([...values.values()]).toEqual([['1'], ['0'], ['1']])
    expect((await stat(directory)).mode & 0o777).toBe(0o700)
    expect((await stat(join(directory, 'torrc'))).mode & 0o777).toBe(0o600)
    await tor.enableNetwork()
    expect((await tor.control.getConf('DisableNetwork')).get('disablenetwork')).toEqual(['1'])
  })

  it('is alone on its directory', async () => {
    const { tor, directory } = await start()
    const second = OwnTor.start({ directory, extra, log: silentLogger })
    await expect(second).rejects.toMatchObject({ code: 'TOR_RUNS_ALREADY' })
    const guest = await connectOwnTor(directory)
    expect((await guest?.getInfo('process/pid'))?.get('process/pid')).toBe(String(tor.pid))
    guest?.close()
    await tor.control.getInfo('version')
  })

  it('is alone also when two are started at the same moment', async () => {
    const files = await relay()
    const { directory } = files.own
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

  it('ends when its connection does, and when it is told to', async () => {
    const { tor, directory } = await start()
    tor.control.close()
    expect(await tor.exited).toBe('it was told to end')
    expect(isAlive(tor.pid)).toBe(false)
    expect(await connectOwnTor(directory)).toBeUndefined()
    const next = await OwnTor.start({ directory, extra, log: silentLogger })
    await next.stop()
    expect(isAlive(next.pid)).toBe(false)
  })

  it('is ended even when it does not listen', async () => {
    const { tor } = await start()
    process.kill(tor.pid, 'SIGSTOP')
    await tor.stop(200)
    expect(await tor.exited).toBe('it was ended by SIGKILL')
  })

  it('starts again over what a killed one left behind', async () => {
    const { tor, directory } = await start()
    process.kill(tor.pid, 'SIGKILL')
    await tor.exited
    const next = await OwnTor.start({ directory, extra, log: silentLogger })
    tors.push(next)
    expect(await next.control.onions()).toEqual([])
  })

  it('does not use a directory of somebody else', async () => {
    const files = await relay()
    await writeFile(join(files.directory, 'state', 'tor'), '')
    const options = { directory: files.own.directory, log: silentLogger }
    await expect(prepareOwnTor(options)).rejects.toMatchObject({ code: 'TOR_DIRECTORY' })
  })
})

describe('the keeper of an own tor', () => {
  it('heals when tor is killed or hangs, and keeps the name', async () => {
    const files = await relay()
    const keeper = files.keeper({ heartbeatMs: 100 })
    keeper.start()
    try {
      await expect.poll(() => keeper.state.hostname, { timeout: 10_000 }).toBeDefined()
      const { hostname, torPid } = keeper.state
      process.kill(torPid ?? 0, 'SIGKILL')
      await expect.poll(() => keeper.state.restarts, { timeout: 10_000 }).toBe(1)
      await expect.poll(() => keeper.state.torPid, { timeout: 10_000 }).toBeGreaterThan(0)
      expect(keeper.state.torPid).not.toBe(torPid)
      expect(keeper.state).toMatchObject({ hostname, phase: 'bootstrapping' })
      expect(keeper.state.lastError?.message).toBe('tor ended: it was ended by SIGKILL.')
    } finally {
      const { torPid } = keeper.state
      await keeper.stop()
      expect(torPid !== undefined && isAlive(torPid)).toBe(false)
    }
  })
})
