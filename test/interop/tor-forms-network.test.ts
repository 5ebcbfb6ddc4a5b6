import { mkdir, readFile, writeFile } from 'node:fs/promises'
import type { AddressInfo, Server } from 'node:net'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { SocksClient } from 'socks'
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest'
import { silentLogger } from '../../src/config/log.ts'
import { planAdoption } from '../../src/tor/setup/adopt.ts'
import { runCommand } from '../../src/system/command.ts'
import { encodeOnionKey, generateOnionKey } from '../../src/crypto/onion-key.ts'
import { whoListens } from '../../src/tor/process/socks-probe.ts'
import { SocksTor } from '../../src/tor/process/socks-tor.ts'
import type { TorNetwork } from '../tor-network/fixture.ts'
import { torNetwork } from '../tor-network/fixture.ts'
import { freePort } from './cli-process.ts'
import { defaultTorIn, RelayFiles, relayIni, type SetupSurroundings } from './tor-relay.ts'
import { PlayedUnit } from './played-unit.ts'

let network: TorNetwork
let server: Server
let ports: { virtualPort: number; target: string }[]
const made: RelayFiles[] = []

beforeAll(async () => {
  network = await torNetwork(inject('torNetwork'))
  server = createServer((socket) => {
    socket.on('error', () => undefined).on('data', () => socket.end('relay'))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  ports = [{ virtualPort: 5223, target: `127.0.0.1:${(server.address() as AddressInfo).port}` }]
})
afterEach(async () => {
  for (const files of made.splice(0)) await files.remove()
})
afterAll(() => {
  server.close()
})

async function relay(ini = relayIni): Promise<RelayFiles> {
  const files = await RelayFiles.make(ini, network.joinTorrc)
  made.push(files)
  return files
}

/** What a client of the onion service reads, through some tor of the same network. */
async function readThrough(hostname: string, host: string, port: number): Promise<string> {
  const { socket } = await SocksClient.createConnection({
    proxy: { host, port, type: 5 },
    command: 'connect',
    destination: { host: hostname, port: 5223 },
    timeout: 30_000,
  })
  socket.write('who is there?')
  let text = ''
  for await (const chunk of socket) text += String(chunk)
  return text
}

async function readFromOutside(hostname: string): Promise<string> {
  return await readThrough(hostname, network.socksHost, network.socksPort).catch(String)
}

describe('on a Tor network', () => {
  it('an anonymous service with defences is published and reachable, and its tor is a client, too', async () => {
    const files = await relay('[TRANSPORT]\nhost = <hostnames>\nport = 5223\n')
    const socksPort = await freePort()
    const service = { type: 'anonymous', pow: true, powRate: 50, powBurst: 100, maxStreams: 8 } as const
    const ini = { socksPort, socksProxy: `127.0.0.1:${socksPort}` }
    const result = await files.setUp({ ports, service, ini })
    expect(result).toMatchObject({ onionOnly: true })
    const tor = { ...files.ownTor, serviceType: 'anonymous', socksPort } as const
    const supervisor = files.supervisor({ tor, ports, config: service })
    supervisor.start()
    try {
      await expect.poll(() => supervisor.state.phase, { timeout: 60_000 }).toBe('published')
      expect(supervisor.state.hostname).toBe(result.hostname)
      await expect.poll(() => readFromOutside(result.hostname), { timeout: 40_000 }).toBe('relay')
      expect(await readThrough(result.hostname, '127.0.0.1', socksPort)).toBe('relay')
      const working = { introPoints: expect.any(Number) as number, powEffort: 0, powQueue: 0 }
      await expect.poll(() => supervisor.state.figures).toMatchObject(working)
      await expect.poll(() => supervisor.state.figures?.introPoints).toBeGreaterThan(0)
      await expect.poll(() => supervisor.state.figures?.rendezvous).toBeGreaterThan(0)
    } finally {
      await supervisor.stop()
    }
  }, 180_000)

  it('a SOCKS tor reaches an onion service, and is restarted when it is killed', async () => {
    const files = await relay()
    await files.setUp({ ports })
    const supervisor = files.supervisor({ ports })
    supervisor.start()
    const port = await freePort()
    const directory = join(files.directory, 'state', 'tor-socks')
    const socks = new SocksTor({ directory, port, torrcExtra: files.extra, log: silentLogger })
    socks.start()
    try {
      await expect.poll(() => supervisor.state.phase, { timeout: 60_000 }).toBe('published')
      const { hostname = '' } = supervisor.state
      const read = (): Promise<string> => readThrough(hostname, '127.0.0.1', port).catch(String)
      await expect.poll(read, { timeout: 60_000 }).toBe('relay')
      const { stdout } = await runCommand('pgrep', ['-f', join(directory, 'torrc')])
      process.kill(Number(stdout.trim()), 'SIGKILL')
      await expect.poll(read, { timeout: 60_000 }).toBe('relay')
    } finally {
      await socks.stop()
      await supervisor.stop()
    }
    expect(await whoListens('127.0.0.1', port)).toBe('none')
  }, 180_000)

  it.runIf(process.geteuid?.() === 0)(
    'a service in mode torrc is published with the imported key (needs root)',
    async () => {
      const files = await relay()
      const key = generateOnionKey()
      const { surroundings, player } = await torrcMode(files)
      const request = { mode: 'torrc', instance: 'default', ports, importKey: { key, path: '/key' } } as const
      try {
        const result = await files.setUp(request, surroundings)
        expect(result).toMatchObject({ hostname: key.hostname, publication: { published: true } })
        await expect.poll(() => readFromOutside(result.hostname), { timeout: 40_000 }).toBe('relay')
        const again = await files.setUp(request, surroundings)
        expect(again).toMatchObject({ changed: [], wasDone: true, publication: { published: true } })
      } finally {
        await player.stop()
      }
    },
    120_000,
  )

  it('an adopted service is reachable at its old address', async () => {
    const files = await relay()
    const key = generateOnionKey()
    const directory = join(files.directory, 'simplex-smp')
    const torrc = join(files.directory, 'torrc')
    await mkdir(directory, { mode: 0o700 })
    await writeFile(join(directory, 'hs_ed25519_secret_key'), encodeOnionKey(key))
    const lines = ['SocksPort 0', 'HiddenServiceNonAnonymousMode 1', 'HiddenServiceSingleHopMode 1']
    await writeFile(torrc, [...lines, `HiddenServiceDir ${directory}`, 'HiddenServicePort 5223', ''].join('\n'))
    const adoption = await planAdoption(directory, [torrc], [5223])
    const result = await files.setUp({ ports, adoption })
    expect(result).toMatchObject({ hostname: key.hostname })
    expect(await readFile(torrc, 'utf8')).not.toMatch(/^HiddenServiceDir/m)
    const supervisor = files.supervisor({ ports, expectedHostname: key.hostname })
    supervisor.start()
    try {
      await expect.poll(() => readFromOutside(key.hostname), { timeout: 60_000 }).toBe('relay')
    } finally {
      await supervisor.stop()
    }
  }, 180_000)
})

async function torrcMode(files: RelayFiles): Promise<{ surroundings: SetupSurroundings; player: PlayedUnit }> {
  const at = (name: string): string => join(files.directory, name)
  await mkdir(at('data'), { mode: 0o700 })
  await writeFile(at('torrc'), 'Log notice stdout\n')
  const defaults = [
    `DataDirectory ${at('data')}`,
    `ControlSocket ${at('control')}`,
    'CookieAuthentication 1',
    `CookieAuthFile ${at('cookie')}`,
    '',
  ]
  await writeFile(at('defaults'), defaults.join('\n'))
  const player = new PlayedUnit(at('torrc'), at('defaults'))
  const place = defaultTorIn(files.directory)
  return { surroundings: { services: player, place, torrcs: [at('torrc')] }, player }
}
