import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { setIniValue } from '../../src/config/ini.ts'
import type { OnionStatus } from '../../src/tor/supervisor/status-facts.ts'
import type { TorNetwork } from '../tor-network/fixture.ts'
import { torNetwork } from '../tor-network/fixture.ts'
import type { RunningCommand } from './cli-process.ts'
import { buildProgram, freePort, Installation } from './cli-process.ts'
import { PlayedUnit } from './played-unit.ts'
import { eventually } from './tor-process.ts'

/*
 * A relay whose onion service is in the torrc of a tor that it cannot access, as an operator sees it.
 */

let network: TorNetwork
let relay: Installation
let running: RunningCommand | undefined
let unit: PlayedUnit
let onion: string

beforeAll(async () => {
  network = await torNetwork(inject('torNetwork'))
  await buildProgram()
  relay = new Installation()
  const port = await freePort()
  unit = await torWithService(join(relay.root, 'their-tor'), port)
  await unit.enable('tor@smp')
  const hostname = join(relay.root, 'their-tor', 'service', 'hostname')
  onion = (await eventually(() => readFile(hostname, 'utf8'))).trim()
  await install(port)
}, 240_000)
afterAll(async () => {
  await relay.remove()
  await unit.stop()
})

/** An anonymous service in a torrc, and no control port at all. */
async function torWithService(directory: string, port: number): Promise<PlayedUnit> {
  await mkdir(directory, { mode: 0o700 })
  const torrc = [
    ...network.joinTorrc,
    `DataDirectory ${join(directory, 'data')}`,
    'SocksPort 0',
    `HiddenServiceDir ${join(directory, 'service')}`,
    `HiddenServicePort ${port} 127.0.0.1:${port}`,
    `__OwningControllerProcess ${process.pid}`,
    '',
  ]
  await writeFile(join(directory, 'torrc'), torrc.join('\n'))
  return new PlayedUnit(join(directory, 'torrc'), '/dev/null')
}

async function install(port: number): Promise<void> {
  expect(relay.run(['init', '-y', '-n', 'localhost', '--no-password', '--disable-web']).status).toBe(0)
  const extra = join(relay.root, 'torrc-extra')
  await writeFile(extra, `${network.joinTorrc.join('\n')}\n`)
  const settings: [string, string, string][] = [
    ['TRANSPORT', 'host', `localhost,${onion}`],
    ['TRANSPORT', 'port', String(port)],
    ['TRANSPORT', 'listen_host', '127.0.0.1'],
    ['TOR', 'mode', 'torrc'],
    ['TOR', 'instance', 'smp'],
    ['TOR', 'torrc_extra', extra],
    ['TOR', 'check_interval', '10'],
  ]
  const ini = await readFile(relay.ini, 'utf8')
  const text = settings.reduce((before, [section, key, value]) => setIniValue(before, section, key, value), ini)
  await writeFile(relay.ini, text)
}

function status(): OnionStatus {
  return JSON.parse(relay.run(['tor', 'status', '--json']).stdout) as OnionStatus
}

function checkOf({ facts }: OnionStatus): OnionStatus['facts'][number] | undefined {
  return facts.find(({ name }) => name === 'check')
}

describe('the relay of a service in a torrc', () => {
  it('a relay that was not started is not healthy', () => {
    expect(status().problem).toMatchObject({ fact: 'relay' })
  })

  it('the relay finds within 60 s of its start that it is reachable, without any control connection', async () => {
    running = relay.start(['start'])
    await running.shows(/Listening on port/)
    const first = relay.run(['tor', 'status'])
    expect([first.status, first.stdout]).toEqual([1, expect.stringMatching(/^Onion service: not known yet: /m)])
    await expect.poll(() => checkOf(status())?.ok, { timeout: 60_000, interval: 500 }).toBe(true)
    const { stdout, status: exit } = relay.run(['tor', 'status'])
    expect([exit, stdout]).toEqual([0, expect.stringMatching(/^Onion service: healthy$/m)])
    expect(stdout).toMatch(/^ {2}check +ok +reached from outside .* in \d+\.\d\d s, next /m)
    const metrics = relay.run(['tor', 'status', '--metrics']).stdout
    expect(metrics).toMatch(/^onion_reachable 1$/m)
    expect(metrics).toMatch(/^onion_check_seconds \d/m)
    expect(metrics).not.toMatch(/^onion_(bootstrap_percent|tor_restarts_total) /m)
    await running.shows(/onion service: reachable from outside \(\d/)
  }, 90_000)

  it('a relay whose tor ended says so within 120 s, with the remedy, in the log and in every kind of status', async () => {
    const watching = relay.start(['tor', 'status', '--watch'])
    await watching.shows(/^Onion service: healthy$/m)
    await unit.stop()
    await watching.shows(/^Onion service: not healthy$/m, 120_000)
    await watching.shows(/^To fix check: .*systemctl restart tor@smp$/m)
    watching.kill('SIGINT')
    await watching.ended()
    const { problem } = status()
    expect(problem).toMatchObject({ fact: 'check', text: expect.stringContaining('failed') as string })
    expect(problem?.remedy).toMatch(/systemctl status tor@smp; journalctl -u tor@smp -n 30/)
    expect(relay.run(['tor', 'status', '--metrics']).stdout).toMatch(/^onion_reachable 0$/m)
    await running?.shows(/onion service: not reachable from outside: .*systemctl restart tor@smp/)
  }, 150_000)

  it('the relay is reachable again within 60 s after its tor was started again', async () => {
    await unit.enable('tor@smp')
    await expect.poll(() => checkOf(status())?.ok, { timeout: 60_000, interval: 500 }).toBe(true)
    expect(relay.run(['tor', 'status']).status).toBe(0)
  }, 90_000)

  it('the relay follows the INI file when the service is dropped', async () => {
    const ini = await readFile(relay.ini, 'utf8')
    await writeFile(relay.ini, setIniValue(ini, 'TRANSPORT', 'host', 'localhost'))
    await running?.shows(/Reloaded the settings of the onion service/, 10_000)
    await expect.poll(() => status().problem?.fact, { timeout: 10_000 }).toBe('name')
    running?.kill('SIGTERM')
    expect((await running?.ended())?.status).toBe(0)
  }, 30_000)
})
