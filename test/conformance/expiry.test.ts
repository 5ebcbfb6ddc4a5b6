import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import type { SmpClient } from '../client/client.ts'
import { generateKey } from '../client/keys.ts'
import type { Queue } from '../client/queue.ts'
import { queueOf, sizeOf as sizeIn } from './inside.ts'
import { auth, err, ok, subscribed } from './setting.ts'
import { until, withTunedRelay, type TunedRelay } from './tuned.ts'

const DAY = 86_400
const TTL = 21 * DAY

const sizeOf = (relay: TunedRelay, queue: Queue): Promise<number> => sizeIn(relay.core, queue.rcvId)

const fill = async (client: SmpClient, queue: Queue, bodies: readonly string[]): Promise<void> => {
  for (const body of bodies) expect(await client.send(queue, body)).toEqual(ok)
}

describe('messages that nobody took for 21 days', () => {
  const relay = withTunedRelay({ quota: 4, timeouts: { expireMessages: 20 } })

  it('are dropped at the next regular time; newer ones are delivered as ever', async () => {
    const client = await relay.connect()
    const queue = await client.createQueue({ subscribe: false })
    await fill(client, queue, ['old', 'old too'])
    relay.advance(TTL - DAY)
    await fill(client, queue, ['new'])
    relay.advance(DAY + 5)
    const expired = relay.serving.stats.msgExpired
    await until('two are gone', async () => (await sizeOf(relay, queue)) === 1)
    await until('they are counted', () => relay.serving.stats.msgExpired === expired + 2)
    expect(await client.sub(queue)).toEqual(subscribed(20))
    expect(await client.receive(queue)).toMatchObject({ body: Buffer.from('new') })
  })

  it('make room in a full queue, but for its marker, which only its recipient removes', async () => {
    const client = await relay.connect()
    const queue = await client.createQueue({ subscribe: false })
    await fill(client, queue, ['1', '2', '3', '4'])
    expect(await client.send(queue, '5')).toEqual(err('QUOTA'))
    relay.advance(TTL + 5)
    await until('the messages are gone', async () => (await sizeOf(relay, queue)) === 1)
    expect(await client.send(queue, '6')).toEqual(err('QUOTA'))
    const marker = client.read(queue, await client.get(queue))
    expect(marker.type).toBe('quota')
    expect(await client.ack(queue, marker.id)).toEqual(ok)
    expect(await client.send(queue, '7')).toEqual(ok)
  })

  it('may go while they are delivered: their ACK brings the next one and deletes nothing else', async () => {
    const client = await relay.connect()
    const queue = await client.createQueue()
    await fill(client, queue, ['old'])
    const old = await client.receive(queue)
    relay.advance(TTL + 5)
    await until('it is gone', async () => (await sizeOf(relay, queue)) === 0)
    await fill(client, queue, ['new'])
    const next = client.read(queue, await client.ack(queue, old.id))
    expect(next).toMatchObject({ body: Buffer.from('new') })
    expect(await sizeOf(relay, queue)).toBe(1)
    expect(await client.ack(queue, next.id)).toEqual(ok)
  })

  it('are dropped when nothing else is in the store, too, and the ACK is OK', async () => {
    const client = await relay.connect()
    const queue = await client.createQueue()
    await fill(client, queue, ['old'])
    const old = await client.receive(queue)
    relay.advance(TTL + 5)
    await until('it is gone', async () => (await sizeOf(relay, queue)) === 0)
    expect(await client.ack(queue, old.id)).toEqual(ok)
    await fill(client, queue, ['new'])
    expect(await client.receive(queue)).toMatchObject({ body: Buffer.from('new') })
  })
})

describe('with expiry at every SEND', () => {
  const relay = withTunedRelay({ quota: 2, policy: { expireOnSend: true } })

  it('old messages of that queue go before the new one is stored, those of others stay', async () => {
    const client = await relay.connect()
    const [queue, other] = [await client.createQueue({ subscribe: false }), await client.createQueue()]
    await fill(client, queue, ['old', 'old too'])
    await fill(client, other, ['old'])
    relay.advance(TTL + 5)
    expect(await client.send(queue, 'new')).toEqual(ok)
    expect(await sizeOf(relay, queue)).toBe(1)
    expect(await sizeOf(relay, other)).toBe(1)
    expect(client.read(queue, await client.get(queue))).toMatchObject({ body: Buffer.from('new') })
  })

  it('one that is delivered goes, too, and its ACK brings the new one', async () => {
    const [client, sender] = [await relay.connect(), await relay.connect()]
    const queue = await client.createQueue()
    await fill(sender, queue, ['old'])
    const old = await client.receive(queue)
    relay.advance(TTL + 5)
    await fill(sender, queue, ['new'])
    expect(await sizeOf(relay, queue)).toBe(1)
    expect(client.read(queue, await client.ack(queue, old.id))).toMatchObject({ body: Buffer.from('new') })
  })
})

describe('without expiry at SEND', () => {
  const relay = withTunedRelay({ quota: 2 })

  it('old messages keep their places until the regular time', async () => {
    const client = await relay.connect()
    const queue = await client.createQueue({ subscribe: false })
    await fill(client, queue, ['old', 'old too'])
    relay.advance(TTL + 5)
    expect(await client.send(queue, 'new')).toEqual(err('QUOTA'))
    expect(await sizeOf(relay, queue)).toBe(3)
  })
})

describe('at the start', () => {
  let expireOnStart = false
  const relay = withTunedRelay({
    optionsAtStart: () => ({
      policy: {
        newQueues: true,
        createPassword: undefined,
        messageTtl: TTL,
        expireOnSend: false,
        expireOnStart,
        notificationTtl: DAY,
      },
    }),
  })

  it('old messages are dropped if the operator wants it, and stay for the regular time otherwise', async () => {
    const client = await relay.connect()
    const queue = await client.createQueue({ subscribe: false })
    await fill(client, queue, ['old'])
    relay.advance(TTL + 5)
    await relay.restart()
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(await sizeOf(relay, queue)).toBe(1)
    expireOnStart = true
    await relay.restart()
    await until('it is gone', async () => (await sizeOf(relay, queue)) === 0)
  })
})

describe('the day of the last use', () => {
  const relay = withTunedRelay()
  const dayOf = async (queue: Queue): Promise<number | undefined> => (await queueOf(relay.core, queue.rcvId))?.updatedAt

  it('is kept from NEW on, as midnight of the relay, and refreshed by the next use on another day', async () => {
    const client = await relay.connect()
    const queue = await client.createQueue({ subscribe: false })
    const first = (await dayOf(queue)) ?? 0
    expect(first % DAY).toBe(0)
    expect(await client.send(queue, 'today')).toEqual(ok)
    expect(await dayOf(queue)).toBe(first)
    relay.advance(DAY)
    expect(await dayOf(queue)).toBe(first)
    expect(await client.send(queue, 'tomorrow')).toEqual(ok)
    expect(await dayOf(queue)).toBe(first + DAY)
  })

  it('is refreshed by every command but OFF, NSUB and those that fail to authorise', async () => {
    const client = await relay.connect()
    const queue = await client.createQueue({ subscribe: false, mode: 'contact' })
    const notifier = await client.nkey(queue)
    const [linkId, key] = [randomBytes(24), generateKey('ed25519')]
    const uses: [string, () => Promise<unknown>][] = [
      ['LSET', () => client.lset(queue, linkId, Buffer.alloc(0), Buffer.alloc(0))],
      ['LGET', () => client.lget(linkId)],
      ['GET', () => client.get(queue)],
      ['ACK', () => client.ack(queue, Buffer.alloc(0))],
      ['QUE', () => client.que(queue)],
      ['KEY', () => client.key(queue, key)],
      ['SEND', () => client.send(queue, 'hello', { key })],
      ['RKEY', () => client.rkey(queue, [queue.key])],
      ['LDEL', () => client.ldel(queue)],
      ['NKEY', () => client.nkey(queue)],
      ['NDEL', () => client.ndel(queue)],
    ]
    const refreshes = async (use: () => Promise<unknown>): Promise<boolean> => {
      relay.advance(DAY)
      const before = await dayOf(queue)
      await use()
      return (await dayOf(queue)) !== before
    }
    expect(await refreshes(() => client.nsub(notifier))).toBe(false)
    expect(await refreshes(() => client.sub({ ...queue, key }))).toBe(false)
    const wrong = client.send(queue, 'signed', { key: generateKey('ed25519') })
    expect(await wrong).toEqual(auth)
    for (const [word, use] of uses) expect([word, await refreshes(use)]).toEqual([word, true])
    expect(await refreshes(() => client.off(queue))).toBe(false)
    const other = await relay.connect()
    expect(await refreshes(() => other.sub(queue))).toBe(true)
  })

  it('outlives a restart', async () => {
    const client = await relay.connect()
    const queue = await client.createQueue({ subscribe: false })
    relay.advance(DAY)
    await client.send(queue, 'hello')
    const day = await dayOf(queue)
    await relay.restart()
    expect(await dayOf(queue)).toBe(day)
  })
})
