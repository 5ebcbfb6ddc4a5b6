import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { setIniValue } from '../../src/config/ini.ts'
import { silentLogger } from '../../src/config/log.ts'
import { TorControl } from '../../src/tor/control/tor-control.ts'
import type { ServiceId } from '../../src/crypto/onion-address.ts'
import { generateOnionKey } from '../../src/crypto/onion-key.ts'
import { connectOwnTor } from '../../src/tor/process/own-tor.ts'
import type { CheckResult as Result } from '../../src/tor/check/check.ts'
import { checkReachability } from '../../src/tor/check/check.ts'
import type { OnionStatus } from '../../src/tor/supervisor/status-facts.ts'
import { parseStatus } from '../../src/tor/supervisor/status-file.ts'
import type { TorNetwork } from '../tor-network/fixture.ts'
import { torNetwork } from '../tor-network/fixture.ts'
import type { CommandResult, RunningCommand } from './cli-process.ts'
import { buildProgram, freePort, Installation } from './cli-process.ts'

/*
 * `tor check`, `tor status` and the checks of the running relay, as an operator sees them, on a Tor network.
 */

let network: TorNetwork
let port: number
const installations: Installation[] = []

beforeAll(async () => {
  network = await torNetwork(inject('torNetwork'))
  await buildProgram()
  port = await freePort()
}, 180_000)
afterAll(async () => {
  for (const installation of installations) await installation.remove()
})

/** A relay that was initialised, with these names in its address. */
async function install(hosts: string): Promise<Installation> {
  const installation = new Installation()
  installations.push(installation)
  expect(installation.run(['init', '-y', '-n', 'localhost', '--no-password', '--disable-web']).status).toBe(0)
  const extra = join(installation.root, 'torrc-extra')
  await writeFile(extra, `${network.joinTorrc.join('\n')}\n`)
  const ini = await readFile(installation.ini, 'utf8')
  const settings: [string, string, string][] = [
    ['TRANSPORT', 'host', hosts],
    ['TRANSPORT', 'port', String(port)],
    ['TRANSPORT', 'listen_host', '127.0.0.1'],
    ['TOR', 'torrc_extra', extra],
    ['TOR', 'check_interval', '10'],
  ]
  await writeFile(
    installation.ini,
    settings.reduce((text, [section, key, value]) => setIniValue(text, section, key, value), ini),
  )
  return installation
}

interface CheckResult {
  readonly ok: boolean
  readonly checks: (Omit<Result, 'at'> & { readonly at: string })[]
}

/** Runs `tor check --json`; the test goes on meanwhile. */
async function check(
  installation: Installation,
  ...args: string[]
): Promise<{ status: number | null; result: CheckResult }> {
  const { status, stdout } = await installation.start(['tor', 'check', '--json', ...args]).ended()
  return { status, result: JSON.parse(stdout) as CheckResult }
}

function status(installation: Installation): { status: number | null; result: OnionStatus } {
  const { status: exit, stdout } = installation.run(['tor', 'status', '--json'])
  return { status: exit, result: JSON.parse(stdout) as OnionStatus }
}

describe('a relay with an onion service', () => {
  let relay: Installation
  let running: RunningCommand | undefined
  let onion: string

  beforeAll(async () => {
    relay = await install('localhost')
    const setup = await relay.start(['tor', 'setup', '--own', '-y']).ended()
    expect(setup.stdout).toContain('Next: start the relay')
    onion = /[a-z2-7]{56}\.onion/.exec(await readFile(relay.ini, 'utf8'))?.[0] ?? ''
  }, 90_000)

  it('a relay that was not started is not healthy, and starting it is the remedy', () => {
    const { status: exit, stdout } = relay.run(['tor', 'status'])
    expect(exit).toBe(1)
    expect(stdout).toMatch(/^Onion service: not healthy$/m)
    expect(stdout).toMatch(/^To fix relay: Start the relay/m)
  })

  it('a relay is healthy within 40 s of its start', async () => {
    running = relay.start(['start'])
    await expect.poll(() => status(relay).result.healthy, { timeout: 40_000, interval: 500 }).toBe(true)
    const { status: exit, result } = status(relay)
    expect(exit).toBe(0)
    const facts = new Map(result.facts.map((fact) => [fact.name, fact]))
    for (const name of [
      'key',
      'name',
      'relay',
      'control',
      'tor',
      'mode',
      'bootstrap',
      'service',
      'descriptor',
    ] as const) {
      expect(facts.get(name), name).toMatchObject({ ok: true })
    }
    expect(facts.get('name')?.text).toContain(onion)
    expect(facts.get('descriptor')?.text).toMatch(/to [1-9]\d* of \d+ directories/)
  }, 60_000)

  it('a check reaches the relay within 30 s, each step with its time', () => {
    const { status: exit, stdout } = relay.run(['tor', 'check'])
    expect(stdout.split('\n')[0]).toBe(`${onion} port ${port}, through a new tor client:`)
    for (const step of ['tor client', 'connection', 'TLS', 'SMP hello', 'PING']) {
      expect(stdout).toMatch(new RegExp(`^  ${step} +\\d+\\.\\d{3} s$`, 'm'))
    }
    expect(stdout).toMatch(/^ {2}fingerprint +matches the address$/m)
    expect(stdout).toMatch(/is reachable \(\d+\.\d\d s, SMP 6 to 20\)/)
    expect(exit).toBe(0)
  }, 40_000)

  it('a check reaches the relay through the SOCKS port of another tor, and at its public host', async () => {
    const { status: exit, result } = await check(relay, '--socks', `${network.socksHost}:${network.socksPort}`)
    expect([exit, result.ok, result.checks[0]?.via]).toEqual([0, true, 'socks'])
    const both = await check(relay, '--clearnet')
    expect(both.result.checks.map(({ host, via }) => [host, via])).toEqual([
      ['localhost', 'direct'],
      [onion, 'client'],
    ])
    expect([both.status, both.result.ok]).toEqual([0, true])
  }, 60_000)

  it('the relay checks itself on its schedule, and leaves no tor client running', async () => {
    const record = async (): Promise<ReturnType<typeof parseStatus>> =>
      parseStatus(await readFile(join(relay.state, 'tor', 'status.json'), 'utf8'))
    const times = new Set<number>()
    await expect
      .poll(
        async () => {
          const check = (await record())?.state.check
          expect(check?.last.fault).toBeUndefined()
          if (check) times.add(check.last.at.getTime())
          return times.size
        },
        { timeout: 45_000, interval: 300 },
      )
      .toBe(3)
    const [first = 0, second = 0, third = 0] = times
    for (const gap of [second - first, third - second]) {
      expect(gap).toBeGreaterThan(8000)
      expect(gap).toBeLessThan(22_000)
    }
    expect(await connectOwnTor(join(relay.state, 'tor', 'client'))).toBeUndefined()
    const metrics = relay.run(['tor', 'status', '--metrics']).stdout
    expect(metrics).toMatch(/^onion_reachable 1$/m)
    expect(metrics).toMatch(/^onion_bootstrap_percent 100$/m)
    expect(metrics).toMatch(/^onion_check_seconds \d+\.\d+$/m)
  }, 60_000)

  it('a check does not mistake another relay for this one', async () => {
    const other = await install(onion)
    const { status: exit, stdout } = await other.start(['tor', 'check']).ended()
    expect(exit).toBe(1)
    expect(stdout).toMatch(/^ {2}fingerprint +failed$/m)
    expect(stdout).toMatch(/^Error: A different server answers/m)
  }, 40_000)

  it('status --watch prints what has changed, until it is interrupted', async () => {
    const watching = relay.start(['tor', 'status', '--watch'])
    await watching.shows(/^Onion service: healthy$/m)
    running?.kill('SIGKILL')
    await watching.shows(/^Onion service: not healthy$/m, 10_000)
    await watching.shows(/relay +WRONG not running: it was killed or crashed/)
    watching.kill('SIGINT')
    const { status: exit, stdout } = await watching.ended()
    expect(exit).toBe(1)
    expect(stdout.match(/^ {2}key /gm)).toHaveLength(1)
  }, 40_000)

  it('a check says within 75 s that a killed relay is not reachable', async () => {
    const { status: exit, result } = await check(relay)
    expect([exit, result.ok]).toEqual([1, false])
    expect(result.checks[0]?.fault?.step).toBe('connect')
    expect(['ONION_UNREACHABLE', 'ONION_TIMEOUT']).toContain(result.checks[0]?.fault?.code)
  }, 90_000)
})

describe('check explains within 40 s', () => {
  let control: TorControl
  beforeAll(async () => {
    const { controlHost: host, controlPort, cookiePath: cookieFile } = network.onion
    control = await TorControl.connect({ endpoint: { type: 'tcp', host, port: controlPort }, cookieFile })
  })
  afterAll(() => control.close())

  async function addOnion(target: string): Promise<ServiceId> {
    const ports = [{ virtualPort: port, target }]
    return (await control.addOnion({ key: generateOnionKey(), ports, flags: ['NonAnonymous', 'Detach'] })).serviceId
  }

  async function printed(hosts: string, ...args: string[]): Promise<CommandResult> {
    return await (await install(hosts)).start(['tor', 'check', ...args]).ended()
  }

  it('check explains an onion address that is not published', async () => {
    const id = await addOnion('127.0.0.1:1')
    await control.delOnion(id)
    const { status: exit, stdout } = await printed(`${id}.onion`)
    expect(exit).toBe(1)
    expect(stdout).toMatch(/^Error: The Tor network has no descriptor of/m)
  }, 40_000)

  it('check explains an onion service with nothing behind it', async () => {
    const published = new Promise((resolve) =>
      control.onEvent((event) => {
        if (event.type === 'hsDesc' && event.action === 'UPLOADED') resolve(undefined)
      }),
    )
    await control.setEvents(['HS_DESC'])
    const id = await addOnion('127.0.0.1:1')
    await published
    const installation = await install(`${id}.onion`)
    // The first client may come before the last directory has the descriptor.
    await expect
      .poll(async () => (await check(installation)).result.checks[0]?.fault?.code, { timeout: 35_000 })
      .toBe('ONION_REFUSED')
    await control.delOnion(id)
  }, 40_000)

  it('check explains a SOCKS port that is not there', async () => {
    const onion = `${await addOnion('127.0.0.1:1')}.onion`
    const { status: exit, stdout } = await printed(onion, '--socks', '127.0.0.1:1')
    expect(exit).toBe(1)
    expect(stdout).toMatch(/^Error: Cannot connect to the SOCKS proxy/m)
    await control.delOnion(onion.slice(0, 56) as ServiceId)
  })

  it('check explains a relay without an onion address', async () => {
    const { status: exit, stdout } = await printed('localhost')
    expect(exit).toBe(1)
    expect(stdout).toMatch(/^Error: There is nothing to check/m)
  })
})

describe('the tor client of a check', () => {
  let directory: string
  let torrcExtra: string
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'smp-proof-'))
    torrcExtra = join(directory, 'torrc-extra')
  })
  afterAll(() => rm(directory, { recursive: true, force: true }))

  const target = { host: `${'a'.repeat(56)}.onion`, port: 5223, keyHash: Buffer.alloc(32) }

  /** Temporary directories of clients that this process has started. */
  async function leftBehind(): Promise<string[]> {
    const names = (await readdir(tmpdir())).filter((name) => name.startsWith('smp-client-'))
    const torrcs = await Promise.all(
      names.map((name) => readFile(join(tmpdir(), name, 'torrc'), 'utf8').catch(() => '')),
    )
    return names.filter((_, index) => torrcs[index]?.includes(`__OwningControllerProcess ${process.pid}\n`))
  }

  it('a client tor whose network is disabled by extra lines says so', async () => {
    await writeFile(torrcExtra, 'DisableNetwork 1\n')
    const result = await checkReachability(target, { type: 'client', client: { torrcExtra, log: silentLogger } })
    expect(result).toMatchObject({ steps: [], fault: { step: 'tor', code: 'TOR_CLIENT_OFFLINE' } })
    expect(result.fault?.message).toContain('torrc_extra disables the network')
    expect(await leftBehind()).toEqual([])
  })

  it('a client tor without a network says how far it got, and leaves nothing behind when it is cancelled', async () => {
    await writeFile(torrcExtra, network.joinTorrc.map(unreachable).join('\n'))
    const client = { torrcExtra, log: silentLogger, timeouts: { stallMs: 1500, totalMs: 5000 } }
    const result = await checkReachability(target, { type: 'client', client })
    expect(result.fault).toMatchObject({ step: 'tor', code: 'TOR_CLIENT_OFFLINE' })
    expect(result.fault?.message).toMatch(/: tor is stuck at \d+ % \([a-z].+\)\.$/)

    const abort = new AbortController()
    const patient = { ...client, timeouts: { stallMs: 60_000, totalMs: 60_000 } }
    const attempt = checkReachability(target, { type: 'client', client: patient }, { signal: abort.signal })
    await expect.poll(leftBehind, { timeout: 10_000 }).toHaveLength(1)
    abort.abort()
    await expect(attempt).rejects.toThrow()
    expect(await leftBehind()).toEqual([])
  }, 30_000)

  it('a check without tor says what to install', async () => {
    const client = { binary: join(directory, 'tor'), log: silentLogger }
    const result = await checkReachability(target, { type: 'client', client })
    expect(result.fault).toMatchObject({
      step: 'tor',
      code: 'TOR_MISSING',
      remedy: expect.stringContaining('apt') as string,
    })
  })
})

/** The same authority at ports where nobody listens. */
function unreachable(line: string): string {
  return line.replace(/orport=\d+/, 'orport=1').replace(/127\.0\.0\.1:\d+/, '127.0.0.1:1')
}
