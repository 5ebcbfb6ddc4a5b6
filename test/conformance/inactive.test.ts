import { describe, expect, it } from 'vitest'
import { createServiceCertificate } from '../client/certificates.ts'
import type { ServiceRole } from '../client/hello.ts'
import type { SmpClient } from '../client/client.ts'
import { pong } from './setting.ts'
import { until, withTunedRelay } from './tuned.ts'

const setting = withTunedRelay({ inactiveClients: { ttl: 3600, checkInterval: 0.02 } })

/** Whether the relay closes a connection that is silent for longer than it may be. */
const isClosed = async (client: SmpClient): Promise<boolean> => {
  const idle = await setting.connect()
  // It may be closed already: for what it was silent for before it lost its subscriptions.
  await Promise.all([client.ping().catch(() => undefined), idle.ping()])
  setting.advance(3601)
  // The one without subscriptions shows that the relay has looked since.
  await idle.closed
  await new Promise((resolve) => setTimeout(resolve, 40))
  return !client.session.stream.open
}

it.each([6, 11, 20])('a connection without subscriptions is closed in version %i', async (version) => {
  expect(await isClosed(await setting.connect({ version }))).toBe(true)
})

it('one that was silent for a shorter time is not', async () => {
  const client = await setting.connect()
  setting.advance(3500)
  await new Promise((resolve) => setTimeout(resolve, 60))
  expect(await client.ping()).toEqual(pong)
  setting.advance(3500)
  await new Promise((resolve) => setTimeout(resolve, 60))
  expect(await client.ping()).toEqual(pong)
})

describe('a connection stays', () => {
  it('while it is subscribed to a queue, by NEW or by SUB', async () => {
    const [creator, subscriber] = [await setting.connect(), await setting.connect()]
    await creator.createQueue()
    await subscriber.sub(await creator.createQueue({ subscribe: false }))
    expect(await isClosed(creator)).toBe(false)
    expect(await isClosed(subscriber)).toBe(false)
  })

  it('while it is subscribed to notifications', async () => {
    const [owner, server] = [await setting.connect(), await setting.connect()]
    await server.nsub(await owner.nkey(await owner.createQueue()))
    expect(await isClosed(server)).toBe(false)
  })

  it.each<ServiceRole>(['messaging', 'notifier'])('while a service of role %s is subscribed', async (role) => {
    const service = await setting.connect({ service: { certificate: createServiceCertificate(), role } })
    if (role === 'messaging') await service.subs(0, Buffer.alloc(16))
    else await service.nsubs(0, Buffer.alloc(16))
    expect(await isClosed(service)).toBe(false)
  })
})

describe('a connection does not stay', () => {
  it('for having used GET', async () => {
    const [owner, client] = [await setting.connect(), await setting.connect()]
    const queue = await owner.createQueue()
    await client.get(queue)
    expect(await isClosed(client)).toBe(true)
  })

  it('for a subscription that another connection took over, or that was deleted', async () => {
    const [one, other, third] = [await setting.connect(), await setting.connect(), await setting.connect()]
    const [taken, deleted] = [await one.createQueue(), await third.createQueue()]
    await other.sub(taken)
    await other.del(deleted)
    await one.nextEvent(500)
    await third.nextEvent(500)
    expect(await isClosed(other)).toBe(false)
    expect(one.session.stream.open || third.session.stream.open).toBe(false)
  })

  it('for a notifier that another connection took over, or that is gone', async () => {
    const [owner, one, other] = [await setting.connect(), await setting.connect(), await setting.connect()]
    const queue = await owner.createQueue()
    const notifier = await owner.nkey(queue)
    await one.nsub(notifier)
    await other.nsub(notifier)
    expect(await isClosed(one)).toBe(true)
    // So that it is not closed before it is asked.
    await other.ping()
    await owner.ndel(queue)
    expect(await isClosed(other)).toBe(true)
  })

  it('for a service whose subscriptions another connection took over', async () => {
    const service = { certificate: createServiceCertificate(), role: 'messaging' as const }
    const [one, other] = [await setting.connect({ service }), await setting.connect({ service })]
    await one.subs(0, Buffer.alloc(16))
    await other.subs(0, Buffer.alloc(16))
    expect(await isClosed(one)).toBe(true)
    expect(other.session.stream.open).toBe(true)
  })
})

it('a connection that is closed leaves nothing behind', async () => {
  const clients = [await setting.connect(), await setting.connect()]
  const [one, other] = clients as [SmpClient, SmpClient]
  const queue = await one.createQueue()
  await other.nsub(await one.nkey(queue))
  await Promise.all(clients.map((client) => client.close()))
  await until('the relay has forgotten them', () => setting.serving.sessions.size === 0)
  await until('and their subscriptions', () => Object.values(setting.core.subscriptions.counts()).every((n) => n === 0))
})
