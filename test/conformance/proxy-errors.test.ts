import { createServer, type Server } from 'node:net'
import { once } from 'node:events'
import { randomBytes } from 'node:crypto'
import { afterEach, describe, expect, it } from 'vitest'
import { generateDhKeyPair, generateSigningKey } from '../../src/crypto/keys.ts'
import { pad } from '../../src/crypto/pad.ts'
import { encodeSignedKey } from '../../src/crypto/signed-key.ts'
import { encodeServerHello } from '../../src/protocol/hello.ts'
import { idFromBytes, type EntityId } from '../../src/protocol/ids.ts'
import { encodeFwdResponse } from '../../src/protocol/proxy-messages.ts'
import { boxKey, cbNonce, reverseNonce, seal } from '../../src/crypto/box.ts'
import type { SmpError } from '../../src/protocol/errors.ts'
import type { VersionRange } from '../../src/protocol/versions.ts'
import type { RelayCredentials } from '../../src/transport/credentials.ts'
import type { RelayAddress } from '../client/connection.ts'
import { startFakeRelay, type FakeRelay, type FakeRelayOptions, type FakeRequest } from './fake-relay.ts'
import { err, ok, pong } from './setting.ts'
import { anySend, forwardRaw, prxy, relayOf } from './through-proxy.ts'
import { until, withTunedRelay } from './tuned.ts'

const proxy = withTunedRelay({ proxying: { timeouts: { connect: 1000, request: 500, failure: 0 } } })

const fakes = new Set<{ stop(): Promise<void> }>()
afterEach(async () => {
  await Promise.all([...fakes].map((fake) => fake.stop()))
  fakes.clear()
})

const fakeRelay = async (options: FakeRelayOptions): Promise<FakeRelay> => {
  const fake = await startFakeRelay(options)
  fakes.add(fake)
  return fake
}

/** Something on a TCP port that is no relay at all. */
const tcpServer = async (server: Server): Promise<RelayAddress> => {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const sockets = new Set<{ destroy(): void }>()
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
  })
  fakes.add({
    stop: async () => {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  })
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('no port')
  return { host: '127.0.0.1', port: address.port, keyHash: randomBytes(32) }
}

const helloOf = (
  sessionId: Buffer,
  { chain, signingKey }: RelayCredentials,
  change: { range?: VersionRange; sessionId?: Buffer; chain?: Buffer[]; signedBy?: RelayCredentials['signingKey'] },
): Buffer => {
  const { publicKey } = generateDhKeyPair()
  const signedKey = encodeSignedKey(publicKey, change.signedBy ?? signingKey)
  return pad(
    encodeServerHello({
      range: change.range ?? { min: 6, max: 20 },
      sessionId: change.sessionId ?? sessionId,
      certKey: { chain: change.chain ?? chain, signedKey },
    }),
    16_384,
  )
}

const withHello = async (change: Parameters<typeof helloOf>[2]): Promise<RelayAddress> => {
  const onChannel: FakeRelayOptions['onChannel'] = (channel, credentials) => {
    channel.write(helloOf(channel.sessionId, credentials, change))
  }
  return (await fakeRelay({ onChannel })).address
}

const broker = (error: string) => err(`PROXY BROKER ${error}`)

describe('PRXY is answered with', () => {
  it.each<[string, string, () => Promise<RelayAddress>]>([
    [
      'NETWORK',
      'nobody listens there',
      async () => {
        const fake = await startFakeRelay()
        await fake.stop()
        return fake.address
      },
    ],
    [
      'NETWORK',
      'no host has that name',
      () => Promise.resolve({ host: 'nowhere.invalid', port: 5223, keyHash: randomBytes(32) }),
    ],
    ['TIMEOUT', 'there is something that never speaks', () => tcpServer(createServer())],
    ['NETWORK', 'there is something that hangs up', () => tcpServer(createServer((socket) => socket.destroy()))],
    [
      'NETWORK',
      'there is something that speaks no TLS',
      () => tcpServer(createServer((socket) => socket.end('220 mail.example ESMTP\r\n'))),
    ],
    [
      'NETWORK',
      'the relay is not the one of the fingerprint',
      async () => ({ ...(await fakeRelay({})).address, keyHash: randomBytes(32) }),
    ],
    [
      'TIMEOUT',
      'the relay never sends its hello',
      async () => (await fakeRelay({ onChannel: () => undefined })).address,
    ],
    [
      'NETWORK',
      'the relay hangs up in the handshake',
      async () => (await fakeRelay({ onChannel: (channel) => channel.close() })).address,
    ],
    [
      'TRANSPORT HANDSHAKE PARSE',
      'the hello is none',
      async () => (await fakeRelay({ onChannel: (channel) => channel.write(randomBytes(16_384)) })).address,
    ],
    ['TRANSPORT SESSION', 'the hello is of another session', () => withHello({ sessionId: randomBytes(32) })],
    ['TRANSPORT VERSION', 'the relay speaks only newer versions', () => withHello({ range: { min: 21, max: 30 } })],
    [
      'TRANSPORT HANDSHAKE IDENTITY',
      'the session key is not signed by the relay',
      () => withHello({ signedBy: generateSigningKey('ed25519') }),
    ],
    [
      'TRANSPORT HANDSHAKE IDENTITY',
      'the hello has no chain to speak of',
      () => withHello({ chain: [randomBytes(100)] }),
    ],
    [
      'TRANSPORT VERSION',
      'the relay is of version 6',
      async () => (await fakeRelay({ range: { min: 6, max: 6 } })).address,
    ],
    [
      'TRANSPORT VERSION',
      'the relay is of version 7',
      async () => (await fakeRelay({ range: { min: 6, max: 7 } })).address,
    ],
    ['HOST', 'the port is none', () => Promise.resolve({ host: '127.0.0.1', port: 70_000, keyHash: randomBytes(32) })],
    [
      'HOST',
      'the address is an onion and there is no SOCKS proxy',
      () => Promise.resolve({ host: `${'a'.repeat(56)}.onion`, port: 5223, keyHash: randomBytes(32) }),
    ],
  ])('%s when %s', async (error, _, address) => {
    const client = await proxy.connect()
    expect(await prxy(client, await address())).toEqual(broker(error))
    expect(await client.ping()).toEqual(pong)
  })
})

describe('PFWD is answered with', () => {
  const rres = ({ link, corrId }: FakeRequest, fwdCorrId: Buffer): Buffer => {
    const box = boxKey(link.sessionSecret ?? Buffer.alloc(32))
    const response = encodeFwdResponse({ corrId: fwdCorrId, encResponse: randomBytes(16_242) })
    return Buffer.concat([Buffer.from('RRES '), seal(box, reverseNonce(cbNonce(corrId)), response)])
  }

  it.each<[string, string, (request: FakeRequest) => void]>([
    [
      'PROXY PROTOCOL AUTH',
      'the relay says AUTH',
      (request) => request.answer({ type: 'ERR', error: { type: 'AUTH' } }),
    ],
    ...(
      [
        [{ type: 'CRYPTO' }, 'CRYPTO'],
        [{ type: 'BLOCK' }, 'BLOCK'],
        [{ type: 'CMD', error: 'PROHIBITED' }, 'CMD PROHIBITED'],
        [{ type: 'STORE', message: 'the disk is full' }, 'STORE the disk is full'],
        [{ type: 'PROXY', error: { type: 'BROKER', error: { type: 'TIMEOUT' } } }, 'PROXY BROKER TIMEOUT'],
      ] as [SmpError, string][]
    ).map(([error, text]): [string, string, (request: FakeRequest) => void] => [
      `PROXY PROTOCOL ${text}`,
      `the relay says ${text}`,
      (request) => request.answer({ type: 'ERR', error }),
    ]),
    ['PROXY BROKER UNEXPECTED \x02OK', 'the relay says OK', (request) => request.answer({ type: 'OK' })],
    ['PROXY BROKER UNEXPECTED \x04PONG', 'the relay says PONG', (request) => request.answer({ type: 'PONG' })],
    [
      'PROXY BROKER UNEXPECTED \x04RRES',
      'the reply is about somebody else',
      (request) => request.answer(rres(request, request.corrId), idFromBytes<EntityId>(randomBytes(24))),
    ],
    [
      'PROXY BROKER RESPONSE \x0aCMD SYNTAX',
      'the reply is none of SMP',
      (request) => request.answer(Buffer.from('HELLO THERE')),
    ],
    [
      'CRYPTO',
      'the reply does not open',
      (request) => request.answer(Buffer.concat([Buffer.from('RRES '), randomBytes(16_283)])),
    ],
    [
      'PROXY BROKER RESPONSE \x05BLOCK',
      'the reply is for another command',
      (request) => request.answer(rres(request, randomBytes(24))),
    ],
    ['PROXY BROKER TIMEOUT', 'the relay never answers', () => undefined],
    ['PROXY BROKER NETWORK', 'the relay hangs up', ({ link }) => link.channel.close()],
    [
      'PROXY BROKER NETWORK',
      'the relay sends something that is no block of SMP',
      ({ link }) => link.channel.write(Buffer.alloc(16_384, 0xff)),
    ],
  ])('%j when %s', async (error, _, onCommand) => {
    const fake = await fakeRelay({ onCommand })
    const client = await proxy.connect()
    const relay = await relayOf(client, fake.address)
    expect(await forwardRaw(client, relay, anySend())).toEqual(err(error))
    expect(await client.ping()).toEqual(pong)
  })

  it('NO_SESSION for a relay that is gone, and PRXY makes a new session', async () => {
    const fake = await fakeRelay({ onCommand: ({ link }) => link.channel.close() })
    const client = await proxy.connect()
    const relay = await relayOf(client, fake.address)
    await forwardRaw(client, relay, anySend())
    await until('the proxy has noticed', () => fake.links.length === 1)
    expect(await forwardRaw(client, relay, anySend())).toEqual(err('PROXY NO_SESSION'))
    const again = await relayOf(client, fake.address)
    expect(again.sessionId).not.toEqual(relay.sessionId)
    expect(fake.accepted).toBe(2)
  })

  it('NO_SESSION after a relay that answered nothing at all in its time: it is connected to anew', async () => {
    const fake = await fakeRelay({})
    const client = await proxy.connect()
    const relay = await relayOf(client, fake.address)
    const [one, other] = await Promise.all([1, 2].map(() => forwardRaw(client, relay, anySend())))
    expect([one, other]).toContainEqual(broker('TIMEOUT'))
    await until('the proxy has hung up', () => proxy.core.relays.connected(idFromBytes(relay.sessionId)) === undefined)
    expect(await forwardRaw(client, relay, anySend())).toEqual(err('PROXY NO_SESSION'))
    expect((await relayOf(client, fake.address)).sessionId).not.toEqual(relay.sessionId)
  })

  it('TIMEOUT for the one that is not answered, while the others of that relay are', async () => {
    let count = 0
    const fake = await fakeRelay({
      onCommand: (request) => {
        if (count++ > 0) request.answer({ type: 'ERR', error: { type: 'QUOTA' } })
      },
    })
    const client = await proxy.connect()
    const relay = await relayOf(client, fake.address)
    const lost = forwardRaw(client, relay, anySend())
    const answered = err('PROXY PROTOCOL QUOTA')
    for (let index = 0; index < 10; index++) {
      expect(await forwardRaw(client, relay, anySend())).toEqual(answered)
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    expect(await lost).toEqual(broker('TIMEOUT'))
    expect(await forwardRaw(client, relay, anySend())).toEqual(answered)
  })

  it('NO_SESSION for a session that never was', async () => {
    const client = await proxy.connect()
    const fake = await fakeRelay({})
    const relay = await relayOf(client, fake.address)
    for (const sessionId of [randomBytes(32), randomBytes(24), client.session.hello.sessionId])
      expect(await forwardRaw(client, { ...relay, sessionId }, anySend())).toEqual(err('PROXY NO_SESSION'))
    expect((await client.create()).reply.type).toBe('IDS')
    expect(await client.send((await client.createQueue()).sndId, 'hello')).toEqual(ok)
  })
})
