import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest'
import { torNetwork, type TorNetwork } from '../tor-network/fixture.ts'
import { eventually } from './tor-process.ts'
import { buildProgram, freePort, Installation } from './cli-process.ts'

/*
 * Mode external: the relay controls a real tor that runs elsewhere, at another address of this machine or on the other
 * side of a network cable between two network namespaces.
 */

const PASSWORD = 'open "sesame" ö'
const OTHER_ADDRESS = '127.0.0.2'

beforeAll(buildProgram)

let relay: Installation
const tors: Elsewhere[] = []
afterEach(async () => {
  for (const tor of tors.splice(0)) await tor.stop()
  await relay.remove()
})

interface Elsewhere {
  readonly control: string
  readonly cookieFile: string
  stop(): Promise<void>
}

async function torAt(host: string, lines: readonly string[]): Promise<Elsewhere> {
  const directory = mkdtempSync(join(tmpdir(), 'smp-elsewhere-'))
  const control = `${host}:${await freePort()}`
  const cookieFile = join(directory, 'cookie')
  const torrc = [`DataDirectory ${directory}/data`, `ControlPort ${control}`, `CookieAuthFile ${cookieFile}`, ...lines]
  writeFileSync(join(directory, 'torrc'), `${torrc.join('\n')}\n`)
  const args = ['--defaults-torrc', '/dev/null', '-f', join(directory, 'torrc')]
  const child = spawn('tor', args, { stdio: ['ignore', 'pipe', 'ignore'] })
  const tor = {
    control,
    cookieFile,
    stop: async () => {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill('SIGKILL')
        await once(child, 'close')
      }
      rmSync(directory, { recursive: true, force: true })
    },
  }
  tors.push(tor)
  await new Promise<void>((resolve) => {
    child.stdout.on('data', (text: Buffer) => text.includes('Opened Control listener') && resolve())
  })
  return tor
}

const OFFLINE = ['DisableNetwork 1']
const SINGLE_HOP = ['SocksPort 0', 'HiddenServiceSingleHopMode 1', 'HiddenServiceNonAnonymousMode 1']

function hashOf(password: string): string {
  const { stdout } = spawnSync('tor', ['--quiet', '--hash-password', password], { encoding: 'utf8' })
  return stdout.trim()
}

async function newRelay(): Promise<void> {
  relay = new Installation()
  await relay.initialize('-n', 'a.example', '--no-password', '--disable-web')
}

function passwordFile(text: string): string {
  const path = join(relay.root, 'tor-password')
  writeFileSync(path, text, { mode: 0o600 })
  return path
}

/** Never through the real network: the tor of the check has none. */
function setup(...options: string[]): { status: number | null; stdout: string; stderr: string } {
  const extra = join(relay.root, 'torrc-extra')
  writeFileSync(extra, 'DisableNetwork 1\n')
  return relay.run(['tor', 'setup', '-y', '--torrc-extra', extra, ...options])
}

function tor(): Record<string, string | undefined> {
  const keys = ['mode', 'control', 'control_password_file', 'control_cookie', 'target', 'single_hop']
  return Object.fromEntries(keys.map((key) => [key, relay.value('TOR', key)]))
}

describe('a tor elsewhere', () => {
  it('setup logs in with a password, and says what is wrong before it changes anything', async () => {
    await newRelay()
    const elsewhere = await torAt(OTHER_ADDRESS, [
      ...OFFLINE,
      ...SINGLE_HOP,
      `HashedControlPassword ${hashOf(PASSWORD)}`,
    ])
    const { control } = elsewhere
    let before = readFileSync(relay.ini, 'utf8')
    const refused = (...options: string[]): string => {
      const { status, stdout, stderr } = setup('--control', control, ...options)
      expect([status, readFileSync(relay.ini, 'utf8'), existsSync(join(relay.config, 'onion.key'))]).toEqual([
        1,
        before,
        false,
      ])
      expect(`${stdout}${stderr}`).not.toContain('sesame')
      return `${stdout}${stderr}`
    }
    expect(refused()).toMatch(/tor at 127\.0\.0\.2:\d+ requires a password\.\n.*control_password_file/)
    const file = passwordFile('sesame\n')
    expect(refused('--control-password-file', file)).toMatch(/rejected the login: .*\n.*HashedControlPassword/)
    passwordFile(`${PASSWORD}\n`)
    chmodSync(file, 0o644)
    expect(refused('--control-password-file', file)).toMatch(/others may read it\.\nchmod 600 \S+tor-password/)
    chmodSync(file, 0o600)
    expect(refused('--control-password-file', file, '--target', '10.0.0.7')).toMatch(/listens on 127\.0\.0\.1 only/)
    relay.set('TRANSPORT', 'listen_host', '0.0.0.0')
    before = readFileSync(relay.ini, 'utf8')
    const named = refused('--control-password-file', file, '--target', 'nowhere.invalid')
    expect(named).toMatch(/nowhere\.invalid is not known where that tor runs\.\nSet target under \[TOR\]/)
    const hidden = refused('--control-password-file', file, '--three-hop')
    expect(hidden).toMatch(/single-hop mode.*\nTake HiddenServiceSingleHopMode out/)
    relay.set('TRANSPORT', 'listen_host', '127.0.0.1')
    before = readFileSync(relay.ini, 'utf8')
    expect(refused('--own', '--control-password-file', file)).toContain('Leave out --own.')

    const { status, stdout } = setup('--control', control, '--control-password-file', file)
    expect([status, stdout]).toEqual([0, expect.stringMatching(/Server address: .*\.onion/) as string])
    expect(tor()).toMatchObject({ mode: 'external', control, control_password_file: file, target: '127.0.0.1' })
    expect(setup()).toMatchObject({ status: 0, stdout: expect.stringContaining('nothing was changed') as string })
    expect(setup('--control', '127.0.0.3:9051', '--control-password-file', file)).toMatchObject({ status: 1 })

    // The relay goes on without that tor, and is back with it.
    const running = relay.start(['start'])
    await running.shows(/Listening|listens|SMP server|Server address/i)
    await expect
      .poll(() => relay.run(['tor', 'status']).stdout, { timeout: 20_000 })
      .toContain('tor has the onion service')
    const status1 = relay.run(['tor', 'status']).stdout
    expect(status1).toMatch(/tor +ok +0\.\d.*, elsewhere, process/)
    await elsewhere.stop()
    expect(setup()).toMatchObject({
      status: 1,
      stdout: expect.stringContaining(`No tor answers at ${control}`) as string,
    })
    const removed = relay.run(['tor', 'remove', '-y', '--delete-key'])
    expect([removed.status, removed.stdout]).toEqual([
      0,
      expect.stringContaining('Its tor could not be asked') as string,
    ])
    expect(readFileSync(relay.ini, 'utf8')).toBe(before)
    running.kill('SIGTERM')
    expect((await running.ended()).status).toBe(0)
  }, 120_000)

  it('setup logs in with a cookie, and without anything where tor lets everybody in', async () => {
    await newRelay()
    const shut = await torAt(OTHER_ADDRESS, [...OFFLINE, ...SINGLE_HOP, 'CookieAuthentication 1'])
    const nowhere = join(relay.root, 'no-cookie')
    expect(setup('--control', shut.control, '--control-cookie', nowhere)).toMatchObject({
      status: 1,
      stdout: expect.stringContaining(`cookie ${nowhere} does not exist`) as string,
    })
    expect(setup('--control', shut.control, '--control-cookie', shut.cookieFile)).toMatchObject({ status: 0 })
    expect(tor()).toMatchObject({ control: shut.control, control_cookie: shut.cookieFile })
    await relay.remove()

    await newRelay()
    const open = await torAt(OTHER_ADDRESS, OFFLINE)
    expect(setup('--control', open.control)).toMatchObject({
      status: 1,
      stdout: expect.stringMatching(/not run in single-hop mode.*\n.*--three-hop/) as string,
    })
    expect(setup('--control', open.control, '--three-hop')).toMatchObject({ status: 0 })
    expect(tor()).toMatchObject({ mode: 'external', single_hop: 'off' })
  }, 60_000)
})

/** Whether this user may make network namespaces and put cables between them. */
const mayCable =
  spawnSync('unshare', ['-n', 'ip', 'link', 'add', 'smp0', 'type', 'veth', 'peer', 'name', 'smp1']).status === 0

describe.runIf(mayCable)('a relay in another network namespace than its tor (needs root)', () => {
  let network: TorNetwork
  /** Keeps the namespace. */
  let holder: ChildProcess
  const [ours, theirs] = ['10.213.77.1', '10.213.77.2']

  beforeAll(async () => {
    network = await torNetwork(inject('torNetwork'))
    holder = spawn('unshare', ['-n', 'sleep', '600'], { stdio: 'ignore' })
    const pid = String(holder.pid)
    const run = (...words: string[]): void => {
      expect(spawnSync(words[0] ?? '', words.slice(1), { encoding: 'utf8' })).toMatchObject({ status: 0, stderr: '' })
    }
    await eventually(() => {
      const isApart = readlink(`/proc/${pid}/ns/net`) !== readlink('/proc/self/ns/net')
      return isApart ? Promise.resolve() : Promise.reject(new Error('unshare has not made its namespace'))
    })
    run('ip', 'link', 'add', 'smp-test0', 'type', 'veth', 'peer', 'name', 'smp-test1', 'netns', pid)
    run('ip', 'address', 'add', `${ours}/30`, 'dev', 'smp-test0')
    run('ip', 'link', 'set', 'smp-test0', 'up')
    for (const words of [
      ['address', 'add', `${theirs}/30`, 'dev', 'smp-test1'],
      ['link', 'set', 'smp-test1', 'up'],
      ['link', 'set', 'lo', 'up'],
    ]) {
      run('nsenter', '-t', pid, '-n', 'ip', ...words)
    }
  }, 120_000)
  afterAll(() => {
    spawnSync('ip', ['link', 'delete', 'smp-test0'])
    holder.kill('SIGKILL')
  })

  it('the relay is published by that tor, and checks itself through it', async () => {
    const within = ['nsenter', '-t', String(holder.pid), '-n']
    relay = new Installation({ within })
    await relay.initialize('-n', 'a.example', '--no-password', '--disable-web')
    relay.set('TRANSPORT', 'listen_host', theirs)
    const socks = `${ours}:${await freePort()}`
    relay.set('PROXY', 'socks_proxy', socks)
    const elsewhere = await torAt(ours, [
      ...network.joinTorrc,
      `SocksPort ${socks} ExtendedErrors`,
      `HashedControlPassword ${hashOf(PASSWORD)}`,
    ])
    const running = relay.start(['start'])
    await running.shows(/Server address|Listening/i)
    const done = setup('--control', elsewhere.control, '--control-password-file', passwordFile(PASSWORD), '--three-hop')
    expect([done.status, done.stdout]).toEqual([0, expect.stringMatching(/Reachable \(/) as string])
    expect(tor()).toMatchObject({ mode: 'external', target: theirs })
    expect(relay.run(['tor', 'check', '--socks', socks])).toMatchObject({ status: 0 })

    relay.set('TOR', 'target', `${theirs}:1`)
    await expect
      .poll(() => relay.run(['tor', 'check', '--socks', socks]).stdout, { timeout: 60_000, interval: 500 })
      .toContain(`its tor cannot connect to ${theirs}:1`)
    running.kill('SIGTERM')
    expect((await running.ended()).status).toBe(0)
  }, 180_000)
})

function readlink(path: string): string {
  return spawnSync('readlink', [path], { encoding: 'utf8' }).stdout
}
