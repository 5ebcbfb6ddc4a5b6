import { randomBytes } from 'node:crypto'
import { connect, type Socket } from 'node:net'
import { once } from 'node:events'
import { describe, expect, it } from 'vitest'
import { SmpClient } from '../client/client.ts'
import {
  BlockStream,
  blockSize,
  openSession,
  openTls,
  receiveHello,
  type ConnectOptions,
} from '../client/connection.ts'
import { encodeTransmission } from '../client/authorization.ts'
import type { BlockSource } from '../client/blocks.ts'
import { commands } from '../client/commands.ts'
import { large, pad } from '../client/encoding.ts'
import { encodeClientHello } from '../client/hello.ts'
import { generateKey } from '../client/keys.ts'
import { pong, versions, withRelay } from './setting.ts'

const setting = withRelay({ handshakeTimeoutMs: 400 })

const openStream = async (options: ConnectOptions = {}): Promise<BlockStream> =>
  new BlockStream(await openTls(setting.address, options))

const helloBlock = (version: number): Buffer =>
  pad(encodeClientHello({ version, keyHash: setting.address.keyHash }), blockSize)

/** Rejects with the block when the relay says something before it closes. */
const closedWithoutAWord = async (stream: BlockSource, withinMs = 3000): Promise<void> => {
  await expect(stream.nextBlock(withinMs)).rejects.toThrow('the connection was closed')
}

describe('the server hello', () => {
  it('offers versions 6 to 19 or 20, the session id of TLS, the chain and a key signed by the leaf', async () => {
    const stream = await openStream()
    const { hello, serverKeySpki } = await receiveHello(stream, setting.address.keyHash)
    expect(hello.minVersion).toBe(6)
    expect([19, 20]).toContain(hello.maxVersion)
    expect(hello.sessionId.length).toBe(32)
    expect(hello.certificateKey?.chain.length).toBe(2)
    expect(serverKeySpki?.length).toBe(44)
    stream.close()
  })

  it('has a fresh key in every connection', async () => {
    const keys = await Promise.all(
      [1, 2, 3].map(async () => {
        const stream = await openStream()
        const { serverKeySpki } = await receiveHello(stream, setting.address.keyHash)
        stream.close()
        return serverKeySpki?.toString('hex')
      }),
    )
    expect(new Set(keys).size).toBe(3)
  })

  it('offers version 6 only, and no key, to a client without ALPN', async () => {
    const stream = await openStream({ alpn: false })
    const { hello } = await receiveHello(stream, setting.address.keyHash)
    expect([hello.minVersion, hello.maxVersion, hello.certificateKey]).toEqual([6, 6, undefined])
    stream.close()
    const client = await setting.connect({ alpn: false })
    expect(await client.ping()).toEqual(pong)
  })

  it.each([['smp/1'], ['h2'], ['http/1.1'], ['unknown', 'smp/1']])(
    'offers the full range when the client offers the protocols %s %s',
    async (...alpn) => {
      const stream = await openStream({ alpn })
      const { hello } = await receiveHello(stream, setting.address.keyHash)
      expect(hello.maxVersion).toBeGreaterThanOrEqual(19)
      stream.close()
    },
  )

  it('does not come when the client offers protocols of which the relay knows none', async () => {
    await expect(openTls(setting.address, { alpn: ['xyz'] })).rejects.toThrow(
      /no.application.protocol|alert number 120/i,
    )
  })
})

describe('the client hello', () => {
  it.each(versions)('of version %i is accepted with and without a key', async (version) => {
    const withKey = await setting.connect({ version })
    const withoutKey = await setting.connect({ version, clientKey: false })
    expect([await withKey.ping(), await withoutKey.ping()]).toEqual([pong, pong])
    expect(withKey.session.cipher !== undefined).toBe(version >= 11)
    expect(withoutKey.session.cipher).toBe(undefined)
  })

  it.each([14, 16, 19])('of a proxy in version %i switches block encryption off', async (version) => {
    const proxy = await setting.connect({ version, proxyServer: true })
    expect(proxy.session.cipher).toBe(undefined)
    expect(await proxy.ping()).toEqual(pong)
  })

  it.each([0, 5, 21, 0xffff])('with version %i, which was not offered, closes the connection', async (version) => {
    const stream = await openStream()
    await receiveHello(stream, setting.address.keyHash)
    stream.write(helloBlock(version))
    await closedWithoutAWord(stream, 300)
  })

  it('with version 7 closes a connection without ALPN', async () => {
    const stream = await openStream({ alpn: false })
    await receiveHello(stream, setting.address.keyHash)
    stream.write(helloBlock(7))
    await closedWithoutAWord(stream, 300)
  })

  it('with the key hash of another relay closes the connection', async () => {
    for (const helloKeyHash of [randomBytes(32), Buffer.alloc(0), setting.address.keyHash.subarray(0, 31)]) {
      const { stream } = await openSession(setting.address, { helloKeyHash })
      await closedWithoutAWord(stream, 300)
    }
  })

  it('may be followed by bytes that a later version would understand', async () => {
    const stream = await openStream()
    const { hello } = await receiveHello(stream, setting.address.keyHash)
    const bytes = encodeClientHello({ version: 19, keyHash: setting.address.keyHash })
    stream.write(pad(Buffer.concat([bytes, Buffer.from('and more')]), blockSize))
    const auth = { version: 19, sessionId: hello.sessionId, serverKey: undefined, authenticatorKeys: new WeakMap() }
    const session = { ...auth, service: undefined }
    const client = new SmpClient({
      stream,
      hello,
      version: 19,
      auth: session,
      cipher: undefined,
      box: undefined,
      serviceId: undefined,
    })
    expect(await client.ping()).toEqual(pong)
    await client.close()
  })

  it('may come in pieces and together with the first command', async () => {
    const stream = await openStream()
    const { hello } = await receiveHello(stream, setting.address.keyHash)
    const auth = { version: 8, sessionId: hello.sessionId, serverKey: undefined, authenticatorKeys: new WeakMap() }
    const ping = encodeTransmission({ ...auth, service: undefined }, Buffer.from('1'), {
      entityId: Buffer.alloc(0),
      bytes: commands.ping(),
    })
    const both = Buffer.concat([helloBlock(8), pad(Buffer.concat([Buffer.of(1), large(ping)]), blockSize)])
    for (const [from, to] of [
      [0, 1],
      [1, 9000],
      [9000, 20000],
      [20000, both.length],
    ] as const) {
      stream.write(both.subarray(from, to))
      await new Promise((resolve) => setTimeout(resolve, 15))
    }
    expect((await stream.nextBlock()).includes('PONG')).toBe(true)
    stream.close()
  })

  it.each<[string, () => Buffer]>([
    ['random bytes', () => randomBytes(blockSize)],
    ['nothing in the padding', () => pad(Buffer.alloc(0), blockSize)],
    ['a length beyond the block', () => Buffer.alloc(blockSize, 0xff)],
    ['a version and no key hash', () => pad(Buffer.from('0013', 'hex'), blockSize)],
    [
      'no proxy flag in v14',
      () => pad(encodeClientHello({ version: 13, keyHash: setting.address.keyHash }).fill(14, 1, 2), blockSize),
    ],
    [
      'an X448 key, which is none for sessions',
      () => {
        const spki = Buffer.concat([Buffer.from('3042300506032b656f033900', 'hex'), randomBytes(56)])
        return pad(encodeClientHello({ version: 19, keyHash: setting.address.keyHash, keySpki: spki }), blockSize)
      },
    ],
  ])('made of %s closes the connection', async (_, block) => {
    const stream = await openStream()
    await receiveHello(stream, setting.address.keyHash)
    stream.write(block())
    await closedWithoutAWord(stream, 300)
  })

  it('that never comes, or comes by half, closes the connection when the time is over', async () => {
    const [silent, half] = await Promise.all([openStream(), openStream()])
    await Promise.all([silent, half].map((stream) => receiveHello(stream, setting.address.keyHash)))
    half.write(helloBlock(19).subarray(0, 8000))
    await Promise.all([closedWithoutAWord(silent), closedWithoutAWord(half)])
  })
})

it('a connection that never starts TLS is closed when the time is over', async () => {
  const socket: Socket = connect(setting.address.port, setting.address.host)
  socket.on('error', () => undefined)
  socket.resume()
  await once(socket, 'close', { signal: AbortSignal.timeout(5000) })
})

it('a connection that sends garbage instead of TLS is closed, and the relay serves on', async () => {
  const socket: Socket = connect(setting.address.port, setting.address.host)
  socket.on('error', () => undefined)
  socket.resume()
  socket.write(randomBytes(2000))
  await once(socket, 'close', { signal: AbortSignal.timeout(5000) })
  const client = await setting.connect()
  expect(await client.ping()).toEqual(pong)
})

it('a connection may be closed at any point of the handshake', async () => {
  const early = await openTls(setting.address)
  early.destroy()
  const stream = await openStream()
  await receiveHello(stream, setting.address.keyHash)
  stream.write(helloBlock(19))
  stream.close()
  const client = await setting.connect()
  expect(await client.ping()).toEqual(pong)
})

it('keys of other algorithms in place of the session key are not taken for one', async () => {
  const { spki } = generateKey('ed25519')
  const stream = await openStream()
  await receiveHello(stream, setting.address.keyHash)
  stream.write(pad(encodeClientHello({ version: 19, keyHash: setting.address.keyHash, keySpki: spki }), blockSize))
  await closedWithoutAWord(stream, 300)
})
