import { describe, expect, it } from 'vitest'
import type { SmpClient } from '../client/client.ts'
import { commands } from '../client/commands.ts'
import { generateKey } from '../client/keys.ts'
import { decryptNotification, type Queue } from '../client/queue.ts'
import type { Received, ReplyOf } from '../client/replies.ts'
import { auth, authAlgs, err, ok, subscribed } from './setting.ts'
import { until, withTunedRelay } from './tuned.ts'

/** SOK since 16, DELD since 10, credentials in NEW since 17. */
const versions = [6, 9, 10, 15, 16, 17, 20] as const
const none = Buffer.alloc(0)
type Notifier = NonNullable<Queue['notifier']>

const setting = withTunedRelay({ quota: 4, timeouts: { expireNotifications: 20 } })

/** The notification in an event, which has to be one of this notifier. */
const opened = ({ notifierId, box }: Notifier, { corrId, entityId, reply }: Received) => {
  expect({ corrId, entityId, type: reply.type }).toEqual({ corrId: none, entityId: notifierId, type: 'NMSG' })
  return decryptNotification(box, reply as ReplyOf<'NMSG'>)
}

const ended = (version: number, { notifierId }: Notifier): Received => ({
  corrId: none,
  entityId: notifierId,
  reply: { type: version < 10 ? 'END' : 'DELD' },
})

const ring = async (client: SmpClient, queue: Queue, body = 'ring'): Promise<void> => {
  expect(await client.send(queue, body, { notify: true })).toEqual(ok)
}

describe.each(versions)('in version %i', (version) => {
  it('a notifier learns the id and the time of a message at once, and nothing else', async () => {
    const [recipient, sender, server] = [
      await setting.connect({ version }),
      await setting.connect({ version }),
      await setting.connect({ version }),
    ]
    const queue = await recipient.createQueue()
    const notifier = await recipient.nkey(queue)
    expect(notifier.notifierId.length).toBe(24)
    expect(await server.nsub(notifier)).toEqual(subscribed(version))
    await ring(sender, queue)
    const message = await recipient.receive(queue)
    const event = await server.nextEvent(1000)
    expect((event.reply as ReplyOf<'NMSG'>).encrypted.length).toBe(144)
    expect(opened(notifier, event)).toEqual({
      messageId: message.id,
      timestamp: message.type === 'message' ? message.timestamp : 0,
    })
    await server.noEvent()
  })

  it('NKEY again makes another id: the old one is ended and AUTH, the new one rings', async () => {
    const [recipient, server] = [await setting.connect({ version }), await setting.connect({ version })]
    const queue = await recipient.createQueue({ subscribe: false })
    const old = await recipient.nkey(queue)
    await server.nsub(old)
    const fresh = await recipient.nkey(queue)
    expect(fresh.notifierId).not.toEqual(old.notifierId)
    expect(await server.nextEvent(500)).toEqual(ended(version, old))
    expect(await server.nsub(old)).toEqual(auth)
    expect(await server.nsub(fresh)).toEqual(subscribed(version))
    await ring(recipient, queue)
    opened(fresh, await server.nextEvent(500))
  })

  it('NDEL ends the notifier, and is OK when there is none', async () => {
    const [recipient, server] = [await setting.connect({ version }), await setting.connect({ version })]
    const queue = await recipient.createQueue({ subscribe: false })
    expect(await recipient.ndel(queue)).toEqual(ok)
    const notifier = await recipient.nkey(queue)
    await server.nsub(notifier)
    expect(await recipient.ndel(queue)).toEqual(ok)
    expect(await server.nextEvent(500)).toEqual(ended(version, notifier))
    expect(await server.nsub(notifier)).toEqual(auth)
    expect(await recipient.ndel(queue)).toEqual(ok)
    await ring(recipient, queue)
    await server.noEvent()
  })

  it('DEL ends the notifier with its queue', async () => {
    const [recipient, server] = [await setting.connect({ version }), await setting.connect({ version })]
    const queue = await recipient.createQueue()
    const notifier = await recipient.nkey(queue)
    await server.nsub(notifier)
    expect(await recipient.del(queue)).toEqual(ok)
    expect(await server.nextEvent(500)).toEqual(ended(version, notifier))
    expect(await server.nsub(notifier)).toEqual(auth)
  })

  it('NKEY, NDEL and DEL on the connection that subscribes to the notifier end it without an event', async () => {
    const [client, other] = [await setting.connect({ version }), await setting.connect({ version })]
    const queue = await client.createQueue({ subscribe: false })
    const first = await client.nkey(queue)
    await client.nsub(first)
    const second = await client.nkey(queue)
    await client.nsub(second)
    expect(await client.ndel(queue)).toEqual(ok)
    const third = await client.nkey(queue)
    await client.nsub(third)
    await ring(other, queue)
    opened(third, await client.nextEvent(500))
    expect(await client.del(queue)).toEqual(ok)
    await client.noEvent()
  })

  it('NSUB on another connection sends END to the first, which gets no more notifications', async () => {
    const [recipient, one, other] = [
      await setting.connect({ version }),
      await setting.connect({ version }),
      await setting.connect({ version }),
    ]
    const queue = await recipient.createQueue({ subscribe: false })
    const notifier = await recipient.nkey(queue)
    await one.nsub(notifier)
    await one.nsub(notifier)
    expect(await other.nsub(notifier)).toEqual(subscribed(version))
    const end = { corrId: none, entityId: notifier.notifierId, reply: { type: 'END' } }
    expect(await one.nextEvent(500)).toEqual(end)
    await ring(recipient, queue)
    opened(notifier, await other.nextEvent(500))
    await one.noEvent()
  })

  it('what nobody is there to take waits, and follows the answer to NSUB in one block, oldest first', async () => {
    const recipient = await setting.connect({ version })
    const queue = await recipient.createQueue({ subscribe: false })
    const notifier = await recipient.nkey(queue)
    const ids: Buffer[] = []
    for (const body of ['one', 'two', 'three']) {
      await ring(recipient, queue, body)
      const message = recipient.read(queue, await recipient.get(queue))
      ids.push(message.id)
      await recipient.ack(queue, message.id)
    }
    const server = await setting.connect({ version, trace: true })
    expect(await server.nsub(notifier)).toEqual(subscribed(version))
    const events = [await server.nextEvent(), await server.nextEvent(), await server.nextEvent()]
    expect(events.map((event) => opened(notifier, event).messageId)).toEqual(ids)
    expect(server.trace.map((block) => block.length)).toEqual([4])
    const again = await setting.connect({ version })
    await again.nsub(notifier)
    await again.noEvent()
  })

  it.each(authAlgs(version))('NSUB is signed with the %s key of the notifier, and no other', async (alg) => {
    const client = await setting.connect({ version })
    const queue = await client.createQueue()
    const notifier = await client.nkey(queue, generateKey(alg))
    for (const other of authAlgs(version))
      expect(await client.nsub({ ...notifier, key: generateKey(other) })).toEqual(auth)
    expect(await client.nsub({ ...notifier, key: queue.key })).toEqual(auth)
    expect(await client.nsub({ ...notifier, notifierId: queue.rcvId })).toEqual(auth)
    expect(await client.sub({ ...queue, rcvId: notifier.notifierId, key: notifier.key })).toEqual(auth)
    expect(await client.nsub(notifier)).toEqual(subscribed(version))
  })
})

describe.each([17, 20])('NEW with notifier credentials in version %i', (version) => {
  it('makes a notifier whose notifications open with the key in IDS', async () => {
    const [recipient, server] = [await setting.connect({ version }), await setting.connect({ version })]
    const queue = await recipient.createQueue({ notifier: 'x25519', mode: 'contact' })
    const notifier = queue.notifier
    if (!notifier) throw new Error('no notifier in IDS')
    await server.nsub(notifier)
    await ring(recipient, queue)
    const message = await recipient.receive(queue)
    expect(opened(notifier, await server.nextEvent(500)).messageId).toEqual(message.id)
    const fresh = await recipient.nkey(queue)
    expect(await server.nextEvent(500)).toEqual(ended(version, notifier))
    expect(await server.nsub(fresh)).toEqual(subscribed(version))
  })
})

describe('notifications', () => {
  it('are not made for messages without the flag, nor for those that are refused', async () => {
    const [recipient, server] = [await setting.connect(), await setting.connect()]
    const queue = await recipient.createQueue({ subscribe: false })
    const notifier = await recipient.nkey(queue)
    await server.nsub(notifier)
    expect(await recipient.send(queue, 'silent')).toEqual(ok)
    expect(await recipient.send(queue, Buffer.alloc(16049), { notify: true })).toEqual(err('LARGE_MSG'))
    await recipient.key(queue, generateKey('ed25519'))
    expect(await recipient.send(queue, 'unsigned', { notify: true })).toEqual(auth)
    await server.noEvent()
  })

  it('are not made for the marker of a full queue', async () => {
    const [recipient, server] = [await setting.connect(), await setting.connect()]
    const queue = await recipient.createQueue({ subscribe: false })
    const notifier = await recipient.nkey(queue)
    await server.nsub(notifier)
    for (const body of ['1', '2', '3', '4']) {
      await ring(recipient, queue, body)
      opened(notifier, await server.nextEvent(500))
    }
    for (const body of ['5', '6']) expect(await recipient.send(queue, body, { notify: true })).toEqual(err('QUOTA'))
    await server.noEvent()
  })

  it('go to the subscriber of their own notifier only, many of them in order', async () => {
    const [recipient, one, other] = [await setting.connect(), await setting.connect(), await setting.connect()]
    const [first, second] = [await recipient.createQueue({ subscribe: false }), await recipient.createQueue()]
    const [mine, its] = [await recipient.nkey(first), await recipient.nkey(second)]
    await other.nsub(its)
    const ids: Buffer[] = []
    for (let index = 0; index < 200; index++) {
      await ring(recipient, first, `${index}`)
      const { id } = recipient.read(first, await recipient.get(first))
      ids.push(id)
      await recipient.ack(first, id)
    }
    await one.nsub(mine)
    const nonces = new Set<string>()
    for (const id of ids) {
      const event = await one.nextEvent()
      expect(opened(mine, event).messageId).toEqual(id)
      nonces.add((event.reply as ReplyOf<'NMSG'>).nonce.toString('hex'))
    }
    expect(nonces.size).toBe(200)
    await one.noEvent()
    await other.noEvent()
  })

  it('of messages that arrive together are sent in fewer blocks than there are of them', async () => {
    const recipient = await setting.connect()
    const server = await setting.connect({ trace: true })
    const queues: Queue[] = []
    for (let index = 0; index < 10; index++) {
      const queue = await recipient.createQueue({ subscribe: false, notifier: 'ed25519' })
      if (queue.notifier) await server.nsub(queue.notifier)
      queues.push(queue)
    }
    const before = server.trace.length
    await recipient.batch(queues.map(({ sndId }) => ({ entityId: sndId, bytes: commands.send(none, true) })))
    for (let index = 0; index < 10; index++) await server.nextEvent()
    expect(server.trace.length - before).toBeLessThanOrEqual(5)
  })

  it('stay for the next NSUB when the subscriber has gone', async () => {
    const [recipient, gone] = [await setting.connect(), await setting.connect()]
    const queue = await recipient.createQueue({ subscribe: false })
    const notifier = await recipient.nkey(queue)
    await gone.nsub(notifier)
    await gone.close()
    await until('the relay has noticed', () => setting.core.subscriptions.counts().notifiers === 0)
    await ring(recipient, queue)
    const server = await setting.connect()
    await server.nsub(notifier)
    opened(notifier, await server.nextEvent(500))
  })

  it('that wait for a notifier are gone with it', async () => {
    const [recipient, server] = [await setting.connect(), await setting.connect()]
    const [replaced, deleted] = [await recipient.createQueue(), await recipient.createQueue()]
    for (const queue of [replaced, deleted]) {
      await recipient.nkey(queue)
      await ring(recipient, queue)
    }
    const fresh = await recipient.nkey(replaced)
    await recipient.ndel(deleted)
    const later = await recipient.nkey(deleted)
    for (const notifier of [fresh, later]) expect(await server.nsub(notifier)).toEqual(subscribed(20))
    await server.noEvent()
  })

  it('that wait for longer than a day are dropped, newer ones are not', async () => {
    const recipient = await setting.connect()
    const queue = await recipient.createQueue({ subscribe: false })
    const notifier = await recipient.nkey(queue)
    await ring(recipient, queue, 'old')
    setting.advance(86_395)
    await ring(recipient, queue, 'newer')
    const { id } = recipient.read(queue, await recipient.get(queue))
    expect((await recipient.ack(queue, id)).type).toBe('OK')
    const newer = recipient.read(queue, await recipient.get(queue))
    const expired = setting.serving.stats.msgNtfExpired
    setting.advance(10)
    await until('the old one is dropped', () => setting.serving.stats.msgNtfExpired > expired)
    const server = await setting.connect()
    await server.nsub(notifier)
    expect(opened(notifier, await server.nextEvent(500)).messageId).toEqual(newer.id)
    await server.noEvent()
  })

  it('and notifiers outlive a restart', async () => {
    const recipient = await setting.connect()
    const queue = await recipient.createQueue({ subscribe: false })
    const notifier = await recipient.nkey(queue)
    await ring(recipient, queue)
    await setting.restart()
    const server = await setting.connect()
    expect(await server.nsub(notifier)).toEqual(subscribed(20))
    const { messageId } = opened(notifier, await server.nextEvent(500))
    expect(server.read(queue, await server.get(queue)).id).toEqual(messageId)
    await ring(server, queue)
    opened(notifier, await server.nextEvent(500))
  })
})
