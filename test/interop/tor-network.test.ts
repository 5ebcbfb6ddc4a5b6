import { createServer } from 'node:net'
import type { AddressInfo, Server } from 'node:net'
import { writeFile } from 'node:fs/promises'
import { SocksClient } from 'socks'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { generateOnionKey } from '../../src/crypto/onion-key.ts'
import { TorControl } from '../../src/tor/control/tor-control.ts'
import { connectOwnTor } from '../../src/tor/process/own-tor.ts'
import { fetchDescriptor } from '../../src/tor/onion/publication.ts'
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
  it('the supervisor publishes the service, and restarts a tor that is killed or hangs', async () => {
    await files.setUp({ ports })
    const states: string[] = []
    const supervisor = files.supervisor({
      ports,
      onState: ({ phase }) => {
        if (states.at(-1) !== phase) states.push(phase)
      },
    })
    const beganAt = performance.now()
    supervisor.start()
    try {
      await expect.poll(() => supervisor.state.phase, { timeout: 40_000 }).toBe('published')
      const publishedMs = Math.round(performance.now() - beganAt)
      expect(states).toEqual(['starting', 'bootstrapping', 'publishing', 'published'])
      const { hostname = '', torPid = 0 } = supervisor.state
      expect(await files.read()).toContain(hostname)
      expect(await readThroughTor(hostname)).toBe('relay')
      expect(await supervisor.check()).toMatchObject({ type: 'received' })

      process.kill(torPid, 'SIGHUP')
      await new Promise((resolve) => setTimeout(resolve, 1000))
      await expect.poll(() => readThroughTor(hostname).catch(String), { timeout: 20_000 }).toBe('relay')

      process.kill(torPid, 'SIGKILL')
      const killedAt = performance.now()
      await expect.poll(() => supervisor.state.phase).not.toBe('published')
      await expect.poll(() => supervisor.state.phase, { timeout: 40_000 }).toBe('published')
      const healedMs = Math.round(performance.now() - killedAt)
      expect(supervisor.state).toMatchObject({ hostname, restarts: 1 })
      expect(supervisor.state.torPid).not.toBe(torPid)
      await expect.poll(() => readThroughTor(hostname).catch(String), { timeout: 40_000 }).toBe('relay')
      expect([publishedMs < 30_000, healedMs < 30_000]).toEqual([true, true])

      process.kill(supervisor.state.torPid ?? 0, 'SIGSTOP')
      await expect.poll(() => supervisor.state.restarts, { timeout: 40_000 }).toBe(2)
      expect(supervisor.state.lastError?.code).toBe('TOR_CONTROL_TIMEOUT')
      await expect.poll(() => supervisor.state.phase, { timeout: 40_000 }).toBe('published')
    } finally {
      await supervisor.stop()
    }
    expect(await connectOwnTor(files.torDirectory)).toBeUndefined()
  }, 180_000)

  it('a descriptor that nobody published is missing', async () => {
    const { controlHost: host, controlPort: port, cookiePath: cookieFile } = network.onion
    const control = await TorControl.connect({ endpoint: { type: 'tcp', host, port }, cookieFile })
    await control.setEvents(['HS_DESC', 'HS_DESC_CONTENT'])
    const { serviceId } = await control.addOnion({ key: generateOnionKey(), ports, flags: ['NonAnonymous', 'Detach'] })
    await control.delOnion(serviceId)
    expect(await fetchDescriptor(control, serviceId)).toEqual({ type: 'missing' })
    control.close()
  })

  it('a service that finds no way to the network is published once there is one', async () => {
    const offline = await RelayFiles.make(relayIni, network.joinTorrc.map(unreachable))
    try {
      const { hostname } = await offline.setUp({ ports })
      const supervisor = offline.supervisor({ ports, expectedHostname: hostname })
      supervisor.start()
      await expect.poll(() => supervisor.state.bootstrap?.warning, { timeout: 20_000 }).toBeDefined()
      await supervisor.stop()
      await writeFile(offline.extra, network.joinTorrc.join('\n'))
      supervisor.start()
      await expect.poll(() => supervisor.state.phase, { timeout: 40_000 }).toBe('published')
      expect(supervisor.state.hostname).toBe(hostname)
      await supervisor.stop()
    } finally {
      await offline.remove()
    }
  }, 120_000)
})

/** The same authority at ports where nothing listens. */
function unreachable(line: string): string {
  return line.replace(/orport=\d+/, 'orport=1').replace(/127\.0\.0\.1:\d+/, '127.0.0.1:1')
}
