import { randomBytes } from 'node:crypto'
import { createServer, type AddressInfo, type LookupFunction, type Server, type Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { pad } from '../../../src/crypto/pad.ts'
import { encodeServerHello } from '../../../src/protocol/hello.ts'
import { idFromBytes, NO_ENTITY, type EntityId, type ServiceId } from '../../../src/protocol/ids.ts'
import { encodeReplyTransmission, type Reply } from '../../../src/protocol/reply.ts'
import { packBlocks, parsePayload, parseTransmission, type Transmission } from '../../../src/protocol/transmission.ts'
import type { RelayAddress } from '../../../src/protocol/server-address.ts'
import { connectRelay, type ConnectOptions } from '../../../src/transport/client.ts'
import type { RelayClient, RelayEvent } from '../../../src/transport/relay-client.ts'
import { acceptHandshake, type HandshakeOptions } from '../../../src/transport/server-handshake.ts'
import type { SmpLink } from '../../../src/transport/smp-link.ts'
import { makeCredentials } from './fixtures.ts'
import { loopback, until, type Loopback, type LoopbackOptions } from './loopback.ts'

const closers: (() => unknown)[] = []

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

interface Relay extends Loopback {
  readonly address: RelayAddress
  readonly links: SmpLink[]
}

type Answer = (transmission: Transmission, link: SmpLink) => readonly Reply[] | Buffer

/** A relay that only shakes hands and answers as told; PONG when not told. */
async function startRelay(
  answer: Answer = () => [{ type: 'PONG' }],
  handshake: Partial<HandshakeOptions> = {},
  options: LoopbackOptions = {},
): Promise<Relay> {
  const links: SmpLink[] = []
  const relay = await loopback(options)
  closers.push(() => relay.close())
  void (async () => {
    for (;;) {
      const channel = await relay.channel()
      const link = await acceptHandshake(channel, { credentials: relay.credentials, timeoutMs: 5000, ...handshake })
      if (link === undefined) continue
      links.push(link)
      channel.attach({
        block: (block) => {
          for (const bytes of parsePayload(link.openPayload(block) ?? Buffer.alloc(0)) ?? []) {
            const parsed = parseTransmission(bytes, link.transmissionContext)
            if (parsed.type === 'error') throw new Error('the client sent nonsense')
            const replies = answer(parsed, link)
            if (Buffer.isBuffer(replies)) link.sendPayload(replies)
            else reply(link, parsed.corrId, parsed.entityId, ...replies)
          }
        },
        drain: () => undefined,
        close: () => undefined,
      })
    }
  })()
  return Object.assign(relay, {
    links,
    address: { keyHash: relay.credentials.identityHash, hosts: ['127.0.0.1'], port: String(relay.listener.port) },
  })
}

function reply(link: SmpLink, corrId: Buffer, entityId: EntityId, ...replies: readonly Reply[]): void {
  const transmissions = replies.map((one) => encodeReplyTransmission(corrId, entityId, one, link.transmissionContext))
  for (const payload of packBlocks(transmissions)) link.sendPayload(payload)
}

async function connected(address: RelayAddress, options: ConnectOptions = {}): Promise<RelayClient> {
  const result = await connectRelay(address, { timeoutMs: 5000, ...options })
  if ('failure' in result) throw new Error(result.failure.detail)
  closers.push(() => result.client.close())
  return result.client
}

async function failure(address: RelayAddress, options: ConnectOptions = {}): Promise<string> {
  const result = await connectRelay(address, { timeoutMs: 5000, ...options })
  if ('client' in result) {
    result.client.close()
    return 'connected'
  }
  return `${result.failure.step} ${result.failure.reason}`
}

/** A TCP server that does with its connections whatever it is told. */
async function tcpServer(serve: (socket: Socket) => void): Promise<RelayAddress> {
  const sockets: Socket[] = []
  const server: Server = createServer((socket) => {
    sockets.push(socket)
    socket.on('error', () => undefined)
    serve(socket)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closers.push(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return { keyHash: randomBytes(32), hosts: ['127.0.0.1'], port: String((server.address() as AddressInfo).port) }
}

describe('client', () => {
  const versions = Array.from({ length: 15 }, (_, i) => i + 6)

  it.each(versions)(
    'a relay client shakes hands and gets answers at version %i, as a client and as a proxy',
    async (version) => {
      const relay = await startRelay(undefined, {}, { alg: version % 2 === 0 ? 'ed25519' : 'ed448' })
      for (const proxy of [false, true]) {
        const client = await connected(relay.address, { range: { min: 6, max: version }, proxy })
        // A proxy that cannot say that it is one stays where blocks are never encrypted.
        const settled = proxy && version < 14 ? Math.min(version, 10) : version
        expect(client.session.range).toEqual({ min: 6, max: settled })
        expect(client.session.certKey?.chain).toEqual(relay.credentials.chain)
        expect(await client.ping(2000)).toHaveProperty('ms')
        const link = relay.links.at(-1)
        expect(link?.version).toBe(settled)
        expect(link?.proxy).toBe(proxy && version >= 14)
        expect(client.session.link.sessionSecret).toEqual(link?.sessionSecret)
        expect(link?.sessionSecret !== undefined).toBe(version >= 7)
        for (const side of [link, client.session.link]) {
          expect(side?.session.cipher !== undefined).toBe(version >= 11 && !proxy)
        }
      }
    },
  )

  it('a relay client sends no SNI, and a key share for X448 first', async () => {
    const hellos: Buffer[] = []
    const address = await tcpServer((socket) => socket.once('data', (hello) => hellos.push(hello) && socket.destroy()))
    const lookup: LookupFunction = (_, options, callback) => {
      if (options.all === true) callback(null, [{ address: '127.0.0.1', family: 4 }])
      else callback(null, '127.0.0.1', 4)
    }
    expect(await failure({ ...address, hosts: ['relay.example'] }, { lookup })).toBe('tls tls')
    expect(hellos[0]?.includes('smp/1')).toBe(true)
    expect(hellos[0]?.includes('relay.example')).toBe(false)
    // key_share, its length, the length of the list, X448, 56 bytes
    expect(hellos[0]?.includes(Buffer.from('0033003e003c001e0038', 'hex'))).toBe(true)
  })

  it('a relay client offers smp/1 and reports the duration of each step', async () => {
    const relay = await startRelay()
    const result = await connectRelay(relay.address, { timeoutMs: 5000 })
    if ('failure' in result) throw new Error(result.failure.detail)
    closers.push(() => result.client.close())
    expect(Object.keys(result.timings)).toEqual(['connect', 'tls', 'handshake'])
    expect(result.route).toEqual({ via: 'direct', host: '127.0.0.1' })
    await until(() => relay.links.length === 1, 'the link')
    expect(relay.links[0]?.channel.alpn).toBe('smp/1')
  })

  it('a relay client lowers its versions for an old relay when it is a proxy, so that blocks stay plain', async () => {
    const relay = await startRelay(undefined, { range: { min: 6, max: 13 } })
    const proxy = await connected(relay.address, { proxy: true })
    expect(proxy.session.link.version).toBe(10)
    const client = await connected(relay.address)
    expect(client.session.link.version).toBe(13)
  })

  it('a relay client authenticates as a service', async () => {
    const serviceId = idFromBytes<ServiceId>(randomBytes(24))
    const relay = await startRelay(undefined, { lookupService: ({ role }) => (role === 'N' ? serviceId : undefined) })
    const service = { ...makeCredentials(), role: 'N' as const }
    const client = await connected(relay.address, { service })
    expect(client.session.service?.serviceId).toBe(serviceId)
    expect(client.session.service?.sessionKey.publicKey).toEqual(relay.links[0]?.service?.sessionKey)
    expect(await client.ping()).toHaveProperty('ms')
    expect(await failure(relay.address, { service: { ...service, role: 'P' } })).toBe('handshake service')
    const old = await connected(relay.address, { service: { ...service, role: 'M' }, range: { min: 6, max: 18 } })
    expect(old.session.service).toBeUndefined()
  })

  it('a relay client gives each request its own answer, in whatever order they come', async () => {
    const held: [Buffer, EntityId][] = []
    const relay = await startRelay(({ corrId, entityId }, link) => {
      held.push([Buffer.from(corrId), entityId])
      if (held.length === 3) {
        for (const [id, entity] of held.toReversed()) {
          reply(link, id, entity, { type: 'ERR', error: { type: entity === NO_ENTITY ? 'INTERNAL' : 'AUTH' } })
        }
      }
      return []
    })
    const client = await connected(relay.address)
    const entityId = idFromBytes<EntityId>(randomBytes(24))
    const results = await Promise.all([
      client.request({ type: 'PING' }),
      client.request({ type: 'DEL' }, { entityId }),
      client.request({ type: 'PING' }),
    ])
    const errors = results.map((result) =>
      'reply' in result && result.reply.type === 'ERR' ? result.reply.error.type : 'none',
    )
    expect(errors).toEqual(['INTERNAL', 'AUTH', 'INTERNAL'])
    expect(client.inFlight).toBe(0)
  })

  it('a relay client signs what it sends', async () => {
    const seen: Transmission[] = []
    const relay = await startRelay((transmission) => {
      seen.push({ ...transmission, authorized: Buffer.from(transmission.authorized) })
      return [{ type: 'OK' }]
    })
    const client = await connected(relay.address)
    const signed: Buffer[] = []
    const entityId = idFromBytes<EntityId>(randomBytes(24))
    await client.request(
      { type: 'DEL' },
      {
        entityId,
        authorize: (authorized) => {
          signed.push(authorized)
          return { authorization: Buffer.alloc(64, 7) }
        },
      },
    )
    expect(seen[0]?.authorized).toEqual(signed[0])
    expect(seen[0]?.authorization).toEqual({ type: 'ed25519', signature: Buffer.alloc(64, 7) })
  })

  it('a relay client reports an answer for another entity, or one that it cannot parse, as a failure', async () => {
    const other = idFromBytes<EntityId>(randomBytes(24))
    const relay = await startRelay(({ corrId, entityId }, link) => {
      if (entityId === NO_ENTITY) return nonsense(corrId, link)
      reply(link, corrId, other, { type: 'OK' })
      return []
    })
    const client = await connected(relay.address)
    const entityId = idFromBytes<EntityId>(randomBytes(24))
    expect(await client.request({ type: 'DEL' }, { entityId })).toEqual({
      failure: { type: 'unexpected', reply: { type: 'OK' } },
    })
    expect(await client.request({ type: 'PING' })).toEqual({
      failure: { type: 'response', bytes: Buffer.from('HELLO') },
    })
  })

  it('a relay client times requests out and limits how many are in flight', async () => {
    const relay = await startRelay(() => [])
    const client = await connected(relay.address, { maxInFlight: 1 })
    const slow = client.request({ type: 'PING' }, { timeoutMs: 50 })
    expect(await client.ping()).toEqual({ failure: { type: 'busy' } })
    expect(await slow).toEqual({ failure: { type: 'timeout' } })
    expect(client.inFlight).toBe(0)
  })

  it('a relay client ends all requests when the relay disconnects', async () => {
    const relay = await startRelay((_, link) => {
      link.channel.close()
      return []
    })
    const client = await connected(relay.address)
    expect(await client.ping()).toEqual({ failure: { type: 'closed' } })
    expect(await client.closed).toBe('ended')
    expect(await client.ping()).toEqual({ failure: { type: 'closed' } })
  })

  it('a relay client passes on events', async () => {
    const events: RelayEvent[] = []
    const relay = await startRelay()
    await connected(relay.address, { onEvent: (event) => events.push(event) })
    await until(() => relay.links.length === 1, 'the link')
    const [link] = relay.links
    const entityId = idFromBytes<EntityId>(randomBytes(24))
    if (link) reply(link, Buffer.alloc(0), entityId, { type: 'END' }, { type: 'END' })
    await until(() => events.length === 2, 'two events')
    expect(events[0]).toEqual({ entityId, reply: { type: 'END' } })
  })

  it('a relay client disconnects from a relay that sends invalid blocks', async () => {
    const relay = await startRelay((_, link) => {
      link.channel.write(randomBytes(16384))
      return []
    })
    const client = await connected(relay.address)
    expect(await client.ping()).toEqual({ failure: { type: 'closed' } })
  })
})

function nonsense(corrId: Buffer, link: SmpLink): Buffer {
  const transmission = Buffer.concat([Buffer.of(0, corrId.length), corrId, Buffer.from('\0HELLO')])
  expect(link.version).toBeGreaterThan(6)
  const length = Buffer.alloc(2)
  length.writeUInt16BE(transmission.length)
  return Buffer.concat([Buffer.of(1), length, transmission])
}

describe('client', () => {
  it('connecting fails at the identity when the relay is not that of the address', async () => {
    const relay = await startRelay()
    expect(await failure({ ...relay.address, keyHash: randomBytes(32) })).toBe('tls identity')
    expect(await failure({ ...relay.address, keyHash: randomBytes(31) })).toBe('tls identity')
  })

  it("connecting fails at the identity when the relay's certificates are not valid now", async () => {
    const relay = await startRelay()
    expect(await failure(relay.address, { now: () => new Date('9999-01-01') })).toBe('tls identity')
  })

  it('connecting fails when there is no common version', async () => {
    const relay = await startRelay(undefined, { range: { min: 15, max: 20 } })
    expect(await failure(relay.address, { range: { min: 6, max: 14 } })).toBe('handshake version')
  })

  it('connecting fails when the two sides see different TLS sessions', async () => {
    const relay = await loopback()
    closers.push(() => relay.close())
    const address = { keyHash: relay.credentials.identityHash, hosts: ['127.0.0.1'], port: String(relay.listener.port) }
    void relay.channel().then((channel) => {
      channel.write(pad(encodeServerHello({ range: { min: 6, max: 6 }, sessionId: randomBytes(32) }), 16384))
    })
    expect(await failure(address)).toBe('handshake session')
  })

  it('connecting fails when the session key is signed with another key', async () => {
    const relay = await loopback()
    closers.push(() => relay.close())
    const address = { keyHash: relay.credentials.identityHash, hosts: ['127.0.0.1'], port: String(relay.listener.port) }
    const credentials = { ...relay.credentials, signingKey: makeCredentials().signingKey }
    void relay.channel().then((channel) => acceptHandshake(channel, { credentials }))
    expect(await failure(address)).toBe('handshake identity')
  })

  it('connecting fails when the relay sends no SMP hello, closes, or stays silent', async () => {
    for (const [expected, act] of [
      ['handshake protocol', 'garbage'],
      ['handshake closed', 'close'],
      ['handshake timeout', 'silence'],
    ] as const) {
      const relay = await loopback()
      closers.push(() => relay.close())
      const address = {
        keyHash: relay.credentials.identityHash,
        hosts: ['127.0.0.1'],
        port: String(relay.listener.port),
      }
      void relay.channel().then((channel) => {
        if (act === 'garbage') channel.write(Buffer.alloc(16384, 0xff))
        if (act === 'close') channel.close()
      })
      expect(await failure(address, { timeoutMs: 500 })).toBe(expected)
    }
  })

  it('connecting fails at TLS when the peer speaks no TLS or disconnects during the handshake', async () => {
    const garbage = await tcpServer((socket) => socket.write('SSH-2.0-nothing\r\n'.repeat(100)))
    expect(await failure(garbage)).toBe('tls tls')
    const leaves = await tcpServer((socket) => socket.once('data', () => socket.destroy()))
    expect(await failure(leaves)).toBe('tls tls')
    const silent = await tcpServer(() => undefined)
    expect(await failure(silent, { timeoutMs: 200 })).toBe('tls timeout')
  })

  it('connecting fails when the port is closed', async () => {
    const address = await tcpServer(() => undefined)
    await closers.pop()?.()
    expect(await failure(address)).toBe('connect refused')
  })

  it('connecting fails when the port is not a number from 1 to 65535', async () => {
    expect(await failure({ keyHash: randomBytes(32), hosts: ['127.0.0.1'], port: '70000' })).toBe('address noHost')
  })
})
