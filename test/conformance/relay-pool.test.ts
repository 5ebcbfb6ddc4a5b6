import dns from 'node:dns'
import { randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import { once } from 'node:events'
import type { LookupFunction } from 'node:net'
import { syncBuiltinESMExports } from 'node:module'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { idFromBytes } from '../../src/protocol/ids.ts'
import { commands } from '../client/commands.ts'
import { startFakeRelay, type FakeRelay, type FakeRelayOptions, type FakeRequest } from './fake-relay.ts'
import { nameRecord } from './name-record.ts'
import { auth, err, ok, pong } from './setting.ts'
import { anySend, forwardRaw, prxy, relayOf, through } from './through-proxy.ts'
import { until, withTunedRelay } from './tuned.ts'

const none = Buffer.alloc(0)
const fakes = new Set<FakeRelay>()
afterEach(async () => {
  await Promise.all([...fakes].map((fake) => fake.stop()))
  fakes.clear()
})
const fakeRelay = async (options: FakeRelayOptions = {}): Promise<FakeRelay> => {
  const fake = await startFakeRelay(options)
  fakes.add(fake)
  return fake
}
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

describe('a connection to another relay', () => {
  const proxy = withTunedRelay()

  it('is made once, for all clients who ask for it, at the same moment or later', async () => {
    const fake = await fakeRelay()
    const clients = [await proxy.connect(), await proxy.connect({ version: 8 }), await proxy.connect({ version: 6 })]
    const relays = await Promise.all(clients.map((client) => relayOf(client, fake.address)))
    for (const client of clients) relays.push(await relayOf(client, fake.address))
    expect(new Set(relays.map(({ sessionId }) => sessionId.toString('hex'))).size).toBe(1)
    expect(fake.accepted).toBe(1)
  })

  it('is another one for another list of hosts, port or fingerprint', async () => {
    const fake = await fakeRelay()
    const client = await proxy.connect()
    const { host, port, keyHash } = fake.address
    const session = async (hosts: readonly string[]): Promise<string> => {
      const reply = await client.request({ entityId: none, bytes: commands.prxy({ hosts, port: `${port}`, keyHash }) })
      if (reply.type !== 'PKEY') throw new Error(`PRXY was answered with ${reply.type}`)
      return reply.sessionId.toString('hex')
    }
    const sessions = [await session([host]), await session([host, '127.0.0.3']), await session([host])]
    expect(sessions[2]).toBe(sessions[0])
    expect(sessions[1]).not.toBe(sessions[0])
    expect((await prxy(client, { ...fake.address, keyHash: randomBytes(32) })).type).toBe('ERR')
  })

  it('serves every client that knows its session, and outlives the one that asked for it', async () => {
    const fake = await fakeRelay({ onCommand: ({ answer }) => answer({ type: 'ERR', error: { type: 'QUOTA' } }) })
    const [one, other] = [await proxy.connect(), await proxy.connect()]
    const relay = await relayOf(one, fake.address)
    await one.close()
    expect(await forwardRaw(other, relay, anySend())).toEqual(err('PROXY PROTOCOL QUOTA'))
  })

  it('is closed when nobody has used it for half an hour, and used ones are not', async () => {
    const [idle, used] = [await fakeRelay(), await fakeRelay({ onCommand: ({ answer }) => answer({ type: 'OK' }) })]
    const client = await proxy.connect()
    const [idleRelay, usedRelay] = [await relayOf(client, idle.address), await relayOf(client, used.address)]
    proxy.advance(1700)
    await forwardRaw(client, usedRelay, anySend())
    proxy.core.relays.expire()
    expect((await relayOf(client, idle.address)).sessionId).toEqual(idleRelay.sessionId)
    proxy.advance(1750)
    await forwardRaw(client, usedRelay, anySend())
    proxy.advance(60)
    proxy.core.relays.expire()
    await until(
      'the idle one is gone',
      () => proxy.core.relays.connected(idFromBytes(idleRelay.sessionId)) === undefined,
    )
    expect(await forwardRaw(client, idleRelay, anySend())).toEqual(err('PROXY NO_SESSION'))
    expect((await forwardRaw(client, usedRelay, anySend())).type).toBe('ERR')
    expect((await relayOf(client, used.address)).sessionId).toEqual(usedRelay.sessionId)
  })

  it('is not closed while an answer is awaited, however long', async () => {
    const requests: FakeRequest[] = []
    const fake = await fakeRelay({ onCommand: (request) => requests.push(request) })
    const client = await proxy.connect()
    const reply = forwardRaw(client, await relayOf(client, fake.address), anySend())
    await until('the relay has the command', () => requests.length === 1)
    proxy.advance(4000)
    proxy.core.relays.expire()
    requests[0]?.answer({ type: 'ERR', error: { type: 'QUOTA' } })
    expect(await reply).toEqual(err('PROXY PROTOCOL QUOTA'))
  })

  it('is made anew when the relay has been started again', async () => {
    const client = await proxy.connect()
    const [recipient, before] = [await relay.connect(), await relayOf(client, relay.address)]
    const queue = await recipient.createQueue({ subscribe: false })
    const send = { entityId: queue.sndId, bytes: commands.send(Buffer.from('hello'), false) }
    expect((await through(client, before, send)).reply).toEqual(ok)
    await relay.restart(true)
    await until('the proxy has noticed', () => proxy.core.relays.connected(idFromBytes(before.sessionId)) === undefined)
    expect(await forwardRaw(client, before, send)).toEqual(err('PROXY NO_SESSION'))
    const after = await relayOf(client, relay.address)
    expect(after.sessionId).not.toEqual(before.sessionId)
    expect((await through(client, after, send)).reply).toEqual(ok)
  })

  const relay = withTunedRelay()
})

describe('the failure of a connection', () => {
  const proxy = withTunedRelay()
  const relay = withTunedRelay()

  it('is answered for 30 seconds without another attempt, and then there is one', async () => {
    const client = await proxy.connect()
    await relay.stop()
    const failure = err('PROXY BROKER NETWORK')
    expect(await prxy(client, relay.address)).toEqual(failure)
    await relay.restart(true)
    expect(await prxy(client, relay.address)).toEqual(failure)
    proxy.advance(29)
    expect(await prxy(client, relay.address)).toEqual(failure)
    proxy.advance(2)
    expect((await prxy(client, relay.address)).type).toBe('PKEY')
  })

  it('is told to everybody who was waiting, after one attempt', async () => {
    const fake = await fakeRelay({ onChannel: (channel) => setTimeout(() => channel.close(), 50) })
    const clients = [await proxy.connect(), await proxy.connect(), await proxy.connect()]
    const replies = await Promise.all(clients.map((client) => prxy(client, fake.address)))
    expect(replies).toEqual(clients.map(() => err('PROXY BROKER NETWORK')))
    expect(fake.accepted).toBe(1)
  })

  it('of one relay is no failure of another', async () => {
    const client = await proxy.connect()
    const fake = await fakeRelay()
    await prxy(client, { ...fake.address, port: 1 })
    expect((await prxy(client, fake.address)).type).toBe('PKEY')
  })
})

describe('the connections to other relays', () => {
  const proxy = withTunedRelay({ proxying: { limits: { relays: 2 } } })
  const crowded = withTunedRelay({ proxying: { limits: { relays: 1, attempts: 4, attemptsPerClient: 5 } } })
  const shared = withTunedRelay({ proxying: { limits: { attemptsPerClient: 2 } } })
  /** Takes connections and never says a word. */
  const silentRelay = (): Promise<FakeRelay> => fakeRelay({ onChannel: () => undefined })

  it('are limited: a new one that works replaces the one that was not used for longest', async () => {
    const client = await proxy.connect()
    const [one, two, three] = [await fakeRelay(), await fakeRelay(), await fakeRelay()]
    const first = await relayOf(client, one.address)
    expect((await prxy(client, { ...one.address, port: 1 })).type).toBe('ERR')
    proxy.advance(1)
    const second = await relayOf(client, two.address)
    expect((await relayOf(client, one.address)).sessionId).toEqual(first.sessionId)
    proxy.advance(1)
    await relayOf(client, one.address)
    await relayOf(client, three.address)
    expect(await forwardRaw(client, second, anySend())).toEqual(err('PROXY NO_SESSION'))
    expect((await relayOf(client, one.address)).sessionId).toEqual(first.sessionId)
    expect([one.accepted, two.accepted, three.accepted]).toEqual([1, 1, 1])
  })

  it('are not given up for relays that do not answer', async () => {
    const [working, other] = [await fakeRelay(), await fakeRelay()]
    const [owner, attacker] = [await crowded.connect(), await crowded.connect()]
    const relay = await relayOf(owner, working.address)
    const silent = await Promise.all(Array.from({ length: 4 }, silentRelay))
    for (const { address } of silent) void prxy(attacker, address).catch(() => undefined)
    await until('all are being tried', () => silent.every(({ accepted }) => accepted === 1))
    expect((await relayOf(owner, working.address)).sessionId).toEqual(relay.sessionId)
    expect(working.accepted).toBe(1)
    // One that works may take its place, although the table of attempts is full.
    await relayOf(owner, other.address)
    expect(await forwardRaw(owner, relay, anySend())).toEqual(err('PROXY NO_SESSION'))
  })

  it('that are being tried give way to those of a client that tries fewer, and are told so', async () => {
    const [greedy, modest] = [await crowded.connect(), await crowded.connect()]
    const silent = await Promise.all(Array.from({ length: 4 }, silentRelay))
    const replies = silent.map(({ address }) => prxy(greedy, address))
    await until('all are being tried', () => silent.every(({ accepted }) => accepted === 1))
    // A fifth one of the same client takes nobody's place.
    expect(await prxy(greedy, (await silentRelay()).address)).toEqual(err('PROXY BROKER NETWORK'))
    const working = await fakeRelay()
    expect((await prxy(modest, working.address)).type).toBe('PKEY')
    expect(await replies[0]).toEqual(err('PROXY BROKER NETWORK'))
    for (const reply of replies.slice(1)) void reply.catch(() => undefined)
  })

  it('are tried a few at a time for one client, and its next one when one has failed', async () => {
    const client = await shared.connect()
    const first = await fakeRelay({ onChannel: (channel) => setTimeout(() => channel.close(), 100) })
    const [second, third, fourth] = [await silentRelay(), await fakeRelay(), await fakeRelay()]
    const failing = prxy(client, first.address)
    void prxy(client, second.address).catch(() => undefined)
    await until('two are being tried', () => first.accepted + second.accepted === 2)
    const waiting = [prxy(client, third.address), prxy(client, fourth.address), prxy(client, third.address)]
    await pause(30)
    expect(third.accepted + fourth.accepted).toBe(0)
    const other = await shared.connect()
    expect((await prxy(other, (await fakeRelay()).address)).type).toBe('PKEY')
    expect(await failing).toEqual(err('PROXY BROKER NETWORK'))
    expect((await Promise.all(waiting)).map(({ type }) => type)).toEqual(['PKEY', 'PKEY', 'PKEY'])
    expect([third.accepted, fourth.accepted]).toEqual([1, 1])
  })
})

describe('hosts that are not on the public internet', () => {
  const addresses = new Map([
    ['private.example', ['127.0.0.1']],
    ['rebinding.example', ['10.1.2.3', '::1', 'fe80::1', '::ffff:127.0.0.1']],
  ])
  const lookup: LookupFunction = (hostname, options, callback) => {
    const found = addresses.get(hostname)?.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }))
    if (found?.[0] === undefined) callback(Object.assign(new Error('no such name'), { code: 'ENOTFOUND' }), [])
    else if (options.all === true) callback(null, found)
    else callback(null, found[0].address, found[0].family)
  }
  const strict = withTunedRelay({ proxying: { allowPrivate: false, lookup } })
  const system = withTunedRelay({ proxying: { allowPrivate: false } })
  const lenient = withTunedRelay({ proxying: { lookup } })

  const connectTo = async (setting: typeof strict, host: string, port: number) => {
    const client = await setting.connect()
    return client.request({
      entityId: none,
      bytes: commands.prxy({ hosts: [host], port: `${port}`, keyHash: randomBytes(32) }),
    })
  }

  it.each([
    ...['127.0.0.1', '127.1', '0x7f.1', '0x7f000001', '2130706433', '017700000001', 'localhost', 'relay.localhost'],
    ...['::1', '::ffff:127.0.0.1', '::ffff:7f00:1', '::127.0.0.1', '64:ff9b::127.0.0.1', '0.0.0.0', '::'],
    ...['10.0.0.1', '172.16.0.1', '192.168.1.1', '100.64.0.1', '169.254.169.254', 'fe80::1', 'fd00::1', '224.0.0.1'],
    ...['private.example', 'rebinding.example'],
  ])('are refused as relays: %s', async (host) => {
    const fake = await fakeRelay()
    expect(await connectTo(strict, host, fake.address.port)).toEqual(err('PROXY BROKER HOST'))
    expect(fake.accepted).toBe(0)
  })

  it.each(['localhost', '127.1', '2130706433'])(
    "are refused when the system's resolver knows them: %s",
    async (host) => {
      const fake = await fakeRelay()
      expect(await connectTo(system, host, fake.address.port)).toEqual(err('PROXY BROKER HOST'))
      expect(fake.accepted).toBe(0)
    },
  )

  it('are connected to when the operator allows it', async () => {
    const fake = await fakeRelay()
    await connectTo(lenient, 'private.example', fake.address.port)
    expect(fake.accepted).toBe(1)
  })
})

describe('the commands of one client that wait for other relays', () => {
  const proxy = withTunedRelay()
  const narrow = withTunedRelay({
    proxying: { clientConcurrency: 2 },
    optionsAtStart: () => ({
      names: { endpoint, timeoutMs: 5000, maxResponseBytes: 16_000, concurrency: 1000 },
    }),
  })
  let endpoint = 'http://127.0.0.1:1'
  let [asking, most] = [0, 0]
  const resolver = createServer((_, response) => {
    most = Math.max(most, ++asking)
    setTimeout(() => {
      asking--
      response.end(JSON.stringify(nameRecord('a.simplex')))
    }, 10)
  })
  beforeAll(async () => {
    resolver.listen(0, '127.0.0.1')
    await once(resolver, 'listening')
    const address = resolver.address()
    if (typeof address === 'object' && address !== null) endpoint = `http://127.0.0.1:${address.port}`
    await narrow.restart()
  })
  afterAll(() => {
    resolver.close()
  })

  const answer = (request: FakeRequest): void => request.answer({ type: 'ERR', error: { type: 'QUOTA' } })
  const quota = err('PROXY PROTOCOL QUOTA')

  it('are 32 at most; the next begins when one is answered; other commands and other clients do not wait', async () => {
    const requests: FakeRequest[] = []
    const fake = await fakeRelay({ onCommand: (request) => requests.push(request) })
    const [client, other] = [await proxy.connect(), await proxy.connect()]
    const relay = await relayOf(client, fake.address)
    const replies = Array.from({ length: 60 }, () => forwardRaw(client, relay, anySend()))
    await until('32 are under way', () => requests.length >= 32)
    await pause(50)
    expect(requests.length).toBe(32)
    expect(await client.ping()).toEqual(pong)
    const queue = await client.createQueue()
    expect(await client.send(queue, 'hello')).toEqual(ok)
    expect(await client.receive(queue)).toMatchObject({ body: Buffer.from('hello') })
    const ofOther = forwardRaw(other, relay, anySend())
    await until('the other client has its own', () => requests.length === 33)
    const [first] = requests
    if (first) answer(first)
    expect(await replies[0]).toEqual(quota)
    await until('another one has begun', () => requests.length === 34)
    await pause(20)
    expect(requests.length).toBe(34)
    for (let index = 1; index < 61; index++) {
      await until('the next one comes', () => requests.length > index)
      const next = requests[index]
      if (next) answer(next)
    }
    expect(await Promise.all([...replies, ofOther])).toEqual(Array.from({ length: 61 }, () => quota))
  })

  it('are not read without end: a client that forwards without waiting is slowed down', async () => {
    const requests: FakeRequest[] = []
    const fake = await fakeRelay({ onCommand: (request) => requests.push(request) })
    const client = await proxy.connect()
    const relay = await relayOf(client, fake.address)
    const replies = Array.from({ length: 300 }, () => forwardRaw(client, relay, anySend()))
    await until('32 are under way', () => requests.length >= 32)
    await pause(100)
    const session = [...proxy.serving.sessions].find(({ link }) =>
      link.sessionId.equals(client.session.hello.sessionId),
    )
    expect(session?.queued.received).toBeLessThanOrEqual(64 + 4)
    for (let index = 0; index < 300; index++) {
      await until('the next one comes', () => requests.length > index)
      const next = requests[index]
      if (next) answer(next)
    }
    expect(await Promise.all(replies)).toEqual(replies.map(() => quota))
  })

  it('are as many as the operator sets, also when all of them come in one block', async () => {
    const client = await narrow.connect({ version: 20 })
    const rslv = { entityId: none, bytes: commands.rslv('a.simplex') }
    const replies = await client.batch(Array.from({ length: 40 }, () => rslv))
    expect(new Set(replies.map(({ type }) => type))).toEqual(new Set(['RNAME']))
    expect(most).toBe(2)
  })

  it('are forgotten with the client', async () => {
    const requests: FakeRequest[] = []
    const fake = await fakeRelay({ onCommand: (request) => requests.push(request) })
    const client = await narrow.connect({ requestTimeoutMs: 0 })
    const relay = await relayOf(client, fake.address)
    const replies = Array.from({ length: 5 }, () => forwardRaw(client, relay, anySend()).catch(() => 'closed'))
    await until('two are under way', () => requests.length === 2)
    await client.close()
    expect(await Promise.all(replies)).toEqual(replies.map(() => 'closed'))
    await until('the relay has noticed', () => narrow.serving.sessions.size === 0)
    for (const request of requests) answer(request)
    await pause(30)
    expect(requests.length).toBe(2)
  })
})

describe('the names of hosts', () => {
  const asked: string[] = []
  const proxy = withTunedRelay({
    proxying: {
      lookup: (hostname, _, callback) => {
        asked.push(hostname)
        callback(Object.assign(new Error('no such name'), { code: 'ENOTFOUND' }), [])
      },
    },
  })
  const plain = withTunedRelay()
  const onions = [`${'a'.repeat(56)}.onion`, `${'b'.repeat(16)}.onion`, 'x.onion']

  const connectTo = async (setting: typeof proxy, hosts: readonly string[]) => {
    const client = await setting.connect()
    return client.request({ entityId: none, bytes: commands.prxy({ hosts, port: '', keyHash: randomBytes(32) }) })
  }

  it('that end in .onion are HOST without SOCKS, and are asked of no resolver', async () => {
    for (const host of onions) expect(await connectTo(proxy, [host])).toEqual(err('PROXY BROKER HOST'))
    expect(asked).toEqual([])
    expect(await connectTo(proxy, ['relay.example'])).toEqual(err('PROXY BROKER NETWORK'))
    expect(asked).toEqual(['relay.example'])
    expect(await connectTo(proxy, [...onions, 'other.example'])).toEqual(err('PROXY BROKER NETWORK'))
    expect(asked).toEqual(['relay.example', 'other.example'])
  })

  it("do not even reach the system's resolver", async () => {
    const resolved: string[] = []
    const original = { lookup: dns.lookup, promises: dns.promises.lookup }
    const spy = vi.fn((hostname: string, _: unknown, callback: (error: Error) => void) => {
      resolved.push(hostname)
      callback(Object.assign(new Error('no such name'), { code: 'ENOTFOUND' }))
    })
    Object.assign(dns, { lookup: spy })
    Object.assign(dns.promises, { lookup: spy })
    syncBuiltinESMExports()
    try {
      for (const host of onions) expect(await connectTo(plain, [host])).toEqual(err('PROXY BROKER HOST'))
      expect(resolved).toEqual([])
      expect(await connectTo(plain, ['relay.example'])).toEqual(err('PROXY BROKER NETWORK'))
      expect(resolved).toEqual(['relay.example'])
    } finally {
      Object.assign(dns, { lookup: original.lookup })
      Object.assign(dns.promises, { lookup: original.promises })
      syncBuiltinESMExports()
    }
  })

  it('are those of the relay itself as well as of any other: a relay may forward to itself', async () => {
    const client = await plain.connect()
    const queue = await client.createQueue()
    const relay = await relayOf(client, plain.address)
    const send = { entityId: queue.sndId, bytes: commands.send(Buffer.from('hello'), false) }
    expect((await through(client, relay, send)).reply).toEqual(ok)
    expect(await client.receive(queue)).toMatchObject({ body: Buffer.from('hello') })
    expect((await through(client, relay, { ...send, entityId: queue.rcvId })).reply).toEqual(auth)
  })
})
