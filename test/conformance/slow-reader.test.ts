import { randomBytes } from 'node:crypto'
import { describe, expect, it, vi } from 'vitest'
import { Scheduler } from '../../src/server/scheduler.ts'
import { Session } from '../../src/server/session.ts'
import { HIGH_WATER_MARK, type BlockChannel, type ChannelHandlers } from '../../src/transport/channel.ts'
import { SmpLink } from '../../src/transport/smp-link.ts'
import { encodeTransmission } from '../client/authorization.ts'
import { createServiceCertificate } from '../client/certificates.ts'
import { senderIdFor, type SmpClient } from '../client/client.ts'
import { commands } from '../client/commands.ts'
import { large, pad } from '../client/encoding.ts'
import type { Queue } from '../client/queue.ts'
import { ok, pong } from './setting.ts'
import { withTunedRelay } from './tuned.ts'

const setting = withTunedRelay({ timeouts: { stall: 4000 } })
const body = randomBytes(16_000)

/** What the relay holds for a connection, in blocks of 16 KiB at most each. */
const heldFor = ({ link, queued }: Session): number => queued.received + queued.sending + link.channel.buffered / 16_384

const sessionOf = (client: SmpClient): Session => {
  for (const session of setting.serving.sessions)
    if (session.link.sessionId.equals(client.session.hello.sessionId)) return session
  throw new Error('the relay does not know this connection')
}

/** Waits until the buffers of the system are full, too, and nothing moves any more. */
const stalled = async (session: Session): Promise<void> => {
  let since = session.stalledAt
  for (let quiet = 0; quiet < 10; quiet++) {
    await new Promise((resolve) => setTimeout(resolve, 20))
    if (session.stalledAt === undefined || session.stalledAt !== since) quiet = 0
    since = session.stalledAt
  }
}

const queuesWithMessages = async (client: SmpClient, count: number): Promise<Queue[]> =>
  Promise.all(
    Array.from({ length: count }, async () => {
      const queue = await client.createQueue({ subscribe: false })
      expect(await client.send(queue, body)).toEqual(ok)
      return queue
    }),
  )

const gets = (client: SmpClient, queue: Queue, count: number): Buffer[] =>
  Array.from({ length: count }, () =>
    encodeTransmission(client.session.auth, randomBytes(24), {
      entityId: queue.rcvId,
      bytes: commands.get(),
      key: queue.key,
    }),
  )

/** A connection that takes every block, in a time that the test decides. */
class SlowChannel implements BlockChannel {
  readonly sessionId = randomBytes(32)
  readonly peerCertificates = []
  readonly alpn = undefined
  readonly port = 0
  readonly buffered = 0
  handlers: ChannelHandlers | undefined
  isPaused = false
  written = 0
  readonly #onWrite: () => void

  constructor(onWrite: () => void) {
    this.#onWrite = onWrite
  }

  attach(handlers: ChannelHandlers): void {
    this.handlers = handlers
  }

  write(): boolean {
    this.written++
    this.#onWrite()
    return true
  }

  pause(): void {
    this.isPaused = true
  }

  resume(): void {
    this.isPaused = false
  }

  close(): void {
    this.handlers?.close('closed')
  }
}

describe('a client that asks and never reads', () => {
  it('is not read from either, costs a few blocks of memory, and gets every reply once it reads', async () => {
    const [deaf, other] = [await setting.connect(), await setting.connect()]
    const [queue] = await queuesWithMessages(other, 1)
    if (!queue) throw new Error('no queue')
    deaf.session.stream.socket.pause()
    const blocks = 20
    for (let count = 0; count < blocks; count++) deaf.sendTransmissions(gets(deaf, queue, 60))
    const session = sessionOf(deaf)
    await stalled(session)
    const held: number[] = []
    for (let count = 0; count < 20; count++) {
      held.push(heldFor(session))
      expect(await other.ping()).toEqual(pong)
    }
    expect(Math.max(...held)).toBeLessThan(60 + HIGH_WATER_MARK / 16_384 + 8)
    deaf.session.stream.socket.resume()
    for (let count = 0; count < blocks * 60; count++) expect((await deaf.nextEvent()).reply.type).toBe('MSG')
    await deaf.noEvent()
  })
})

describe('a client whose blocks leave more slowly than its commands are executed', () => {
  it('has no commands executed while packed blocks wait, so that the replies to one block are all that is held', async () => {
    const client = await setting.connect()
    const corrId = randomBytes(24)
    const data = { fixedData: randomBytes(1000), userData: randomBytes(13_000) }
    const link = { linkId: randomBytes(24), senderId: senderIdFor(corrId), ...data }
    await client.createQueue({ corrId, mode: 'contact', link })
    const { session: agreed } = sessionOf(client).link
    const { version, range, sessionKeys, proxy } = agreed
    const REPLIES = 12
    const lgets = Array.from({ length: REPLIES }, () =>
      encodeTransmission(client.session.auth, randomBytes(24), { entityId: link.linkId, bytes: commands.lget() }),
    )
    const block = pad(Buffer.concat([Buffer.of(REPLIES), ...lgets.map(large)]), 16_384)

    // Time passes only while a block is sent: the turn is over then.
    let nowMs = 0
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => nowMs)
    try {
      const channel = new SlowChannel(() => (nowMs += 10))
      const smp = new SmpLink(channel, { version, range, sessionKeys, proxy })
      const session = new Session(setting.core, 0, smp, new Scheduler(), () => undefined)
      const held: number[] = []
      for (let turn = 0; turn < 120; turn++) {
        while (!channel.isPaused) channel.handlers?.block(Buffer.from(block))
        session.work(nowMs + 5)
        held.push(session.queued.sending)
      }
      session.close()
      expect(channel.written).toBe(120)
      expect(Math.max(...held)).toBe(REPLIES - 1)
    } finally {
      clock.mockRestore()
    }
  })
})

describe('a client that is subscribed and never reads', () => {
  it('is not pushed to beyond a few blocks, and gets every message once it reads', async () => {
    const [deaf, owner] = [await setting.connect(), await setting.connect()]
    const queues: Queue[] = []
    for (let count = 0; count < 12; count++) {
      const some = Array.from({ length: 50 }, () => owner.createQueue({ subscribe: false }))
      queues.push(...(await Promise.all(some)))
    }
    for (let at = 0; at < queues.length; at += 100) {
      const some = queues.slice(at, at + 100)
      await deaf.batch(some.map(({ rcvId, key }) => ({ entityId: rcvId, bytes: commands.sub(), key })))
    }
    const session = sessionOf(deaf)
    deaf.session.stream.socket.pause()
    let most = 0
    for (let at = 0; at < queues.length; at += 25) {
      await Promise.all(queues.slice(at, at + 25).map((queue) => owner.send(queue, body)))
      most = Math.max(most, heldFor(session))
    }
    expect(session.stalledAt).toBeDefined()
    expect(session.deferred.subscriptions.size).toBeGreaterThan(100)
    // Nor when it begins to read, and there is room for some of what was held back.
    for (let count = 0; count < 20; count++) {
      deaf.session.stream.socket.resume()
      await new Promise((resolve) => setTimeout(resolve, 2))
      deaf.session.stream.socket.pause()
      most = Math.max(most, heldFor(session))
    }
    expect(most).toBeLessThan(HIGH_WATER_MARK / 16_384 + 50)
    deaf.session.stream.socket.resume()
    const arrived = new Set<string>()
    for (const { length } of [queues])
      while (arrived.size < length) arrived.add((await deaf.nextEvent()).entityId.toString('hex'))
    expect(arrived).toEqual(new Set(queues.map(({ rcvId }) => rcvId.toString('hex'))))
    await deaf.noEvent()
  })

  it('is closed when the time is over, others are served all the while, and its messages stay', async () => {
    const [deaf, other, reading] = [await setting.connect(), await setting.connect(), await setting.connect()]
    const [queue] = await queuesWithMessages(other, 1)
    if (!queue) throw new Error('no queue')
    await reading.createQueue()
    deaf.session.stream.socket.pause()
    for (let count = 0; count < 20; count++) deaf.sendTransmissions(gets(deaf, queue, 60))
    const session = sessionOf(deaf)
    await stalled(session)
    setting.advance(5)
    // The relay looks every second; the client finds out when it reads again.
    for (const end = performance.now() + 1200; performance.now() < end;) expect(await other.ping()).toEqual(pong)
    expect(heldFor(session)).toBeLessThanOrEqual(60 + HIGH_WATER_MARK / 16_384 + 8)
    deaf.session.stream.socket.resume()
    await deaf.closed
    expect(await reading.ping()).toEqual(pong)
    expect(other.read(queue, await other.get(queue))).toMatchObject({ body })
  })
})

describe('a notification service that does not read', () => {
  it('gets nothing that waited for it once another connection has taken over', async () => {
    const service = { certificate: createServiceCertificate(), role: 'notifier' as const }
    const [owner, deaf] = [await setting.connect(), await setting.connect({ service })]
    const queues = [await owner.createQueue({ subscribe: false }), await owner.createQueue({ subscribe: false })]
    const notifiers = await Promise.all(queues.map((queue) => owner.nkey(queue)))
    const [rings, other] = notifiers
    const [queue] = queues
    if (!queue || !rings || !other) throw new Error('no notifier')
    await deaf.nsub(rings)
    deaf.session.stream.socket.pause()
    const ping = (): Buffer =>
      encodeTransmission(deaf.session.auth, randomBytes(24), { entityId: Buffer.alloc(0), bytes: commands.ping() })
    for (let count = 0; count < 1200; count++) deaf.sendTransmissions([ping()])
    await stalled(sessionOf(deaf))
    expect(await owner.send(queue, 'ring', { notify: true })).toEqual(ok)
    expect(sessionOf(deaf).deferred.notifiers.size).toBe(1)
    const next = await setting.connect({ service })
    await next.nsub(other)
    deaf.session.stream.socket.resume()
    const words: string[] = []
    while (words.length < 1201) words.push((await deaf.nextEvent()).reply.type)
    expect(words.filter((word) => word !== 'PONG')).toEqual(['ENDS'])
    await deaf.noEvent()
    await next.nsubs(0, Buffer.alloc(16))
    expect(await next.nextEvent()).toMatchObject({ entityId: rings.notifierId, reply: { type: 'NMSG' } })
  })
})
