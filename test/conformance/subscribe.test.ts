import { describe, expect, it } from 'vitest'
import type { SmpClient } from '../client/client.ts'
import type { Queue } from '../client/queue.ts'
import { auth, authAlgs, noMessage, ok, prohibited, subscribed, versions, withRelay } from './setting.ts'

const setting = withRelay()
const none = Buffer.alloc(0)

const twoClients = async (version: number): Promise<[SmpClient, SmpClient]> =>
  Promise.all([setting.connect({ version }), setting.connect({ version })])

describe.each(versions)('SUB in version %i', (version) => {
  it.each(authAlgs(version))('with an %s key is answered, then the first message follows on its own', async (alg) => {
    const [recipient, sender] = await twoClients(version)
    const queue = await recipient.createQueue({ auth: alg, subscribe: false })
    expect(await recipient.sub(queue)).toEqual(subscribed(version))
    await recipient.noEvent()
    const later = await setting.connect({ version })
    await sender.send(queue, 'first')
    expect(await recipient.receive(queue)).toMatchObject({ body: Buffer.from('first') })
    expect(await later.sub(queue)).toEqual(subscribed(version))
    expect(await later.receive(queue)).toMatchObject({ body: Buffer.from('first') })
  })

  it.each(authAlgs(version))('with a wrong %s key, or by the sender id, is AUTH', async (alg) => {
    const [recipient, other] = await twoClients(version)
    const queue = await recipient.createQueue({ auth: alg })
    const { key } = await other.createQueue({ auth: alg })
    expect(await recipient.sub({ ...queue, key })).toEqual(auth)
    expect(await recipient.sub({ ...queue, rcvId: queue.sndId })).toEqual(auth)
    for (const otherAlg of authAlgs(version).filter((one) => one !== alg)) {
      const { key: otherKind } = await other.createQueue({ auth: otherAlg })
      expect(await recipient.sub({ ...queue, key: otherKind })).toEqual(auth)
    }
  })

  it('again on the same connection delivers the first message again, and nothing ends', async () => {
    const [recipient, sender] = await twoClients(version)
    const queue = await recipient.createQueue()
    await sender.send(queue, 'one')
    await sender.send(queue, 'two')
    const first = await recipient.receive(queue)
    expect(await recipient.sub(queue)).toEqual(subscribed(version))
    expect(await recipient.receive(queue)).toEqual(first)
    await recipient.noEvent()
    expect(recipient.read(queue, await recipient.ack(queue, first.id))).toMatchObject({ body: Buffer.from('two') })
  })

  it('on another connection sends END to the first at once, which gets no more messages', async () => {
    const [one, other] = await twoClients(version)
    const queue = await one.createQueue()
    expect(await other.sub(queue)).toEqual(subscribed(version))
    expect(await one.nextEvent(500)).toEqual({ corrId: none, entityId: queue.rcvId, reply: { type: 'END' } })
    await other.send(queue, 'hello')
    expect(await other.receive(queue)).toMatchObject({ body: Buffer.from('hello') })
    await one.noEvent()
  })

  it('after END the first connection has nothing to acknowledge', async () => {
    const [one, other] = await twoClients(version)
    const queue = await one.createQueue()
    await one.send(queue, 'hello')
    const message = await one.receive(queue)
    await other.sub(queue)
    expect(await other.receive(queue)).toEqual(message)
    expect((await one.nextEvent(500)).reply).toEqual({ type: 'END' })
    expect(await one.ack(queue, message.id)).toEqual(noMessage)
    expect(await other.ack(queue, message.id)).toEqual(ok)
  })

  it('back and forth ends the other each time, and only the last gets messages', async () => {
    const [one, other] = await twoClients(version)
    const queue = await one.createQueue()
    for (let round = 0; round < 3; round++) {
      await other.sub(queue)
      expect((await one.nextEvent(500)).reply).toEqual({ type: 'END' })
      await one.sub(queue)
      expect((await other.nextEvent(500)).reply).toEqual({ type: 'END' })
    }
    await other.send(queue, 'hello')
    expect(await one.receive(queue)).toMatchObject({ body: Buffer.from('hello') })
    await other.noEvent()
  })

  it('after GET of the same queue on the same connection is PROHIBITED, and GET after SUB, too', async () => {
    const [one, other] = await twoClients(version)
    const queue = await one.createQueue({ subscribe: false })
    expect(await one.get(queue)).toEqual(ok)
    expect(await one.sub(queue)).toEqual(prohibited)
    expect(await other.sub(queue)).toEqual(subscribed(version))
    expect(await other.get(queue)).toEqual(prohibited)
    await one.noEvent()
  })

  it('of several queues in one block brings every first message', async () => {
    const [recipient, sender] = await twoClients(version)
    const queues: Queue[] = []
    for (let index = 0; index < 6; index++) queues.push(await sender.createQueue({ subscribe: false }))
    for (const [index, queue] of queues.entries()) await sender.send(queue, `to ${index}`)
    const bytes = Buffer.from('SUB')
    const replies = await recipient.batch(queues.map(({ rcvId, key }) => ({ entityId: rcvId, bytes, key })))
    expect(replies).toEqual(queues.map(() => subscribed(version)))
    const bodies = new Set<string>()
    while (bodies.size < queues.length) {
      const { entityId, reply } = await recipient.nextEvent()
      const queue = queues.find(({ rcvId }) => rcvId.equals(entityId))
      if (!queue) throw new Error('a message of no queue')
      const message = recipient.read(queue, reply)
      if (message.type === 'message') bodies.add(message.body.toString())
    }
    expect(bodies).toEqual(new Set(queues.map((_, index) => `to ${index}`)))
    await recipient.noEvent()
  })
})

describe('between the answer to NEW or SUB and the next message nothing is lost', () => {
  const inTurns = async (count: number, width: number, one: (index: number) => Promise<void>): Promise<void> => {
    let next = 0
    const worker = async (): Promise<void> => {
      for (let index = next++; index < count; index = next++) await one(index)
    }
    await Promise.all(Array.from({ length: width }, worker))
  }

  const connectWithMailbox = async (): Promise<{ client: SmpClient; arrived: Map<string, number> }> => {
    const arrived = new Map<string, number>()
    const client = await setting.connect({
      onEvent: ({ entityId, reply }) => {
        if (reply.type !== 'MSG') return
        const id = entityId.toString('hex')
        arrived.set(id, (arrived.get(id) ?? 0) + 1)
      },
    })
    return { client, arrived }
  }

  const untilAllArrived = async (arrived: Map<string, number>, count: number): Promise<void> => {
    for (let waited = 0; arrived.size < count && waited < 5000; waited += 20)
      await new Promise((resolve) => setTimeout(resolve, 20))
    expect(arrived.size).toBe(count)
    expect([...arrived.values()].filter((times) => times !== 1)).toEqual([])
  }

  it('500 times: NEW, then SEND on another connection', async () => {
    const { client, arrived } = await connectWithMailbox()
    const sender = await setting.connect()
    await inTurns(500, 16, async () => {
      const queue = await client.createQueue({ subscribe: true })
      expect(await sender.send(queue, 'at once')).toEqual(ok)
    })
    await untilAllArrived(arrived, 500)
  })

  it('500 times: SUB, then SEND on another connection', async () => {
    const { client, arrived } = await connectWithMailbox()
    const sender = await setting.connect()
    await inTurns(500, 16, async () => {
      const queue = await sender.createQueue({ subscribe: false })
      await client.sub(queue)
      expect(await sender.send(queue, 'at once')).toEqual(ok)
    })
    await untilAllArrived(arrived, 500)
  })

  it('500 times: SUB and SEND at the same moment', async () => {
    const { client, arrived } = await connectWithMailbox()
    const sender = await setting.connect()
    await inTurns(500, 16, async () => {
      const queue = await sender.createQueue({ subscribe: false })
      await Promise.all([client.sub(queue), sender.send(queue, 'at once')])
    })
    await untilAllArrived(arrived, 500)
  })

  it('100 times: the subscriber moves to another connection while messages are sent', async () => {
    const { client, arrived } = await connectWithMailbox()
    const [sender, first] = [await setting.connect(), await setting.connect({ onEvent: () => undefined })]
    await inTurns(100, 8, async () => {
      const queue = await first.createQueue({ subscribe: true })
      await Promise.all([client.sub(queue), sender.send(queue, 'at once')])
    })
    await untilAllArrived(arrived, 100)
  })
})
