import { randomBytes } from 'node:crypto'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { delay } from './fixtures.ts'
import { loopback, recorder, roundTrips, until, type Loopback } from './loopback.ts'

const SIZE = 16384
let relay: Loopback

beforeEach(async () => {
  relay = await loopback()
})

afterEach(() => relay.close())

describe('tls-channel', () => {
  it.each([1, 2, 100, 1000, 5000, 16383, 16384, 16385, 32767, 40000])(
    'a block channel over TLS delivers the blocks that a client sends in pieces of %i bytes',
    async (size) => {
      const client = await relay.client()
      const channel = await relay.channel()
      const record = recorder()
      channel.attach(record)
      const stream = randomBytes(size < 100 ? SIZE : 3 * SIZE)
      for (let at = 0; at < stream.length; at += size) client.write(stream.subarray(at, at + size))
      await until(() => record.blocks.length === stream.length / SIZE, 'all blocks')
      expect(Buffer.concat(record.blocks).equals(stream)).toBe(true)
    },
  )

  it('a block channel over TLS sends blocks in order, however many are written at once', async () => {
    const client = await relay.client()
    const channel = await relay.channel()
    channel.attach(recorder())
    const blocks = Array.from({ length: 40 }, () => randomBytes(SIZE))
    const chunks: Buffer[] = []
    client.on('data', (chunk: Buffer) => chunks.push(chunk))
    for (const block of blocks) channel.write(block)
    await until(() => Buffer.concat(chunks).length === blocks.length * SIZE, 'all blocks')
    expect(Buffer.concat(chunks).equals(Buffer.concat(blocks))).toBe(true)
  })

  it('with many connections, a new one is sent a block in small records first, and whole blocks once there is much traffic', async () => {
    const crowded = await loopback({ roomyConnections: 1 })
    const firstRecords: number[] = []
    for (let count = 1; count <= 2; count++) {
      const client = await crowded.client()
      const channel = await crowded.channel()
      channel.attach(recorder())
      const chunks: Buffer[] = []
      client.on('data', (chunk: Buffer) => chunks.push(chunk))
      const blocks = Array.from({ length: 80 }, () => randomBytes(SIZE))
      for (const block of blocks) {
        channel.write(block)
        await until(() => channel.buffered === 0, 'an empty channel')
      }
      await until(() => Buffer.concat(chunks).length === blocks.length * SIZE, 'all blocks')
      expect(Buffer.concat(chunks).equals(Buffer.concat(blocks))).toBe(true)
      expect(chunks.at(-1)?.length).toBe(SIZE)
      firstRecords.push(chunks[0]?.length ?? 0)
    }
    expect(firstRecords).toEqual([SIZE, 1000])
    await crowded.close()
  })

  it('a block channel over TLS receives a stream of a hundred blocks', async () => {
    const client = await relay.client()
    const channel = await relay.channel()
    const record = recorder()
    channel.attach(record)
    const stream = randomBytes(100 * SIZE)
    client.write(stream)
    await until(() => record.blocks.length === 100, 'all blocks')
    expect(Buffer.concat(record.blocks).equals(stream)).toBe(true)
  })

  it('a block channel over TLS stops the client while it is paused', async () => {
    const client = await relay.client()
    const channel = await relay.channel()
    const record = recorder(() => channel.pause())
    channel.attach(record)
    const total = 4000
    let sent = 0
    client.on('error', () => undefined)
    const send = (): void => {
      while (sent++ < total && client.write(Buffer.alloc(SIZE)));
    }
    client.on('drain', send)
    send()
    await roundTrips(relay, 50)
    expect(record.blocks).toHaveLength(1)
    expect(sent).toBeLessThan(total)
  })

  it('a block channel over TLS has the session id, the protocol and no certificates of an ordinary client', async () => {
    const client = await relay.client()
    const channel = await relay.channel()
    expect(channel.sessionId).toEqual(client.getFinished())
    expect(channel.alpn).toBe('smp/1')
    expect(channel.peerCertificates).toEqual([])
    expect(channel.port).toBe(relay.listener.port)
  })

  it('a block channel over TLS keeps what arrives before it is attached, while paused, and while handlers change', async () => {
    const client = await relay.client()
    const channel = await relay.channel()
    const stream = randomBytes(5 * SIZE)
    // One TLS record holds the end of one block and the start of the next.
    for (let at = 0; at < stream.length; at += 10_000) client.write(stream.subarray(at, at + 10_000))
    await roundTrips(relay)
    const first = recorder(() => channel.pause())
    channel.attach(first)
    await until(() => first.blocks.length === 1, 'the first block')
    await roundTrips(relay)
    expect(first.blocks).toHaveLength(1)
    const second = recorder()
    channel.attach(second)
    await until(() => second.blocks.length === 4, 'the other blocks')
    expect(Buffer.concat([...first.blocks, ...second.blocks]).equals(stream)).toBe(true)
  })

  it('a block channel over TLS reads nothing while paused', async () => {
    const client = await relay.client()
    const channel = await relay.channel()
    const record = recorder()
    channel.attach(record)
    channel.pause()
    client.write(randomBytes(SIZE))
    await roundTrips(relay)
    expect(record.blocks).toHaveLength(0)
    channel.resume()
    await until(() => record.blocks.length === 1, 'the block')
  })

  it('a block channel over TLS tells a writer to wait while the peer does not read, and when to continue', async () => {
    const client = await relay.client()
    client.pause()
    const channel = await relay.channel()
    const record = recorder()
    channel.attach(record)
    // The system takes some for a peer that does not read; after that nothing leaves any more.
    let drains: number
    do {
      drains = record.drains
      for (let written = 0; channel.write(Buffer.alloc(SIZE)); written++) {
        if (written > 10_000) throw new Error('the channel takes everything')
      }
      await roundTrips(relay, 20)
    } while (record.drains > drains)
    const stuck = channel.buffered
    expect(stuck).toBeGreaterThan(SIZE)
    client.resume()
    await until(() => record.drains === drains + 1, 'drain')
    expect(channel.buffered).toBeLessThan(stuck)
    await until(() => channel.buffered === 0, 'an empty channel')
    expect(record.drains).toBe(drains + 1)
  })

  it('a block channel over TLS sends what is buffered before it closes', async () => {
    const client = await relay.client()
    const channel = await relay.channel()
    const record = recorder()
    channel.attach(record)
    let got = 0
    client.on('data', (chunk: Buffer) => (got += chunk.length))
    for (let i = 0; i < 10; i++) channel.write(Buffer.alloc(SIZE))
    channel.close()
    await until(() => record.reasons.length === 1, 'close')
    await until(() => got === 10 * SIZE, 'all blocks')
    expect(record.reasons).toEqual(['closed'])
    expect(channel.write(Buffer.alloc(SIZE))).toBe(false)
  })

  it('a block channel over TLS closes within seconds even if the peer never reads', async () => {
    const client = await relay.client()
    client.pause()
    const channel = await relay.channel()
    const record = recorder()
    channel.attach(record)
    while (channel.write(Buffer.alloc(SIZE))) await delay(0)
    const start = performance.now()
    channel.close()
    while (record.reasons.length === 0 && performance.now() - start < 8000) await delay(50)
    expect(record.reasons).toEqual(['closed'])
    expect(performance.now() - start).toBeGreaterThan(4000)
  })

  it('a block channel over TLS delivers nothing after it was closed by its own handler', async () => {
    const client = await relay.client()
    const channel = await relay.channel()
    const record = recorder(() => channel.close())
    channel.attach(record)
    client.write(randomBytes(3 * SIZE))
    await until(() => record.reasons.length === 1, 'close')
    expect(record.blocks).toHaveLength(1)
  })

  it.each([
    ['ended', 'a whole block', SIZE],
    ['truncated', 'half a block', SIZE / 2],
    ['ended', 'nothing', 0],
  ] as const)('closes as %s when the client ends after %s', async (reason, _, bytes) => {
    const client = await relay.client()
    const channel = await relay.channel()
    const record = recorder()
    channel.attach(record)
    client.end(randomBytes(bytes))
    await until(() => record.reasons.length === 1, 'close')
    expect(record.reasons).toEqual([reason])
  })

  it('a block channel over TLS reports `failed` when the connection breaks', async () => {
    const middle: Socket[] = []
    const between = createServer((socket) => {
      const onward = connect(relay.listener.port, '127.0.0.1')
      middle.push(onward)
      socket.pipe(onward).pipe(socket)
    })
    await new Promise<void>((resolve) => between.listen(0, '127.0.0.1', resolve))
    await relay.client({ port: (between.address() as AddressInfo).port })
    const channel = await relay.channel()
    const record = recorder()
    channel.attach(record)
    await roundTrips(relay)
    middle[0]?.resetAndDestroy()
    between.close()
    await until(() => record.reasons.length === 1, 'close')
    expect(record.reasons).toEqual(['failed'])
  })

  it('a block channel over TLS tells late handlers that it has closed', async () => {
    const client = await relay.client()
    const channel = await relay.channel()
    const first = recorder()
    channel.attach(first)
    client.destroy()
    await until(() => first.reasons.length === 1, 'close')
    const second = recorder()
    channel.attach(second)
    await until(() => second.reasons.length === 1, 'close of the second')
    expect(first.reasons).toHaveLength(1)
  })

  it('a block channel over TLS refuses to write anything but whole blocks', async () => {
    await relay.client()
    const channel = await relay.channel()
    expect(() => channel.write(Buffer.alloc(SIZE - 1))).toThrow(RangeError)
  })
})
