import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { createServiceCertificate } from '../client/certificates.ts'
import { connectClient, type ClientOptions, type SmpClient } from '../client/client.ts'
import { sharedPostgres } from '../postgres/database.ts'
import { startTestRelay, type TestRelay } from './relay.ts'
import { err, ok, subscribed } from './setting.ts'

const VERSION = 19
let first: TestRelay
let second: TestRelay
const clients: SmpClient[] = []

beforeAll(async () => {
  process.env.SMP_TEST_STORE = 'postgres'
  first = await startTestRelay()
  second = await first.another()
})
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()))
})
afterAll(async () => {
  await second.stop()
  await first.stop()
})

const at = async (relay: TestRelay, options: ClientOptions = {}): Promise<SmpClient> => {
  const client = await connectClient(relay.address, { version: VERSION, ...options })
  clients.push(client)
  return client
}

describe('two relays on one database', () => {
  it('push at one what is sent at the other, in order, and acknowledge it at either', async () => {
    const [recipient, sender] = [await at(first), await at(second)]
    const queue = await recipient.createQueue()
    for (const text of ['one', 'two', 'three']) expect(await sender.send(queue, text)).toEqual(ok)
    const message = await recipient.receive(queue)
    expect(message.type === 'message' && message.body.toString()).toBe('one')
    const next = recipient.read(queue, await recipient.ack(queue, message.id))
    expect(next.type === 'message' && next.body.toString()).toBe('two')
  })

  it('keep one subscriber for a queue: the one before hears END, and is pushed nothing more', async () => {
    const [one, other, sender] = [await at(first), await at(second), await at(first)]
    const queue = await one.createQueue()
    expect(await other.sub(queue)).toEqual(subscribed(VERSION))
    expect((await one.nextEvent(5000)).reply).toEqual({ type: 'END' })
    await sender.send(queue, 'hello')
    expect((await other.receive(queue)).type).toBe('message')
    await one.noEvent()
    expect(await one.sub(queue)).toEqual(subscribed(VERSION))
    expect((await other.nextEvent(5000)).reply).toEqual({ type: 'END' })
    expect((await one.receive(queue)).type).toBe('message')
  })

  it('tell the subscriber at the one that the queue was deleted at the other', async () => {
    const [recipient, owner] = [await at(first), await at(second)]
    const queue = await recipient.createQueue()
    expect(await owner.del(queue)).toEqual(ok)
    expect((await recipient.nextEvent(5000)).reply).toEqual({ type: 'DELD' })
    expect(await recipient.sub(queue)).toEqual(err('AUTH'))
  })

  it('send notifications to a subscriber at the one of messages that arrive at the other', async () => {
    const [recipient, notified, sender] = [await at(first), await at(first), await at(second)]
    const queue = await recipient.createQueue()
    const notifier = await recipient.nkey(queue)
    await notified.nsub(notifier)
    await sender.send(queue, 'hello', { notify: true })
    expect((await notified.nextEvent(5000)).reply.type).toBe('NMSG')
    const elsewhere = await at(second)
    await elsewhere.nsub(notifier)
    expect((await notified.nextEvent(5000)).reply).toEqual({ type: 'END' })
    await recipient.ndel(queue)
    expect((await elsewhere.nextEvent(5000)).reply).toEqual({ type: 'DELD' })
  })

  it('keep one connection of a service: the one before hears ENDS', async () => {
    const service = { certificate: createServiceCertificate(), role: 'messaging' } as const
    const one = await at(first, { service })
    const queue = await one.createQueue()
    const other = await at(second, { service })
    await other.sub(queue)
    expect((await one.nextEvent(5000)).reply.type).toBe('ENDS')
    await (await at(first)).send(queue, 'hello')
    expect((await other.receive(queue)).type).toBe('message')
  })

  it('with different settings each go by their own, and serve each other’s queues', async () => {
    const closed = await first.another({ newQueues: false, quota: 2 })
    try {
      const [owner, stranger] = [await at(first), await at(closed)]
      expect((await stranger.create()).reply).toEqual(err('AUTH'))
      const queue = await owner.createQueue({ subscribe: false })
      for (const text of ['one', 'two']) expect(await stranger.send(queue, text)).toEqual(ok)
      // The relay that takes a message counts; the quota message that it leaves closes the queue for all.
      expect(await stranger.send(queue, 'three')).toEqual(err('QUOTA'))
      expect(await owner.send(queue, 'four')).toEqual(err('QUOTA'))
      expect(await owner.sub(queue)).toEqual(subscribed(VERSION))
      const message = await owner.receive(queue)
      expect(message.type === 'message' && message.body.toString()).toBe('one')
    } finally {
      await closed.stop()
    }
  })

  it('lose nothing when the connection on which they hear each other breaks', async () => {
    const [recipient, sender] = [await at(first), await at(second)]
    const queue = await recipient.createQueue()
    await (
      await sharedPostgres()
    ).query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'smp-server relays'")
    await sender.send(queue, 'hello')
    expect((await recipient.receive(queue)).type).toBe('message')
  })
})
