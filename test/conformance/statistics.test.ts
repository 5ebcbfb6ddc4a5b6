import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { counterNames, type CounterName } from '../../src/server/statistics/counters.ts'
import type { Command } from '../client/authorization.ts'
import { createServiceCertificate } from '../client/certificates.ts'
import { commands } from '../client/commands.ts'
import { generateKey } from '../client/keys.ts'
import type { Queue } from '../client/queue.ts'
import { auth, ok, prohibited, subscribed } from './setting.ts'
import { until, withTunedRelay } from './tuned.ts'

const relay = withTunedRelay({ quota: 4 })
const version = 20
const sok = subscribed(version)
const none = Buffer.alloc(0)

/** What became more of since this was called, without what did not. */
const counting = (): (() => Partial<Record<CounterName, number>>) => {
  const { stats } = relay.serving
  const before = counterNames.map((name) => stats[name])
  return () =>
    Object.fromEntries(
      counterNames.flatMap((name, at) => {
        const more = stats[name] - (before[at] ?? 0)
        return more === 0 ? [] : [[name, more]]
      }),
    )
}

const as = (queue: Queue, bytes: Buffer): Command => ({ entityId: queue.rcvId, bytes, key: queue.key })
const stranger = (queue: Queue): Queue => ({ ...queue, key: generateKey('ed25519') })
const connectTwo = async () => [await relay.connect({ version }), await relay.connect({ version })] as const

describe('queues', () => {
  it('are counted when they are created, secured and deleted, new and secured ones apart', async () => {
    const client = await relay.connect({ version })
    const count = counting()
    const fresh = await client.createQueue({ subscribe: false, notifier: 'ed25519' })
    const secured = await client.createQueue({ subscribe: false })
    expect(await client.key(secured, generateKey('ed25519'))).toEqual(ok)
    expect(count()).toEqual({ qCreated: 2, ntfNewCreated: 1, qSecured: 1 })
    await client.del(fresh)
    await client.del(secured)
    expect(count()).toEqual({
      qCreated: 2,
      ntfNewCreated: 1,
      qSecured: 1,
      qDeletedAll: 2,
      qDeletedNew: 1,
      qDeletedSecured: 1,
    })
  })

  it('count as active when a message is sent and when one is received, with notifications apart', async () => {
    const client = await relay.connect({ version })
    const { activeQueues } = relay.serving.stats
    const sizes = () => [activeQueues.size('activeQueues', 'day'), activeQueues.size('activeQueuesNtf', 'month')]
    const [all = 0, notified = 0] = sizes()
    const [quiet, loud] = [await client.createQueue(), await client.createQueue()]
    expect(sizes()).toEqual([all, notified])
    for (let time = 0; time < 2; time++) await client.send(quiet, 'quiet')
    expect(sizes()).toEqual([all + 1, notified])
    await client.send(loud, 'loud', { notify: true })
    expect(sizes()).toEqual([all + 2, notified + 1])
    activeQueues.end(['day', 'week', 'month'])
    const first = await client.receive(quiet)
    await client.ack(quiet, first.id)
    const second = await client.receive(loud)
    await client.ack(loud, second.id)
    expect(sizes()).toEqual([2, 1])
  })
})

describe('subscriptions', () => {
  it('SUB counts when it delivers, when it is repeated, when GET was before it, and when it is refused', async () => {
    const [client, other] = await connectTwo()
    const [empty, full, got] = [
      await client.createQueue({ subscribe: false }),
      await client.createQueue({ subscribe: false }),
      await client.createQueue({ subscribe: false }),
    ]
    await other.send(full, 'one')
    const count = counting()
    expect(await client.sub(empty)).toEqual(sok)
    expect(count()).toEqual({})
    expect(await client.sub(full)).toEqual(sok)
    await client.receive(full)
    expect(await client.sub(full)).toEqual(sok)
    expect(await client.get(got)).toEqual(ok)
    expect(await client.sub(got)).toEqual(prohibited)
    expect(await client.sub(stranger(full))).toEqual(auth)
    expect(await client.request({ entityId: Buffer.alloc(24, 1), bytes: commands.sub(), key: full.key })).toEqual(auth)
    expect(count()).toEqual({ qSub: 1, qSubDuplicate: 1, qSubProhibited: 1, qSubAuth: 2, msgGetNoMsg: 1 })
  })

  it('that end are counted one by one, and in batches of what is sent together', async () => {
    const [client, other] = await connectTwo()
    const queues = await Promise.all(Array.from({ length: 100 }, () => client.createQueue()))
    const notified = await client.createQueue({ subscribe: false })
    await other.nsub(await client.nkey(notified))
    const count = counting()
    await other.batch(queues.map((queue) => as(queue, commands.sub())))
    for (let ended = 0; ended < 100; ended++) await client.nextEvent()
    // How many batches depends on how many turns the commands took.
    const { qSubEndB, ...others } = count()
    expect(others).toEqual({ qSubAllB: 1, qSubEnd: 100 })
    expect(qSubEndB).toBeGreaterThanOrEqual(1)
    expect(qSubEndB).toBeLessThanOrEqual(20)
    await client.del(notified)
    await other.nextEvent()
    expect(count()).toMatchObject({ qSubEnd: 101, qSubEndB: 2 })
  })
})

describe('a block', () => {
  const batch = async (list: (queues: readonly Queue[]) => Command[]) => {
    const client = await relay.connect({ version })
    const queues = [await client.createQueue({ subscribe: false }), await client.createQueue({ subscribe: false })]
    for (const queue of queues) await client.nkey(queue)
    const count = counting()
    const replies = await client.batch(list(queues))
    const { qSubAllB = 0, qDeletedAllB = 0, ntfDeletedB = 0, ntfSubB = 0 } = count()
    return { counts: { qSubAllB, qDeletedAllB, ntfDeletedB, ntfSubB }, replies }
  }
  const nothing = { qSubAllB: 0, qDeletedAllB: 0, ntfDeletedB: 0, ntfSubB: 0 }

  it.each([
    ['SUB', commands.sub(), 'qSubAllB'],
    ['DEL', commands.del(), 'qDeletedAllB'],
    ['NDEL', commands.ndel(), 'ntfDeletedB'],
  ] as const)('of several %s is a batch', async (_, bytes, counter) => {
    const { counts, replies } = await batch((queues) => queues.map((queue) => as(queue, bytes)))
    expect(replies).toHaveLength(2)
    expect(counts).toEqual({ ...nothing, [counter]: 1 })
  })

  it('of several NSUB is a batch', async () => {
    const client = await relay.connect({ version })
    const queue = await client.createQueue({ subscribe: false })
    const { notifierId, key } = await client.nkey(queue)
    const count = counting()
    const nsub = { entityId: notifierId, bytes: commands.nsub(), key }
    expect(await client.batch([nsub, nsub])).toEqual([sok, sok])
    expect(count()).toEqual({ ntfSubB: 1, ntfSub: 1, ntfSubDuplicate: 1 })
  })

  it('takes its name from the first command, refused ones included', async () => {
    const { counts } = await batch(([one, two]) =>
      one && two ? [as(stranger(one), commands.sub()), as(two, commands.del())] : [],
    )
    expect(counts).toEqual({ ...nothing, qSubAllB: 1 })
  })

  it('with one command, or with some of another party, is none', async () => {
    expect((await batch(([one]) => (one ? [as(one, commands.sub())] : []))).counts).toEqual(nothing)
    const mixed = await batch(([one]) =>
      one ? [as(one, commands.sub()), as(one, commands.sub()), { entityId: none, bytes: commands.ping() }] : [],
    )
    expect(mixed.counts).toEqual(nothing)
  })
})

describe('messages', () => {
  it('are counted when they are sent, received, fetched, and when they are refused', async () => {
    const [client, sender] = await connectTwo()
    const queue = await client.createQueue({ subscribe: false })
    const count = counting()
    expect(await sender.send(queue, 'one', { notify: true })).toEqual(ok)
    for (let more = 0; more < 3; more++) await sender.send(queue, 'more')
    await sender.send(queue, 'too many')
    await sender.send(queue, Buffer.alloc(16_100))
    expect(count()).toEqual({ msgSent: 4, msgSentNtf: 1, msgSentQuota: 1, msgSentLarge: 1 })
    const one = client.read(queue, await client.get(queue))
    await client.get(queue)
    await client.ack(queue, one.id)
    expect(await client.get(stranger(queue))).toEqual(auth)
    expect(count()).toEqual({
      msgSent: 4,
      msgSentNtf: 1,
      msgSentQuota: 1,
      msgSentLarge: 1,
      msgGet: 1,
      msgGetDuplicate: 1,
      msgGetAuth: 1,
      msgRecv: 1,
      msgRecvGet: 1,
      msgRecvNtf: 1,
    })
    const subscribedQueue = await client.createQueue()
    expect(await client.get(subscribedQueue)).toEqual(prohibited)
    expect(count()).toMatchObject({ msgGetProhibited: 1 })
  })

  it('to queues that are unknown, suspended or secured with another key are counted as refused', async () => {
    const [client, sender] = await connectTwo()
    const [off, secured] = [await client.createQueue(), await client.createQueue()]
    await client.off(off)
    await client.key(secured, generateKey('ed25519'))
    const count = counting()
    expect(await sender.send(Buffer.alloc(24, 2), 'nobody')).toEqual(auth)
    expect(await sender.send(off, 'late')).toEqual(auth)
    expect(await sender.send(secured, 'unsigned')).toEqual(auth)
    expect(await sender.send(secured, 'other', { key: generateKey('ed25519') })).toEqual(auth)
    expect(count()).toEqual({ msgSentAuth: 4 })
  })

  it('are timed from handing them out to their acknowledgement', async () => {
    const client = await relay.connect({ version })
    const queue = await client.createQueue()
    await client.send(queue, 'slow')
    const message = await client.receive(queue)
    const { ackTimes } = relay.serving.stats
    const before = structuredClone(ackTimes)
    relay.advance(90)
    await client.ack(queue, message.id)
    expect(ackTimes.count).toBe(before.count + 1)
    expect(ackTimes.periods['60-300']).toBe(before.periods['60-300'] + 1)
    expect(ackTimes.sum - before.sum).toBeGreaterThanOrEqual(90)
    expect(ackTimes.max).toBeGreaterThanOrEqual(90)
  })
})

describe('notifications', () => {
  it('are counted when they leave, one by one and in batches of 80 for one connection', async () => {
    const [client, server] = await connectTwo()
    const queue = await client.createQueue({ subscribe: false })
    const notifier = await client.nkey(queue)
    const count = counting()
    for (let one = 0; one < 3; one++) await client.send(queue, 'ring', { notify: true })
    expect(count()).toEqual({ msgSent: 3, msgSentNtf: 3 })
    expect(await server.nsub(notifier)).toEqual(sok)
    for (let one = 0; one < 3; one++) await server.nextEvent()
    expect(count()).toEqual({ msgSent: 3, msgSentNtf: 3, ntfSub: 1, msgNtfs: 3, msgNtfsB: 1 })
  })

  it('have credentials that are counted when they are made, subscribed to, refused, and deleted', async () => {
    const [client, server] = await connectTwo()
    const queue = await client.createQueue({ subscribe: false })
    const count = counting()
    const notifier = await client.nkey(queue)
    await server.nsub(notifier)
    await server.nsub(notifier)
    expect(await server.nsub({ ...notifier, key: generateKey('ed25519') })).toEqual(auth)
    await client.ndel(queue)
    await server.nextEvent()
    await client.ndel(queue)
    expect(count()).toEqual({
      ntfCreated: 1,
      ntfSub: 1,
      ntfSubDuplicate: 1,
      ntfSubAuth: 1,
      ntfDeleted: 1,
      qSubEnd: 1,
      qSubEndB: 1,
    })
  })
})

describe('services', () => {
  const hashOf = (ids: readonly Buffer[]): Buffer => {
    const sum = Buffer.alloc(16)
    for (const id of ids)
      for (const [at, byte] of createHash('md5').update(id).digest().entries()) sum[at] = (sum[at] ?? 0) ^ byte
    return sum
  }

  it('count their associations, their subscriptions, and how their count of queues compares with ours', async () => {
    const certificate = createServiceCertificate()
    const service = () => relay.connect({ version, service: { certificate, role: 'messaging' } })
    const before = await service()
    const counters = relay.serving.stats.rcvServices
    const start = { ...counters }
    const difference = () =>
      Object.fromEntries(
        Object.entries(counters).flatMap(([name, now]: [string, number]) => {
          const more = now - start[name as keyof typeof start]
          return more === 0 ? [] : [[name, more]]
        }),
      )
    const queues = [await before.createQueue(), await before.createQueue()]
    const ids = queues.map(({ rcvId }) => rcvId)
    const [first] = queues
    if (!first) throw new Error('no queue')
    expect(await before.sub(first)).toMatchObject({ type: 'SOK' })
    expect(difference()).toEqual({ assocDuplicate: 1 })
    const sender = await relay.connect({ version })
    await sender.send(first, 'waiting')
    await before.receive(first)

    const count = counting()
    const subscribe = async (claimed: number, hash: Buffer): Promise<void> => {
      const client = await service()
      await client.subs(claimed, hash)
      await client.nextEvent()
      await client.close()
    }
    await subscribe(2, hashOf(ids))
    await until('the message was delivered', () => count().rcvServicesSubMsg === 1)
    expect(difference()).toMatchObject({ subCount: 1, subQueues: 2, subOk: 1, subEnd: 1 })
    expect(count()).toMatchObject({ qSubEnd: 1, qSubEndB: 1 })
    await subscribe(2, hashOf([]))
    await subscribe(0, hashOf([]))
    await subscribe(5, hashOf(ids))
    expect(difference()).toMatchObject({
      subCount: 4,
      subQueues: 8,
      subOk: 1,
      subDiff: 1,
      subMore: 1,
      subMoreTotal: 2,
      subFewer: 1,
      subFewerTotal: 3,
    })
  })
})
