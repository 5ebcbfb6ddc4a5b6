import { createServer } from 'node:net'
import type { AddressInfo, Server } from 'node:net'
import { writeFile } from 'node:fs/promises'
import { SocksClient } from 'socks'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { TorControl } from '../../src/tor/control/tor-control.ts'
import { connectOwnTor } from '../../src/tor/process/own-tor.ts'
import { fetchDescriptor } from '../../src/tor/onion/publication.ts'
import { setupOwnTor } from '../../src/tor/setup/own.ts'
import type { TorNetwork } from '../tor-network/fixture.ts'
import { torNetwork } from '../tor-network/fixture.ts'
import { RelayFiles, relayIni } from './tor-relay.ts'

let network: TorNetwork
let files: RelayFiles
let server: Server
let ports: { virtualPort: number; target: string }[]

beforeAll(async () => {
  network = await torNetwork(inject('torNetwork'))
  files = await RelayFiles.make(relayIni, network.joinTorrc)
  server = createServer((socket) => {
    socket.on('error', () => undefined).on('data', () => socket.end('relay'))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  ports = [{ virtualPort: 5223, target: `127.0.0.1:${(server.address() as AddressInfo).port}` }]
})
afterAll(async () => {
  server.close()
  await files.remove()
})

/** What a client of the onion service reads, through an ordinary tor of the same network. */
async function readThroughTor(hostname: string): Promise<string> {
  const { socket } = await SocksClient.createConnection({
    proxy: { host: network.socksHost, port: network.socksPort, type: 5 },
    command: 'connect',
    destination: { host: hostname, port: 5223 },
    timeout: 30_000,
  })
  socket.write('who is there?')
  let text = ''
  for await (const chunk of socket) text += String(chunk)
  return text
}

describe('on a Tor network', () => {
  it('setup publishes the service and shows every step', async () => {
    const result = await setupOwnTor({ ...files.own, ports }, files.progress)
    expect(result.publication).toEqual({ published: true })
    expect(result.changes).toEqual([files.keyFile, files.ini])
    expect(files.steps).toEqual(['check', 'tor', 'onion', 'ini', 'bootstrap', 'publication'])
  })

  it('the keeper publishes it, keeps it, and heals it when tor is killed', async () => {
    const states: string[] = []
    const keeper = files.keeper({
      ports,
      onState: ({ phase }) => {
        if (states.at(-1) !== phase) states.push(phase)
      },
    })
    const beganAt = performance.now()
    keeper.start()
    try {
      await expect.poll(() => keeper.state.phase, { timeout: 40_000 }).toBe('published')
      const publishedMs = Math.round(performance.now() - beganAt)
      expect(states).toEqual(['starting', 'bootstrapping', 'publishing', 'published'])
      const { hostname = '', torPid = 0 } = keeper.state
      expect(await files.read()).toContain(hostname)
      expect(await readThroughTor(hostname)).toBe('relay')
      expect(await keeper.check()).toEqual({ type: 'received' })

      const again = await setupOwnTor({ ...files.own, ports }, files.progress)
      expect(again).toMatchObject({ relayRuns: true, changes: [], publication: { published: true } })

      process.kill(torPid, 'SIGKILL')
      const killedAt = performance.now()
      await expect.poll(() => keeper.state.phase).not.toBe('published')
      await expect.poll(() => keeper.state.phase, { timeout: 40_000 }).toBe('published')
      const healedMs = Math.round(performance.now() - killedAt)
      expect(keeper.state).toMatchObject({ hostname, restarts: 1 })
      expect(keeper.state.torPid).not.toBe(torPid)
      await expect.poll(() => readThroughTor(hostname).catch(String), { timeout: 40_000 }).toBe('relay')
      expect([publishedMs < 30_000, healedMs < 30_000]).toEqual([true, true])

      process.kill(keeper.state.torPid ?? 0, 'SIGSTOP')
      await expect.poll(() => keeper.state.restarts, { timeout: 40_000 }).toBe(2)
      expect(keeper.state.lastError?.code).toBe('TOR_CONTROL_TIMEOUT')
      await expect.poll(() => keeper.state.phase, { timeout: 40_000 }).toBe('published')
    } finally {
      await keeper.stop()
    }
    expect(await connectOwnTor(files.own.directory)).toBeUndefined()
  }, 180_000)

  it('a service that nobody published is missing', async () => {
    const { controlHost: host, controlPort: port, cookiePath: cookieFile } = network.onion
    const control = await TorControl.connect({ endpoint: { type: 'tcp', host, port }, cookieFile })
    await control.setEvents(['HS_DESC'])
    const { serviceId } = await control.addOnion({ ports, flags: ['NonAnonymous', 'Detach'] })
    await control.delOnion(serviceId)
    expect(await fetchDescriptor(control, serviceId)).toEqual({ type: 'missing' })
    control.close()
  })

  it('setup that finds no way to the network says so in time, and start goes on from there', async () => {
    const offline = await RelayFiles.make(relayIni, network.joinTorrc.map(unreachable))
    try {
      const patience = { stallMs: 3000, totalMs: 10_000 }
      const result = await setupOwnTor({ ...offline.own, patience }, offline.progress)
      expect(result.publication).toMatchObject({ published: false })
      expect(offline.steps.at(-1)).toMatch(/^publication left: Not published yet: tor has no connection to its network/)
      expect(await offline.read()).toContain(result.hostname)
      await writeFile(offline.extra, network.joinTorrc.join('\n'))
      const keeper = offline.keeper({ ports, expectedHostname: result.hostname })
      keeper.start()
      await expect.poll(() => keeper.state.phase, { timeout: 40_000 }).toBe('published')
      expect(keeper.state.hostname).toBe(result.hostname)
      await keeper.stop()
    } finally {
      await offline.remove()
    }
  }, 120_000)
})

/** The same authority at ports where nobody listens. */
function unreachable(line: string): string {
  return line.replace(/orport=\d+/, 'orport=1').replace(/127\.0\.0\.1:\d+/, '127.0.0.1:1')
}
