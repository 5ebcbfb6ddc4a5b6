import { randomBytes, verify, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { describe, expect, it } from 'vitest'
import { encodeTransmission } from '../client/authorization.ts'
import { blockSize } from '../client/blocks.ts'
import { expectReply, type ClientOptions, type SmpClient } from '../client/client.ts'
import { receiveHello } from '../client/connection.ts'
import { commands } from '../client/commands.ts'
import { large, pad, unpad } from '../client/encoding.ts'
import { encodeClientHello, parseServerHello } from '../client/hello.ts'
import { generateKey } from '../client/keys.ts'
import { createServiceCertificate } from '../client/certificates.ts'
import { openWebSocket, WebSocketStream, type WebSocketOptions } from '../client/websocket.ts'
import { err, noMessage, ok, pong, withRelay } from './setting.ts'
import { withTunedRelay } from './tuned.ts'

const setting = withRelay()

const openStream = (webSocket: WebSocketOptions = {}): Promise<WebSocketStream> =>
  openWebSocket(setting.address, { webSocket })

/** A client on a WebSocket, and its stream. */
const connect = async (options: ClientOptions = {}): Promise<{ client: SmpClient; stream: WebSocketStream }> => {
  const client = await setting.connect({ webSocket: {}, ...options })
  const { stream } = client.session
  if (!(stream instanceof WebSocketStream)) throw new Error('no WebSocket')
  return { client, stream }
}

const closed = (stream: WebSocketStream): Promise<void> =>
  Promise.race([
    stream.closed,
    new Promise<never>((_, reject) => setTimeout(() => reject(new Error('the relay did not close')), 3000)),
  ])

describe('the handshake over WebSocket', () => {
  it.each([
    [19, randomBytes(32)],
    [19, false],
    [20, randomBytes(32)],
    [20, false],
  ] as const)('settles version %i with and without a challenge', async (version, challenge) => {
    const { client } = await connect({ version, webSocket: { challenge } })
    expect(client.session.cipher).toBeDefined()
    expect(await client.ping()).toEqual(pong)
    expect(client.session.hello.proof?.length).toBe(challenge ? 64 : undefined)
  })

  it('proves the identity over challenge and session id, with the key of the leaf', async () => {
    const challenge = Buffer.alloc(32, 1)
    const stream = await openStream({ challenge })
    const hello = parseServerHello(unpad(await stream.nextBlock()))
    const [leaf] = hello.certificateKey?.chain ?? []
    const proven = (bytes: Buffer): boolean =>
      verify(null, bytes, new X509Certificate(leaf ?? '').publicKey, hello.proof ?? Buffer.alloc(0))
    expect(proven(Buffer.concat([challenge, hello.sessionId]))).toBe(true)
    expect(proven(Buffer.concat([Buffer.alloc(32, 2), hello.sessionId]))).toBe(false)
    expect(proven(Buffer.concat([hello.sessionId, challenge]))).toBe(false)
    stream.close()
  })

  it.each([
    ['too short', randomBytes(31).toString('base64url')],
    ['too long', randomBytes(33).toString('base64url')],
    ['padded', `${randomBytes(32).toString('base64url')}=`],
    ['empty', ''],
    ['not base64url', '*'.repeat(43)],
  ])('ignores a challenge that is %s', async (_, text) => {
    const { client } = await connect({ webSocket: { path: `/?challenge=${text}`, challenge: false } })
    expect(client.session.hello.proof).toBeUndefined()
    expect(await client.ping()).toEqual(pong)
  })

  it.each(['/', '/smp', '/a/b/c?x=1', '/health', '/..//%2e%2e/'])('is there on the path %s', async (path) => {
    const { client } = await connect({ webSocket: { path } })
    expect(await client.ping()).toEqual(pong)
  })

  it.each([
    [48, 'TLS_AES_256_GCM_SHA384', 'TLSv1.3'],
    [32, 'TLS_AES_128_GCM_SHA256', 'TLSv1.3'],
    [32, 'TLS_CHACHA20_POLY1305_SHA256', 'TLSv1.3'],
    [12, 'ECDHE-ECDSA-CHACHA20-POLY1305', 'TLSv1.2'],
    [12, 'ECDHE-ECDSA-AES128-GCM-SHA256', 'TLSv1.2'],
  ] as const)('has a session id of %i bytes with %s', async (length, ciphers, version) => {
    const { client } = await connect({
      webSocket: { tls: { ciphers, minVersion: version, maxVersion: version } },
    })
    expect(client.session.hello.sessionId).toHaveLength(length)
    const queue = await client.createQueue()
    expect(await client.send(queue, 'a')).toEqual(ok)
  })

  it('has a session id and a key of its own in every connection', async () => {
    const hellos = await Promise.all([1, 2, 3].map(async () => (await connect()).client.session.hello))
    expect(new Set(hellos.map(({ sessionId }) => sessionId.toString('hex'))).size).toBe(3)
    expect(new Set(hellos.map(({ certificateKey }) => certificateKey?.signedKey.toString('hex'))).size).toBe(3)
  })

  it.each([17, 18, 19])('settles version %i too', async (version) => {
    const { client } = await connect({ version })
    expect(await client.ping()).toEqual(pong)
  })

  it('closes without a word on another key hash', async () => {
    const stream = await openStream()
    await receiveHello(stream, setting.address.keyHash)
    stream.write(pad(encodeClientHello({ version: 19, keyHash: randomBytes(32) }), blockSize))
    await expect(stream.nextBlock(3000)).rejects.toThrow('the connection was closed')
  })

  it('refuses services, whose certificates browsers have not', async () => {
    const service = { certificate: createServiceCertificate(), role: 'notifier' } as const
    await expect(connect({ service })).rejects.toThrow('HANDSHAKE BAD_AUTH')
  })
})

describe('commands over WebSocket', () => {
  it.each([19, 20])('in v%i create a queue, carry messages both ways, acknowledge and delete', async (version) => {
    const { client: recipient } = await connect({ version })
    const { client: sender } = await connect({ version })
    const app = await setting.connect()
    const key = generateKey('x25519')
    const queue = await recipient.createQueue({ auth: 'x25519' })
    expect(await sender.skey(queue, key)).toEqual(ok)
    expect(await sender.send(queue, 'from the web', { key })).toEqual(ok)
    const first = await recipient.receive(queue)
    expect(first).toMatchObject({ type: 'message', body: Buffer.from('from the web') })
    expect(await app.send(queue, Buffer.alloc(16_048, 7), { key })).toEqual(ok)
    const second = recipient.read(queue, await recipient.ack(queue, first.id))
    expect(second).toMatchObject({ body: Buffer.alloc(16_048, 7) })
    expect(await recipient.ack(queue, second.id)).toEqual(ok)
    expect(await recipient.get(queue)).toEqual(err('CMD PROHIBITED'))
    expect(await recipient.ack(queue, second.id)).toEqual(noMessage)
    expect(await recipient.del(queue)).toEqual(ok)
  })

  it('reach queues that an app created, and the other way round', async () => {
    const app = await setting.connect()
    const { client: web } = await connect()
    const queue = await app.createQueue()
    expect(await web.send(queue, 'to the app')).toEqual(ok)
    expect(await app.receive(queue)).toMatchObject({ body: Buffer.from('to the app') })
    const webQueue = await web.createQueue()
    expect(await app.send(webQueue, 'to the web')).toEqual(ok)
    expect(await web.receive(webQueue)).toMatchObject({ body: Buffer.from('to the web') })
  })

  it('are answered however many come at once', async () => {
    const { client } = await connect()
    const replies = await Promise.all(Array.from({ length: 300 }, () => client.ping()))
    expect(replies).toHaveLength(300)
    expect(replies.every(({ type }) => type === 'PONG')).toBe(true)
  })

  it('end with the connection: another subscription takes over, and messages wait for it', async () => {
    const { client, stream } = await connect()
    const queue = await client.createQueue()
    stream.close()
    await setting.gone(client)
    const sender = await setting.connect()
    expect(await sender.send(queue, 'kept')).toEqual(ok)
    const { client: again } = await connect()
    const reply = await again.sub(queue)
    const message = reply.type === 'MSG' ? again.read(queue, reply) : await again.receive(queue)
    expect(message).toMatchObject({ body: Buffer.from('kept') })
  })
})

describe('messages of a WebSocket', () => {
  it.each<[string, string | Buffer, number]>([
    ['one byte less than a block', Buffer.alloc(16_383), 1003],
    ['one byte more than a block', Buffer.alloc(16_385), 1009],
    ['nothing', Buffer.alloc(0), 1003],
    ['two blocks', Buffer.alloc(32_768), 1009],
    ['a megabyte', Buffer.alloc(1 << 20), 1009],
    ['text', 'text', 1003],
    ['as much text as a block', 'a'.repeat(16_384), 1003],
  ])('that are %s close the connection', async (_, data, code) => {
    const { client, stream } = await connect()
    stream.webSocket.send(data)
    await closed(stream)
    expect(stream.closeCode).toBe(code)
    await setting.gone(client)
  })

  it('that are no block close the connection during the handshake too', async () => {
    const stream = await openStream()
    await receiveHello(stream, setting.address.keyHash)
    stream.webSocket.send(Buffer.alloc(100))
    await closed(stream)
  })

  it('may be fragmented, with a ping in between', async () => {
    const { client, stream } = await connect()
    const { cipher, auth } = client.session
    const ping = encodeTransmission(auth, Buffer.from('1'), { entityId: Buffer.alloc(0), bytes: commands.ping() })
    const block = cipher?.sealBlock(Buffer.concat([Buffer.of(1), large(ping)]))
    expect(block).toHaveLength(blockSize)
    const { webSocket } = stream
    const replied = client.nextEvent()
    webSocket.send(block?.subarray(0, 1) ?? '', { fin: false })
    const ponged = once(webSocket, 'pong')
    webSocket.ping('still there?')
    expect(String((await ponged)[0])).toBe('still there?')
    webSocket.send(block?.subarray(1, 9000) ?? '', { fin: false })
    webSocket.send(Buffer.alloc(0), { fin: false })
    webSocket.send(block?.subarray(9000) ?? '', { fin: true })
    expect((await replied).reply).toEqual(pong)
  })

  it('may not be fragmented without end', async () => {
    const { stream } = await connect()
    for (let i = 0; i < 300; i++) stream.webSocket.send(Buffer.of(0), { fin: false })
    await closed(stream)
    expect(stream.closeCode).toBe(1008)
  })

  it('are never compressed, although the client offers it', async () => {
    const { client, stream } = await connect({ webSocket: { deflate: true } })
    expect(stream.response.headers['sec-websocket-extensions']).toBeUndefined()
    expect(stream.webSocket.extensions).toBe('')
    expect(await client.ping()).toEqual(pong)
  })

  it.each([
    ['compressed', Buffer.concat([Buffer.of(0xc2, 0x81), Buffer.alloc(4), Buffer.of(0)])],
    ['not masked', Buffer.concat([Buffer.of(0x82, 126, 0x40, 0), Buffer.alloc(blockSize)])],
    ['of an unknown kind', Buffer.concat([Buffer.of(0x83, 0x80), Buffer.alloc(4)])],
    ['of a length beyond all bounds', Buffer.concat([Buffer.of(0x82, 0xff), Buffer.alloc(12, 0x7f)])],
  ])('that are %s close the connection', async (_, frame) => {
    const { client, stream } = await connect()
    stream.socket.write(frame)
    await closed(stream)
    await setting.gone(client)
  })

  it('that are pings in thousands, of a client that does not read the answers, close the connection', async () => {
    const { client, stream } = await connect()
    stream.socket.pause()
    for (let i = 0; i < 150_000; i++) stream.webSocket.ping(Buffer.alloc(125))
    await setting.gone(client)
  })
})

describe('a relay with Ed448 certificates', () => {
  const ed448 = withRelay({ credentials: { alg: 'ed448' } })

  it('proves its identity with 114 bytes', async () => {
    const client = await ed448.connect({ webSocket: {} })
    expect(client.session.hello.proof).toHaveLength(114)
    expect(await client.ping()).toEqual(pong)
  })
})

describe('a relay with ports for WebSockets alone', () => {
  const relay = withTunedRelay({ optionsAtStart: () => ({ webSocketPorts: [0] }) })
  const port = (): number => relay.serving.listeners[1]?.port ?? 0

  it('speaks SMP over WebSocket there, with clients that name no server too', async () => {
    for (const serverName of ['relay.test', '']) {
      const stream = await openWebSocket({ host: '127.0.0.1', port: port() }, { webSocket: { serverName } })
      const { hello } = await receiveHello(stream, relay.address.keyHash)
      expect(hello.proof).toHaveLength(64)
      stream.close()
    }
  })

  it('accepts WebSockets on its other ports all the same', async () => {
    const client = await relay.connect({ webSocket: {} })
    expect(expectReply(await client.ping(), 'PONG')).toEqual(pong)
  })

  it('offers version 6 alone to a WebSocket client without ALPN', async () => {
    const webSocket = { alpn: false, challenge: false } as const
    const stream = await openWebSocket({ host: '127.0.0.1', port: port() }, { webSocket })
    const { hello } = await receiveHello(stream, relay.address.keyHash)
    expect([hello.minVersion, hello.maxVersion, hello.certificateKey]).toEqual([6, 6, undefined])
    stream.close()
  })

  it('closes WebSockets when it stops', async () => {
    const stream = await openWebSocket({ host: '127.0.0.1', port: port() })
    await relay.stop()
    await closed(stream)
    await relay.restart()
  })
})
