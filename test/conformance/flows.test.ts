import { describe, expect, it } from 'vitest'
import { generateKey } from '../client/keys.ts'
import { auth, authAlgs, err, noMessage, ok, prohibited, subscribed, versions, withRelay } from './setting.ts'

const setting = withRelay()
const none = Buffer.alloc(0)

describe.each(versions)('in version %i', (version) => {
  const alg = authAlgs(version).at(-1) ?? 'ed25519'

  it('a conversation between two: create, send, receive, secure, acknowledge, delete', async () => {
    const [alice, bob] = [await setting.connect({ version }), await setting.connect({ version })]
    const queue = await alice.createQueue({ auth: alg })
    expect(await bob.send(queue, 'hello')).toEqual(ok)
    const hello = await alice.receive(queue)
    expect(hello).toMatchObject({ body: Buffer.from('hello') })
    expect(await alice.ack(queue, hello.id)).toEqual(ok)
    expect(await alice.ack(queue, hello.id)).toEqual(noMessage)
    const key = generateKey(alg)
    expect(await alice.key(queue, key)).toEqual(ok)
    expect(await bob.send(queue, 'secured', { key })).toEqual(ok)
    const secured = await alice.receive(queue)
    expect(await alice.ack(queue, secured.id)).toEqual(ok)
    expect(await alice.del(queue)).toEqual(ok)
    expect(await bob.send(queue, 'too late', { key })).toEqual(auth)
  })

  it('GET on one connection and SUB on another see the same messages', async () => {
    const [a, b] = [await setting.connect({ version }), await setting.connect({ version })]
    const queue = await a.createQueue({ auth: alg })
    for (const body of ['1', '2', '3', '4']) expect(await b.send(queue, body)).toEqual(ok)
    const m1 = await a.receive(queue)
    expect(b.read(queue, await b.get(queue))).toEqual(m1)
    expect(await a.get(queue)).toEqual(prohibited)
    expect(await b.sub(queue)).toEqual(prohibited)
    const m2 = a.read(queue, await a.ack(queue, m1.id))
    expect(m2).toMatchObject({ body: Buffer.from('2') })
    expect(await b.ack(queue, Buffer.from('1234'))).toEqual(noMessage)
    expect(await b.ack(queue, m1.id)).toEqual(ok)
    expect(b.read(queue, await b.get(queue))).toEqual(m2)
    expect(await b.ack(queue, m2.id)).toEqual(ok)
    const m3 = b.read(queue, await b.get(queue))
    expect(m3).toMatchObject({ body: Buffer.from('3') })
    expect(a.read(queue, await a.ack(queue, m2.id))).toEqual(m3)
    const m4 = a.read(queue, await a.ack(queue, m3.id))
    expect(m4).toMatchObject({ body: Buffer.from('4') })
    expect(await a.ack(queue, m4.id)).toEqual(ok)
    expect(await b.get(queue)).toEqual(ok)
  })

  it('a message that was delivered but not acknowledged comes again on the next connection', async () => {
    const [first, sender] = [await setting.connect({ version }), await setting.connect({ version })]
    const queue = await first.createQueue({ auth: alg })
    await sender.send(queue, 'one')
    await sender.send(queue, 'two')
    const one = await first.receive(queue)
    await first.close()
    const second = await setting.connect({ version })
    expect(await second.sub(queue)).toEqual(subscribed(version))
    expect(await second.receive(queue)).toEqual(one)
    const two = second.read(queue, await second.ack(queue, one.id))
    expect(two).toMatchObject({ body: Buffer.from('two') })
  })

  it('the subscription of a closed connection receives no END, and ends no other', async () => {
    const [first, second] = [await setting.connect({ version }), await setting.connect({ version })]
    const queue = await first.createQueue({ auth: alg })
    await second.sub(queue)
    await first.nextEvent(500)
    await first.close()
    await second.send(queue, 'hello')
    expect(await second.receive(queue)).toMatchObject({ body: Buffer.from('hello') })
    await second.noEvent()
  })
})

describe('versions on both ends differ:', () => {
  it.each([
    [6, 19],
    [19, 6],
    [8, 11],
    [11, 8],
    [9, 15],
    [17, 10],
  ])('a v%i sender reaches a v%i recipient', async (senderVersion, recipientVersion) => {
    const sender = await setting.connect({ version: senderVersion })
    const recipient = await setting.connect({ version: recipientVersion })
    const queue = await recipient.createQueue()
    expect(await sender.send(queue, 'hello')).toEqual(ok)
    expect(await recipient.receive(queue)).toMatchObject({ body: Buffer.from('hello') })
  })

  it('a body of 16,088 bytes from v6 reaches v19', async () => {
    const [sender, recipient] = [await setting.connect({ version: 6 }), await setting.connect({ version: 19 })]
    const queue = await recipient.createQueue()
    const body = Buffer.alloc(16088, 'x')
    expect(await sender.send(queue, body)).toEqual(ok)
    expect(await recipient.receive(queue)).toMatchObject({ body })
  })

  it('a queue created in v6 is subscribed in v19, and the other way round', async () => {
    const [old, recent] = [await setting.connect({ version: 6 }), await setting.connect({ version: 19 })]
    const [one, other] = [await old.createQueue(), await recent.createQueue()]
    expect(await recent.sub(one)).toEqual(subscribed(19))
    expect(await old.sub(other)).toEqual(ok)
    expect(await old.nextEvent(500)).toEqual({ corrId: none, entityId: one.rcvId, reply: { type: 'END' } })
  })
})

describe('after a restart', () => {
  const own = withRelay()

  it('queues, keys and messages are there, and what was not acknowledged comes again', async () => {
    const before = await own.connect()
    const queue = await before.createQueue({ auth: 'x25519', mode: 'messaging' })
    const key = generateKey('ed25519')
    await before.skey(queue, key)
    for (const body of ['one', 'two', 'three']) await before.send(queue, body, { key })
    const one = await before.receive(queue)
    const two = before.read(queue, await before.ack(queue, one.id))
    await own.restart()
    await before.closed
    const after = await own.connect()
    expect(await after.sub(queue)).toEqual(subscribed(after.version))
    expect(await after.receive(queue)).toEqual(two)
    const three = after.read(queue, await after.ack(queue, two.id))
    expect(three).toMatchObject({ body: Buffer.from('three') })
    expect(await after.send(queue, 'unsigned')).toEqual(auth)
    expect(await after.send(queue, 'signed', { key })).toEqual(ok)
    expect(await after.skey(queue, generateKey('ed25519'))).toEqual(auth)
  })
})

describe('after a restart of a relay with a quota of 4', () => {
  const own = withRelay({ quota: 4 })

  it('a full queue is still full, goes on where it was, and ends with its marker', async () => {
    const before = await own.connect()
    const queue = await before.createQueue()
    const bodyOf = (n: number) => ({ body: Buffer.from(`${n}`) })
    await before.send(queue, '1')
    expect(await before.ack(queue, (await before.receive(queue)).id)).toEqual(ok)
    await before.close()
    const sender = await own.connect()
    for (const body of ['2', '3', '4', '5']) expect(await sender.send(queue, body)).toEqual(ok)
    expect(await sender.send(queue, '6')).toEqual(err('QUOTA'))

    await own.restart()
    const first = await own.connect()
    expect(await first.send(queue, '6')).toEqual(err('QUOTA'))
    expect(await first.sub(queue)).toEqual(subscribed(first.version))
    const two = await first.receive(queue)
    expect(two).toMatchObject(bodyOf(2))
    const three = first.read(queue, await first.ack(queue, two.id))
    expect(three).toMatchObject(bodyOf(3))
    const four = first.read(queue, await first.ack(queue, three.id))
    expect(four).toMatchObject(bodyOf(4))

    await own.restart()
    const second = await own.connect()
    expect(await second.sub(queue)).toEqual(subscribed(second.version))
    expect(await second.receive(queue)).toEqual(four)
    const five = second.read(queue, await second.ack(queue, four.id))
    expect(five).toMatchObject(bodyOf(5))
    const marker = second.read(queue, await second.ack(queue, five.id))
    expect(marker.type).toBe('quota')
    expect(await second.send(queue, '6')).toEqual(err('QUOTA'))
    expect(await second.ack(queue, marker.id)).toEqual(ok)
    expect(await second.send(queue, '6')).toEqual(ok)
    expect(await second.receive(queue)).toMatchObject(bodyOf(6))
  })
})

describe.each(versions)('in version %i', (version) => {
  it('of two messages sent at the same moment one is pushed, and its ACK brings the other, 50 times', async () => {
    const [recipient, one, two] = [
      await setting.connect({ version }),
      await setting.connect({ version }),
      await setting.connect({ version }),
    ]
    const queue = await recipient.createQueue()
    for (let round = 0; round < 50; round++) {
      expect(await Promise.all([one.send(queue, 'one'), two.send(queue, 'two')])).toEqual([ok, ok])
      const first = await recipient.receive(queue)
      const second = recipient.read(queue, await recipient.ack(queue, first.id))
      const bodies = [first, second].map((message) => (message.type === 'message' ? message.body.toString() : ''))
      expect(bodies.toSorted()).toEqual(['one', 'two'])
      expect(await recipient.ack(queue, second.id)).toEqual(ok)
    }
  })
})
