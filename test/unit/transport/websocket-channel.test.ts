import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { WebSocketChannel } from '../../../src/transport/websocket-channel.ts'
import { openWebSocket, type WebSocketStream } from '../../client/websocket.ts'
import { delay } from './fixtures.ts'
import { loopback, recorder, roundTrips, until, type Loopback } from './loopback.ts'

const SIZE = 16384
let relay: Loopback
const clients: WebSocketStream[] = []

beforeEach(async () => {
  relay = await loopback({ web: { on: 'shared port' } })
})
afterEach(async () => {
  for (const client of clients.splice(0)) client.close()
  await relay.close()
})

async function client(port = relay.listener.port): Promise<WebSocketStream> {
  const stream = await openWebSocket({ host: '127.0.0.1', port })
  clients.push(stream)
  return stream
}

function collect(stream: WebSocketStream): Buffer[] {
  const blocks: Buffer[] = []
  stream.onBlock((block) => blocks.push(block))
  return blocks
}

describe('websocket-channel', () => {
  it('a block channel over a WebSocket has the parameters of its TLS session', async () => {
    const stream = await client()
    const channel = await relay.channel()
    expect(channel.sessionId).toEqual(stream.socket.getFinished())
    expect(channel.sessionId).toHaveLength(48)
    expect(channel.alpn).toBe('http/1.1')
    expect(channel.port).toBe(relay.listener.port)
    expect(channel.peerCertificates).toEqual([])
  })

  it('a block channel over a WebSocket carries blocks both ways in order, however many at once', async () => {
    const stream = await client()
    const channel = await relay.channel()
    const record = recorder()
    channel.attach(record)
    const arrived = collect(stream)
    const blocks = Array.from({ length: 60 }, () => randomBytes(SIZE))
    for (const block of blocks) {
      channel.write(block)
      stream.write(block)
    }
    await until(() => arrived.length === blocks.length && record.blocks.length === blocks.length, 'all blocks')
    expect(Buffer.concat(arrived).equals(Buffer.concat(blocks))).toBe(true)
    expect(Buffer.concat(record.blocks).equals(Buffer.concat(blocks))).toBe(true)
    expect(channel.buffered).toBe(0)
  })

  it('a block channel over a WebSocket keeps what arrives before it is attached', async () => {
    const stream = await client()
    const channel = await relay.channel()
    const blocks = [1, 2, 3].map((byte) => Buffer.alloc(SIZE, byte))
    for (const block of blocks) stream.write(block)
    await roundTrips(relay)
    const record = recorder()
    channel.attach(record)
    await until(() => record.blocks.length === 3, 'three blocks')
    expect(record.blocks.map((block) => block[0])).toEqual([1, 2, 3])
  })

  it('a block channel over a WebSocket delivers nothing while it is paused, even of one packet, and then continues in order', async () => {
    const stream = await client()
    const channel = await relay.channel()
    const record = recorder(() => channel.pause())
    channel.attach(record)
    stream.socket.cork()
    for (let byte = 0; byte < 20; byte++) stream.write(Buffer.alloc(SIZE, byte))
    stream.socket.uncork()
    for (let count = 1; count <= 20; count++) {
      await until(() => record.blocks.length >= count, `block ${count}`)
      await roundTrips(relay, 1)
      expect(record.blocks).toHaveLength(count)
      channel.resume()
    }
    expect(record.blocks.map((block) => block[0])).toEqual([...Array(20).keys()])
  })

  it.each([true, false])(
    'a block channel over a WebSocket stops the client while it is paused or not attached (attached: %s)',
    async (attached) => {
      const stream = await client()
      const channel = await relay.channel()
      const record = recorder(() => channel.pause())
      if (attached) channel.attach(record)
      let sent = 0
      const send = (): void => {
        if (++sent <= 4000) stream.webSocket.send(Buffer.alloc(SIZE), send)
      }
      send()
      let before = -1
      while (sent !== before && sent <= 4000) {
        before = sent
        await roundTrips(relay, 20)
      }
      expect(sent).toBeLessThan(3000)
      expect(record.blocks).toHaveLength(attached ? 1 : 0)
    },
  )

  it('a block channel over a WebSocket tells a writer to wait while the peer does not read, and when to continue', async () => {
    const stream = await client()
    const channel = await relay.channel()
    const record = recorder()
    channel.attach(record)
    stream.socket.pause()
    let written = 0
    while (channel.write(Buffer.alloc(SIZE)) && written < 5000) {
      written++
      if (written % 16 === 0) await delay(1)
    }
    expect(written).toBeLessThan(5000)
    expect(channel.buffered).toBeGreaterThan(16 * SIZE)
    expect(record.drains).toBe(0)
    const arrived = collect(stream)
    stream.socket.resume()
    await until(() => record.drains === 1 && channel.buffered === 0, 'drain')
    await until(() => arrived.length === written + 1, 'all blocks')
    expect(channel.write(Buffer.alloc(SIZE))).toBe(true)
  })

  it('a block channel over a WebSocket refuses to write anything but a block', async () => {
    await client()
    const channel = await relay.channel()
    expect(() => channel.write(Buffer.alloc(SIZE - 1))).toThrow(RangeError)
  })

  it('a block channel over a WebSocket sends what was written before it closes and nothing after', async () => {
    const stream = await client()
    const channel = await relay.channel()
    const record = recorder()
    channel.attach(record)
    const arrived = collect(stream)
    for (let byte = 0; byte < 10; byte++) channel.write(Buffer.alloc(SIZE, byte))
    channel.close()
    expect(channel.write(Buffer.alloc(SIZE))).toBe(false)
    await stream.closed
    expect(arrived.map((block) => block[0])).toEqual([...Array(10).keys()])
    expect(stream.closeCode).toBe(1000)
    await until(() => record.reasons.length > 0, 'the end')
    expect(record.reasons).toEqual(['closed'])
  })

  it('a block channel over a WebSocket notices that the client closes its side although it was paused', async () => {
    const stream = await client()
    const channel = await relay.channel()
    const record = recorder(() => channel.pause())
    channel.attach(record)
    for (let i = 0; i < 10; i++) stream.write(Buffer.alloc(SIZE))
    await until(() => record.blocks.length === 1, 'a block')
    const start = performance.now()
    channel.close()
    await until(() => record.reasons.length > 0, 'the end')
    expect(performance.now() - start).toBeLessThan(2000)
    expect(record.blocks).toHaveLength(1)
  })

  it('a block channel over a WebSocket delivers nothing any more after it was closed', async () => {
    const stream = await client()
    const channel = await relay.channel()
    const record = recorder(() => channel.close())
    channel.attach(record)
    stream.socket.cork()
    for (let i = 0; i < 10; i++) stream.write(Buffer.alloc(SIZE))
    stream.socket.uncork()
    await stream.closed
    expect(record.blocks).toHaveLength(1)
  })

  it('a block channel over a WebSocket ends when the client closes it', async () => {
    const stream = await client()
    const channel = await relay.channel()
    const record = recorder()
    channel.attach(record)
    stream.webSocket.close()
    await until(() => record.reasons.length > 0, 'the end')
    expect(record.reasons).toEqual(['ended'])
    const late = recorder()
    channel.attach(late)
    await until(() => late.reasons.length > 0, 'the end, told again')
    expect(late.reasons).toEqual(['ended'])
    expect(channel.write(Buffer.alloc(SIZE))).toBe(false)
  })

  it.each(['end', 'destroy'] as const)(
    'a block channel over a WebSocket reports `failed` when the connection breaks without a close frame (%s)',
    async (how) => {
      const stream = await client()
      const channel = await relay.channel()
      const record = recorder()
      channel.attach(record)
      stream.socket[how]()
      await until(() => record.reasons.length > 0, 'the end')
      expect(record.reasons).toEqual(['failed'])
    },
  )

  it('a block channel over a WebSocket reports the end while it waits for the client to read', async () => {
    const stream = await client()
    const channel = await relay.channel()
    const record = recorder(() => channel.pause())
    channel.attach(record)
    stream.write(Buffer.alloc(SIZE))
    stream.socket.pause()
    for (let i = 0; i < 400; i++) channel.write(Buffer.alloc(SIZE))
    stream.socket.destroy()
    await until(() => record.reasons.length > 0, 'the end')
    expect(record.drains).toBe(0)
  })

  it('a block channel over a WebSocket drops a client that does not answer the close frame', async () => {
    const between = createServer((socket: Socket) => {
      const upstream = connect(relay.listener.port, '127.0.0.1').on('error', () => undefined)
      socket.on('error', () => undefined).pipe(upstream)
      upstream.pipe(socket)
      upstream.once('close', () => gone.push(performance.now()))
      cut.push(() => upstream.unpipe(socket).resume())
    })
    const cut: (() => void)[] = []
    const gone: number[] = []
    between.listen(0, '127.0.0.1')
    await once(between, 'listening')
    await client((between.address() as AddressInfo).port)
    const channel = await relay.channel()
    const record = recorder()
    channel.attach(record)
    cut[0]?.()
    const start = performance.now()
    channel.close()
    await until(() => record.reasons.length > 0, 'the end', 8000)
    await until(() => gone.length > 0, 'the end of the connection')
    between.close()
    expect(record.reasons).toEqual(['closed'])
    expect(performance.now() - start).toBeGreaterThan(4000)
    expect(relay.listener.counts.active).toBe(0)
  })
})

describe('websocket-channel', () => {
  it('a block channel over a WebSocket that reads several blocks at once delivers one at a time to a handler that pauses and resumes, and none before it is attached', async () => {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
    await once(server, 'listening')
    const connected = once(server, 'connection') as Promise<[WebSocket]>
    const peer = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`)
    const [[webSocket]] = await Promise.all([connected, once(peer, 'open')])
    const tls = { alpnProtocol: null, getPeerX509Certificate: () => undefined }
    const channel = new WebSocketChannel(webSocket, tls, randomBytes(32), 80)
    expect(channel.alpn).toBeUndefined()
    webSocket.resume()
    for (let byte = 0; byte < 12; byte++) peer.send(Buffer.alloc(SIZE, byte))
    const answered = once(peer, 'pong')
    peer.ping()
    await answered

    const held = recorder(() => channel.pause())
    channel.attach(held)
    expect(held.blocks).toHaveLength(0)
    await until(() => held.blocks.length > 0, 'a block')
    await new Promise(setImmediate)
    expect(held.blocks.map((block) => block[0])).toEqual([0])

    const order: string[] = []
    channel.attach(
      recorder((block) => {
        order.push(`begin ${block[0]}`)
        channel.pause()
        channel.resume()
        order.push(`end ${block[0]}`)
      }),
    )
    expect(order).toEqual([])
    await until(() => order.length === 22, 'the rest')
    expect(order).toEqual([...Array(11).keys()].flatMap((n) => [`begin ${n + 1}`, `end ${n + 1}`]))
    peer.terminate()
    server.close()
  })
})
