import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { commands } from '../client/commands.ts'
import { expectReply } from '../client/client.ts'
import { generateKey } from '../client/keys.ts'
import type { Queue } from '../client/queue.ts'
import { auth, authAlgs, err, maxBody, noMessage, ok, subscribed, versions, withRelay } from './setting.ts'

const setting = withRelay()
const none = Buffer.alloc(0)

describe.each(versions)('SEND in version %i', (version) => {
  it.each(authAlgs(version))('signed with %s delivers body, flag and time to the subscriber, once', async (alg) => {
    const [recipient, sender] = [await setting.connect({ version }), await setting.connect({ version })]
    const queue = await recipient.createQueue({ auth: alg })
    const key = generateKey(alg)
    await recipient.key(queue, key)
    const before = Math.floor(Date.now() / 1000)
    expect(await sender.send(queue, 'hello', { key, notify: true })).toEqual(ok)
    const event = await recipient.nextEvent()
    expect(event.corrId).toEqual(none)
    expect(event.entityId).toEqual(queue.rcvId)
    const message = recipient.read(queue, event.reply)
    expect(message).toMatchObject({ type: 'message', body: Buffer.from('hello'), notify: true })
    expect(message.id.length).toBe(24)
    expect(message.timestamp).toBeGreaterThanOrEqual(before)
    expect(message.timestamp).toBeLessThanOrEqual(Math.ceil(Date.now() / 1000))
    await recipient.noEvent()
  })

  it('takes the largest body of its version and no byte more', async () => {
    const client = await setting.connect({ version })
    const queue = await client.createQueue()
    const body = randomBytes(maxBody(version))
    expect(await client.send(queue, Buffer.concat([body, Buffer.of(1)]))).toEqual(err('LARGE_MSG'))
    expect(await client.send(queue, body)).toEqual(ok)
    expect(await client.receive(queue)).toMatchObject({ body })
  })

  it('checks the authorization before the size', async () => {
    const client = await setting.connect({ version })
    const queue = await client.createQueue()
    const key = generateKey('ed25519')
    const large = randomBytes(maxBody(version) + 1)
    expect(await client.send(queue, large, { key })).toEqual(auth)
    await client.key(queue, key)
    expect(await client.send(queue, large)).toEqual(auth)
    expect(await client.send(queue, large, { key })).toEqual(err('LARGE_MSG'))
  })

  it('takes an empty body, and one full of spaces and line ends', async () => {
    const client = await setting.connect({ version })
    const queue = await client.createQueue()
    for (const body of [none, Buffer.from(' \n\r\n  '), Buffer.from('QUOTA 12345678')]) {
      expect(await client.send(queue, body)).toEqual(ok)
      const message = await client.receive(queue)
      expect(message).toMatchObject({ type: 'message', body })
      expect(await client.ack(queue, message.id)).toEqual(ok)
    }
  })

  it('unsigned is OK any number of times until a key is set; signed is AUTH', async () => {
    const client = await setting.connect({ version })
    const queue = await client.createQueue()
    for (const body of ['one', 'two', 'three']) expect(await client.send(queue, body)).toEqual(ok)
    for (const alg of authAlgs(version))
      expect(await client.send(queue, 'signed', { key: generateKey(alg) })).toEqual(auth)
  })

  it('to the recipient id is AUTH', async () => {
    const client = await setting.connect({ version })
    const { rcvId } = await client.createQueue()
    expect(await client.send(rcvId, 'hello')).toEqual(auth)
  })

  it('while a message waits for its ACK pushes nothing', async () => {
    const client = await setting.connect({ version })
    const queue = await client.createQueue()
    await client.send(queue, 'one')
    await client.send(queue, 'two')
    expect(await client.receive(queue)).toMatchObject({ body: Buffer.from('one') })
    await client.noEvent()
  })

  it('to a queue of the own connection is pushed before it is answered, in a block of its own', async () => {
    const client = await setting.connect({ version, trace: true })
    const queues = [await client.createQueue(), await client.createQueue()]
    client.trace.length = 0
    const send = (queue: Queue) => ({ entityId: queue.sndId, bytes: commands.send(Buffer.from('hello'), false) })
    expect(await client.batch(queues.map(send))).toEqual([ok, ok])
    expect(client.trace.map((block) => block.map(({ reply }) => reply.type))).toEqual([['MSG'], ['MSG'], ['OK', 'OK']])
    for (const queue of queues) expect(await client.receive(queue)).toMatchObject({ body: Buffer.from('hello') })
  })

  it('a, b and c in one block are delivered as a, b, c', async () => {
    const client = await setting.connect({ version })
    const queue = await client.createQueue()
    const bodies = ['a', 'b', 'c', 'd', 'e']
    const replies = await client.batch(
      bodies.map((body) => ({ entityId: queue.sndId, bytes: commands.send(Buffer.from(body), false) })),
    )
    expect(replies).toEqual(bodies.map(() => ok))
    let message = await client.receive(queue)
    for (const [index, body] of bodies.entries()) {
      expect(message).toMatchObject({ body: Buffer.from(body) })
      const reply = await client.ack(queue, message.id)
      if (index === bodies.length - 1) expect(reply).toEqual(ok)
      else message = client.read(queue, reply)
    }
  })
})

describe.each(versions)('ACK in version %i', (version) => {
  it('deletes the message and answers with the next one, under its own corrId', async () => {
    const client = await setting.connect({ version })
    const queue = await client.createQueue()
    for (const body of ['one', 'two', 'three']) await client.send(queue, body)
    const one = await client.receive(queue)
    const two = client.read(queue, await client.ack(queue, one.id))
    expect(two).toMatchObject({ body: Buffer.from('two') })
    const three = client.read(queue, await client.ack(queue, two.id))
    expect(three).toMatchObject({ body: Buffer.from('three') })
    expect(await client.ack(queue, three.id)).toEqual(ok)
    expect(await client.ack(queue, three.id)).toEqual(noMessage)
    await client.noEvent()
  })

  it('of another id, or with nothing delivered, is NO_MSG', async () => {
    const client = await setting.connect({ version })
    const queue = await client.createQueue()
    expect(await client.ack(queue, randomBytes(24))).toEqual(noMessage)
    expect(await client.ack(queue, none)).toEqual(noMessage)
    await client.send(queue, 'one')
    const message = await client.receive(queue)
    expect(await client.ack(queue, randomBytes(24))).toEqual(noMessage)
    expect(await client.ack(queue, message.id.subarray(0, 23))).toEqual(noMessage)
    expect(await client.ack(queue, message.id)).toEqual(ok)
  })

  it('with an empty id brings the same message again and deletes nothing', async () => {
    const client = await setting.connect({ version })
    const queue = await client.createQueue()
    await client.send(queue, 'one')
    const message = await client.receive(queue)
    expect(client.read(queue, await client.ack(queue, none))).toEqual(message)
    expect(await client.ack(queue, message.id)).toEqual(ok)
  })

  it('on a connection that does not subscribe is NO_MSG', async () => {
    const [one, other] = [await setting.connect({ version }), await setting.connect({ version })]
    const queue = await one.createQueue()
    await one.send(queue, 'hello')
    const { id } = await one.receive(queue)
    expect(await other.ack(queue, id)).toEqual(noMessage)
    expect(await one.ack(queue, id)).toEqual(ok)
  })

  it('makes room for the next push', async () => {
    const client = await setting.connect({ version })
    const queue = await client.createQueue()
    for (const body of ['one', 'two', 'three']) {
      await client.send(queue, body)
      const message = await client.receive(queue)
      expect(message).toMatchObject({ body: Buffer.from(body) })
      expect(await client.ack(queue, message.id)).toEqual(ok)
    }
  })
})

describe.each(versions)('GET in version %i', (version) => {
  it('answers with the first message until it is acknowledged, then OK', async () => {
    const client = await setting.connect({ version })
    const queue = await client.createQueue({ subscribe: false })
    expect(await client.get(queue)).toEqual(ok)
    await client.send(queue, 'one')
    await client.send(queue, 'two')
    const one = expectReply(await client.get(queue), 'MSG')
    expect(await client.get(queue)).toEqual(one)
    expect(client.read(queue, one)).toMatchObject({ body: Buffer.from('one') })
    expect(await client.ack(queue, one.messageId)).toEqual(ok)
    const two = client.read(queue, await client.get(queue))
    expect(two).toMatchObject({ body: Buffer.from('two') })
    expect(await client.ack(queue, two.id)).toEqual(ok)
    expect(await client.ack(queue, two.id)).toEqual(noMessage)
    expect(await client.get(queue)).toEqual(ok)
    await client.noEvent()
  })

  it('that finds nothing leaves nothing to acknowledge', async () => {
    const [one, other] = [await setting.connect({ version }), await setting.connect({ version })]
    const queue = await one.createQueue({ subscribe: false })
    await one.send(queue, 'hello')
    const message = one.read(queue, await one.get(queue))
    await other.get(queue)
    expect(await other.ack(queue, message.id)).toEqual(ok)
    expect(await one.get(queue)).toEqual(ok)
    expect(await one.ack(queue, message.id)).toEqual(noMessage)
  })

  it('pushes nothing', async () => {
    const client = await setting.connect({ version })
    const queue = await client.createQueue({ subscribe: false })
    await client.get(queue)
    await client.send(queue, 'one')
    await client.noEvent()
  })
})

describe.each(versions)('in version %i a subscriber with a message to acknowledge', (version) => {
  it('gets no other pushed, not even when somebody else emptied the queue', async () => {
    const [one, other] = [await setting.connect({ version }), await setting.connect({ version })]
    const queue = await one.createQueue()
    await other.send(queue, 'one')
    const message = await one.receive(queue)
    await other.get(queue)
    expect(await other.ack(queue, message.id)).toEqual(ok)
    expect(await other.send(queue, 'two')).toEqual(ok)
    await one.noEvent()
    expect(one.read(queue, await one.ack(queue, message.id))).toMatchObject({ body: Buffer.from('two') })
  })
})

describe.each(versions)('OFF in version %i', (version) => {
  it('refuses SEND for ever and lets the rest work', async () => {
    const client = await setting.connect({ version })
    const queue = await client.createQueue()
    const key = generateKey('ed25519')
    await client.key(queue, key)
    await client.send(queue, 'before', { key })
    expect(await client.off(queue)).toEqual(ok)
    expect(await client.off(queue)).toEqual(ok)
    expect(await client.send(queue, 'after', { key })).toEqual(auth)
    expect(await client.sub(queue)).toEqual(subscribed(version))
    const message = await client.receive(queue)
    expect(message).toMatchObject({ body: Buffer.from('before') })
    await client.nextEvent()
    expect(await client.ack(queue, message.id)).toEqual(ok)
    expect(await client.key(queue, key)).toEqual(ok)
    expect(await client.del(queue)).toEqual(ok)
  })
})

describe.each(versions)('DEL in version %i', (version) => {
  const ended = { type: version < 10 ? 'END' : 'DELD' }

  it('deletes the queue for everybody', async () => {
    const client = await setting.connect({ version })
    const queue = await client.createQueue()
    const key = generateKey('ed25519')
    await client.key(queue, key)
    await client.send(queue, 'unread', { key })
    await client.receive(queue)
    expect(await client.del(queue)).toEqual(ok)
    expect(await client.del(queue)).toEqual(auth)
    expect(await client.sub(queue)).toEqual(auth)
    expect(await client.get(queue)).toEqual(auth)
    expect(await client.send(queue, 'hello', { key })).toEqual(auth)
    expect(await client.send(queue, 'hello')).toEqual(auth)
    expect(await client.skey(queue, key)).toEqual(auth)
    await client.noEvent()
  })

  it('tells another subscriber at once, and nobody else', async () => {
    const [one, other, third] = [
      await setting.connect({ version }),
      await setting.connect({ version }),
      await setting.connect({ version }),
    ]
    const queue = await one.createQueue()
    expect(await other.del(queue)).toEqual(ok)
    expect(await one.nextEvent(500)).toEqual({ corrId: none, entityId: queue.rcvId, reply: ended })
    await Promise.all([one, other, third].map((client) => client.noEvent()))
    expect(await one.ack(queue, none)).toEqual(auth)
  })
})

describe.each(versions)('NKEY, NSUB and NDEL in version %i', (version) => {
  const ended = { type: version < 10 ? 'END' : 'DELD' }

  it('notify of flagged messages, replace and delete notifiers', async () => {
    const [recipient, server, other] = [
      await setting.connect({ version }),
      await setting.connect({ version }),
      await setting.connect({ version }),
    ]
    const queue = await recipient.createQueue()
    expect(await recipient.ndel(queue)).toEqual(ok)
    const first = await recipient.nkey(queue)
    const second = await recipient.nkey(queue)
    expect(first.notifierId).not.toEqual(second.notifierId)
    expect(await server.nsub(first)).toEqual(auth)
    expect(await server.nsub(second)).toEqual(subscribed(version))
    await recipient.send(queue, 'quiet', { notify: false })
    await recipient.send(queue, 'loud', { notify: true })
    expect(await server.nextEvent()).toMatchObject({ entityId: second.notifierId, reply: { type: 'NMSG' } })
    expect(await other.nsub(second)).toEqual(subscribed(version))
    expect(await server.nextEvent(500)).toEqual({ corrId: none, entityId: second.notifierId, reply: { type: 'END' } })
    expect(await recipient.ndel(queue)).toEqual(ok)
    expect(await other.nextEvent(500)).toEqual({ corrId: none, entityId: second.notifierId, reply: ended })
    expect(await other.nsub(second)).toEqual(auth)
  })
})
