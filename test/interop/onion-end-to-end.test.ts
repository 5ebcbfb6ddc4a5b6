import { spawnSync } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { SocksClient } from 'socks'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { connectClient, type SmpClient } from '../client/client.ts'
import type { RelayAddress } from '../client/connection.ts'
import { commands } from '../client/commands.ts'
import { generateKey } from '../client/keys.ts'
import type { Queue } from '../client/queue.ts'
import { relayOf, through } from '../conformance/through-proxy.ts'
import { torNetwork, type TorNetwork } from '../tor-network/fixture.ts'
import { buildProgram, freePort, Installation, type RunningCommand } from './cli-process.ts'
import { startTor } from './tor-process.ts'

/*
 * The main job, with the built program: an onion is set up, a client that shares no code with the relay uses it through
 * an ordinary tor of the same network, and clearnet, and goes on after the relay's tor was killed.
 */

let network: TorNetwork
const relay = new Installation()
/** Another relay, through which senders reach the first. */
const proxy = new Installation()
let address: RelayAddress
let onion: string
let running: RunningCommand
const clients: SmpClient[] = []

beforeAll(async () => {
  network = await torNetwork(inject('torNetwork'))
  await buildProgram()
  const extra = join(relay.root, 'torrc-extra')
  await writeFile(extra, `${network.joinTorrc.join('\n')}\n`)
  address = await relay.initialize('-n', '127.0.0.1', '--password', 'secret', '--disable-web')
  relay.set('STORE_LOG', 'metrics_port', String(await freePort()))
  relay.set('WEB', 'dashboard', 'on')
  const setup = await relay.start(['tor', 'setup', '--own', '-y', '--torrc-extra', extra]).ended()
  expect(setup.status).toBe(0)
  onion = relay.value('TRANSPORT', 'host')?.split(',')[1] ?? ''
  running = relay.start(['start'])
  await running.shows(/onion service: published/, 60_000)
}, 240_000)

afterAll(async () => {
  await Promise.all(clients.map((client) => client.close()))
  await relay.remove()
  await proxy.remove()
})

/** A client on the virtual port of the onion service, through SOCKS; new services take tor a moment to find. */
async function throughTor(circuit = 'one'): Promise<SmpClient> {
  const { keyHash } = address
  // Tor has a circuit of its own for each login.
  const socks = { host: network.socksHost, port: network.socksPort, userId: circuit, password: circuit }
  for (let attempt = 1; ; attempt++) {
    try {
      const client = await connectClient({ host: onion, port: 5223, keyHash }, { socks, timeoutMs: 20_000 })
      clients.push(client)
      return client
    } catch (error) {
      if (attempt === 8) throw error
      await new Promise((resolve) => setTimeout(resolve, 1000))
    }
  }
}

/** A TCP connection to the onion service that does nothing. */
async function socksConnection(circuit: string): Promise<Socket> {
  const { socket } = await SocksClient.createConnection({
    proxy: { host: network.socksHost, port: network.socksPort, type: 5, userId: circuit, password: circuit },
    command: 'connect',
    destination: { host: onion, port: 5223 },
  })
  return socket
}

/** The process of the relay's own tor. */
function torPid(): number {
  const pid = Number(/tor .*process (\d+)/.exec(relay.run(['tor', 'status']).stdout)?.[1])
  expect(pid).toBeGreaterThan(1)
  return pid
}

async function overClearnet(): Promise<SmpClient> {
  const client = await connectClient(address)
  clients.push(client)
  return client
}

const senderKey = generateKey('x25519')

/** SEND, MSG, ACK. */
async function exchange(sender: SmpClient, recipient: SmpClient, queue: Queue, text: string): Promise<void> {
  expect(await sender.send(queue, text, { key: senderKey })).toMatchObject({ type: 'OK' })
  const message = await recipient.receive(queue, 20_000)
  expect(message).toMatchObject({ type: 'message', body: Buffer.from(text) })
  expect(await recipient.ack(queue, message.id)).toMatchObject({ type: 'OK' })
}

/** NEW and KEY. */
async function securedQueue(recipient: SmpClient): Promise<Queue> {
  const queue = await recipient.createQueue({ password: 'secret' })
  expect(await recipient.key(queue, senderKey)).toMatchObject({ type: 'OK' })
  return queue
}

describe('a relay with both addresses', () => {
  it('a relay with an onion service prints one address with both hosts', () => {
    const { stdout } = relay.run(['address'])
    expect(stdout.trim()).toMatch(/^smp:\/\/[A-Za-z0-9_-]{43}=:secret@127\.0\.0\.1,[a-z2-7]{56}\.onion(:\d+)?$/)
    expect(stdout).toContain(onion)
  })

  it('messages pass from clearnet to the onion, and from the onion to clearnet', { timeout: 120_000 }, async () => {
    const [tor, clear] = [await throughTor(), await overClearnet()]
    const behindTor = await securedQueue(tor)
    await exchange(clear, tor, behindTor, 'to the onion')
    const inTheOpen = await securedQueue(clear)
    await exchange(tor, clear, inTheOpen, 'from the onion')
  })

  it('the onion works again after its tor was killed, and clearnet does not notice', { timeout: 180_000 }, async () => {
    const clear = await overClearnet()
    const queue = await securedQueue(clear)
    const published = (): number => running.output.stderr.split('onion service: published').length
    const before = published()
    process.kill(torPid(), 'SIGKILL')
    await exchange(clear, clear, queue, 'while tor is away')
    await expect.poll(published, { timeout: 60_000, interval: 200 }).toBeGreaterThan(before)
    const again = await throughTor()
    await exchange(again, clear, queue, 'when it is back')
  })

  it('the dashboard has an onion address that only clients with a key reach', { timeout: 180_000 }, async () => {
    const added = relay.run(['tor', 'client', 'add', 'phone'])
    expect([added.status, added.stderr]).toEqual([0, ''])
    const [, dashboard = ''] = /Dashboard: (http:\S+)/.exec(added.stdout) ?? []
    const [line = ''] = /^\S+:descriptor:x25519:\S+$/m.exec(added.stdout) ?? []
    const keys = join(relay.root, 'client-keys')
    await mkdir(keys, { mode: 0o700 })
    await writeFile(join(keys, 'relay.auth_private'), `${line}\n`, { mode: 0o600 })
    const port = await freePort()
    const torrc = [...network.joinTorrc, `SocksPort 127.0.0.1:${port}`, `ClientOnionAuthDir ${keys}`]
    const client = await startTor([...torrc, 'DisableNetwork 0'])
    const through = (socks: string): string => {
      const options = ['-s', '--max-time', '8', '--socks5-hostname', socks, dashboard]
      return spawnSync('curl', options, { encoding: 'utf8' }).stdout
    }
    try {
      const withKey = `127.0.0.1:${port}`
      await expect.poll(() => through(withKey), { timeout: 90_000, interval: 500 }).toContain('dashboard.js')
      expect(through(`${network.socksHost}:${network.socksPort}`)).toBe('')
      expect(relay.run(['tor', 'client', 'list']).stdout).toBe(`Dashboard: ${dashboard}\n  phone\n`)
      expect(relay.run(['tor', 'client', 'add', 'phone'])).toMatchObject({ status: 1 })
      expect(relay.run(['tor', 'client', 'remove', 'tablet'])).toMatchObject({ status: 1 })
      expect(relay.run(['tor', 'client', 'remove', 'phone'])).toMatchObject({ status: 0 })
      await expect.poll(() => through(withKey), { timeout: 60_000, interval: 500 }).toBe('')
      const { secretKey } = /x25519:(?<secretKey>\S+)/.exec(line)?.groups ?? {}
      expect([running.output.stdout, running.output.stderr].join()).not.toContain(secretKey)
    } finally {
      await client.stop()
    }
  })

  it('senders of another relay reach it by its onion address alone', { timeout: 120_000 }, async () => {
    const proxyAddress = await proxy.initialize('-n', '127.0.0.1', '--no-password', '--disable-web')
    proxy.set('PROXY', 'socks_proxy', `${network.socksHost}:${network.socksPort}`)
    const proxyRunning = proxy.start(['start'])
    await proxyRunning.shows(/Listening on port/)
    const sender = await connectClient(proxyAddress)
    clients.push(sender)

    const clear = await overClearnet()
    const queue = await clear.createQueue({ password: 'secret' })
    const behind = await relayOf(sender, { host: onion, port: 5223, keyHash: address.keyHash })
    const skey = { entityId: queue.sndId, bytes: commands.skey(senderKey.spki), key: senderKey }
    const send = { entityId: queue.sndId, bytes: commands.send(Buffer.from('by two relays'), false), key: senderKey }
    expect(await through(sender, behind, skey)).toMatchObject({ reply: { type: 'OK' } })
    expect(await through(sender, behind, send)).toMatchObject({ reply: { type: 'OK' } })
    expect(await clear.receive(queue, 20_000)).toMatchObject({ body: Buffer.from('by two relays') })
  })

  it(
    'a flood through one circuit is limited, and a client on another circuit goes on',
    { timeout: 180_000 },
    async () => {
      const circuitPort = await freePort()
      relay.set('TOR', 'circuit_port', String(circuitPort))
      relay.set('TOR', 'max_connections_per_circuit', '8')
      const published = (): number => running.output.stderr.split('onion service: published').length
      const before = published()
      expect(relay.run(['reload'])).toMatchObject({ status: 0 })
      await expect.poll(published, { timeout: 60_000, interval: 200 }).toBeGreaterThan(before)
      const other = await throughTor('other')
      const queue = await securedQueue(other)
      const open = new Set<Socket>()
      const flood = Array.from({ length: 30 }, async () => {
        const socket = await socksConnection('flood')
        open.add(socket)
        socket.on('error', () => undefined).once('close', () => open.delete(socket))
      })
      await Promise.all(flood)
      // They say nothing: a quarter of 8 may be in a handshake.
      await expect.poll(() => open.size, { timeout: 20_000 }).toBe(2)
      await exchange(other, other, queue, 'beside a flood')
      await exchange(await throughTor('third'), other, queue, 'from a new circuit')
      const metrics = await fetch(`http://127.0.0.1:${relay.value('STORE_LOG', 'metrics_port') ?? ''}/metrics`)
      expect(await metrics.text()).toContain('smp_connections_rejected_total{limit="circuit"} 28\n')
      expect(running.output.stderr).toContain('through one circuit of the onion service')
      expect(running.output.stderr).not.toContain('fc00:dead')
      for (const socket of open) socket.destroy()
      // The header counts on the port for tor alone, which is on loopback.
      await expect(connectClient({ ...address, port: circuitPort }, { timeoutMs: 5000 })).rejects.toThrow()
      process.kill(torPid(), 'SIGHUP')
      await exchange(await throughTor('after SIGHUP'), other, queue, 'after SIGHUP')
    },
  )
})
