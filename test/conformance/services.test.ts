import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import type { ClientOptions, SmpClient } from '../client/client.ts'
import { createServiceCertificate, type ServiceCertificate } from '../client/certificates.ts'
import { commands } from '../client/commands.ts'
import { openSession } from '../client/connection.ts'
import type { ServiceRole } from '../client/hello.ts'
import { generateKey } from '../client/keys.ts'
import type { Queue } from '../client/queue.ts'
import { err, noMessage, ok, pong, prohibited, subscribed, withRelay } from './setting.ts'

const setting = withRelay()
const none = Buffer.alloc(0)
const serviceError = err('SERVICE')
const versions = [16, 17, 19] as const

const as = (certificate: ServiceCertificate, version: number, role: ServiceRole = 'messaging'): ClientOptions => ({
  version,
  service: { certificate, role },
})

/** XOR of the MD5 sums of the ids. */
const hashOf = (ids: readonly Buffer[]): Buffer => {
  const hash = Buffer.alloc(16)
  for (const id of ids) {
    const md5 = createHash('md5').update(id).digest()
    for (let at = 0; at < 16; at++) hash[at] = (hash[at] ?? 0) ^ (md5[at] ?? 0)
  }
  return hash
}

const soks = (version: number, ids: readonly Buffer[], type: 'SOKS' | 'ENDS' = 'SOKS') => ({
  type,
  count: ids.length,
  idsHash: version < 19 ? undefined : hashOf(ids),
})

const subAs = (client: SmpClient, { rcvId, key }: Queue, serviceSigned: boolean) =>
  client.request({ entityId: rcvId, bytes: commands.sub(), key, serviceSigned })

describe.each(versions)('a service in version %i', (version) => {
  it('is known by its certificate: the same id every time, other certificates other ids', async () => {
    const certificate = createServiceCertificate()
    const ids = new Set<string>()
    for (const one of [certificate, certificate, createServiceCertificate()]) {
      const client = await setting.connect(as(one, version))
      expect(client.session.serviceId?.length).toBe(24)
      expect(await client.ping()).toEqual(pong)
      ids.add(client.session.serviceId?.toString('hex') ?? '')
    }
    expect(ids.size).toBe(2)
  })

  it('keeps its role once it has a queue', async () => {
    const certificate = createServiceCertificate()
    await (await setting.connect(as(certificate, version, 'messaging'))).createQueue()
    await expect(setting.connect(as(certificate, version, 'notifier'))).rejects.toThrow('HANDSHAKE BAD_SERVICE')
    await setting.connect(as(certificate, version, 'messaging'))
  })

  it('has to prove its certificate in TLS and to sign its session key with it', async () => {
    const [certificate, other] = [createServiceCertificate(), createServiceCertificate()]
    const stranger = { ...certificate, certPem: other.certPem, keyPem: other.keyPem }
    await expect(openSession(setting.address, as(stranger, version))).rejects.toThrow('HANDSHAKE BAD_AUTH')
    const unsigned = { ...certificate, key: other.key }
    await expect(openSession(setting.address, as(unsigned, version))).rejects.toThrow('HANDSHAKE BAD_AUTH')
  })

  it('signs NEW twice, has to subscribe with it, and gets its messages without SUB', async () => {
    const client = await setting.connect(as(createServiceCertificate(), version))
    const sender = await setting.connect({ version })
    expect((await client.create({ serviceSigned: false })).reply).toEqual(serviceError)
    expect((await client.create({ subscribe: false })).reply).toEqual(prohibited)
    const queue = await client.createQueue()
    expect(queue.ids.serviceId).toEqual(client.session.serviceId)
    await sender.send(queue, 'hello')
    const message = await client.receive(queue)
    expect(message).toMatchObject({ body: Buffer.from('hello') })
    const { rcvId, key } = queue
    const ack = { entityId: rcvId, bytes: commands.ack(message.id), key }
    expect(await client.request({ ...ack, serviceSigned: true })).toEqual(serviceError)
    expect(await client.request(ack)).toEqual(ok)
  })

  it('signs SUB twice; it makes the queue its own, and whoever subscribed before is ended', async () => {
    const client = await setting.connect(as(createServiceCertificate(), version))
    const plain = await setting.connect({ version })
    const queue = await plain.createQueue()
    expect(await subAs(client, queue, false)).toEqual(serviceError)
    expect(await subAs(client, queue, true)).toEqual({ type: 'SOK', serviceId: client.session.serviceId })
    expect(await plain.nextEvent(500)).toEqual({ corrId: none, entityId: queue.rcvId, reply: { type: 'END' } })
    await plain.send(queue, 'hello')
    expect(await client.receive(queue)).toMatchObject({ body: Buffer.from('hello') })
    await plain.noEvent()
  })

  it('loses a queue to a SUB without a service', async () => {
    const client = await setting.connect(as(createServiceCertificate(), version))
    const plain = await setting.connect({ version })
    const [kept, lost] = [await client.createQueue(), await client.createQueue()]
    expect(await plain.sub(lost)).toEqual(subscribed(version))
    expect(await client.nextEvent(500)).toEqual({ corrId: none, entityId: lost.rcvId, reply: { type: 'END' } })
    await plain.send(lost, 'hello')
    expect(await plain.receive(lost)).toMatchObject({ body: Buffer.from('hello') })
    expect(await client.subs(1, hashOf([kept.rcvId]))).toEqual(soks(version, [kept.rcvId]))
  })

  it('subscribes to all its queues with SUBS after a reconnect: every message, then ALLS', async () => {
    const certificate = createServiceCertificate()
    const before = await setting.connect(as(certificate, version))
    const queues: Queue[] = []
    for (let index = 0; index < 5; index++) queues.push(await before.createQueue())
    const ids = queues.map(({ rcvId }) => rcvId)
    await before.close()
    const sender = await setting.connect({ version })
    for (const queue of queues.slice(0, 3)) await sender.send(queue, 'waiting')
    const client = await setting.connect(as(certificate, version))
    expect(await client.subs(5, hashOf(ids))).toEqual(soks(version, ids))
    const waiting = new Set<string>()
    for (;;) {
      const { corrId, entityId, reply } = await client.nextEvent()
      expect(corrId).toEqual(none)
      if (reply.type === 'ALLS') {
        expect(entityId).toEqual(none)
        break
      }
      const queue = queues.find(({ rcvId }) => rcvId.equals(entityId))
      if (!queue) throw new Error('a message of no queue')
      expect(client.read(queue, reply)).toMatchObject({ body: Buffer.from('waiting') })
      waiting.add(entityId.toString('hex'))
    }
    expect(waiting).toEqual(new Set(ids.slice(0, 3).map((id) => id.toString('hex'))))
    expect(await client.subs(0, Buffer.alloc(16))).toEqual(soks(version, ids))
    await client.noEvent()
    const [first, , , fourth] = queues
    if (!first || !fourth) throw new Error('no queue')
    await sender.send(fourth, 'now')
    expect(await client.receive(fourth)).toMatchObject({ body: Buffer.from('now') })
  })

  it('gets SOKS, every message and ALLS in blocks of their own', async () => {
    const certificate = createServiceCertificate()
    const before = await setting.connect(as(certificate, version))
    const queues = [await before.createQueue(), await before.createQueue(), await before.createQueue()]
    await before.close()
    const sender = await setting.connect({ version })
    for (const queue of queues.slice(1)) await sender.send(queue, 'waiting')
    const client = await setting.connect({ ...as(certificate, version), trace: true })
    await client.subs(3, hashOf(queues.map(({ rcvId }) => rcvId)))
    const events = [await client.nextEvent(), await client.nextEvent(), await client.nextEvent()]
    expect(events.map(({ reply }) => reply.type)).toEqual(['MSG', 'MSG', 'ALLS'])
    expect(client.trace.map((block) => block.map(({ reply }) => reply.type))).toEqual([
      ['SOKS'],
      ['MSG'],
      ['MSG'],
      ['ALLS'],
    ])
  })

  it('that subscribes to no queue gets SOKS and ALLS, in blocks of their own', async () => {
    const client = await setting.connect({ ...as(createServiceCertificate(), version), trace: true })
    expect(await client.subs(0, hashOf([]))).toEqual(soks(version, []))
    expect((await client.nextEvent()).reply.type).toBe('ALLS')
    expect(client.trace.map((block) => block.length)).toEqual([1, 1])
  })

  it('may be wrong about its queues: the answer says what is so', async () => {
    const client = await setting.connect(as(createServiceCertificate(), version))
    const ids = [(await client.createQueue()).rcvId, (await client.createQueue()).rcvId]
    expect(await client.subs(7, Buffer.alloc(16, 7))).toEqual(soks(version, ids))
  })

  it('is what a queue of a client becomes one of, and stops to be with the next SUB of a client', async () => {
    const certificate = createServiceCertificate()
    const [owner, sender] = [await setting.connect({ version }), await setting.connect({ version })]
    const [one, two, three] = [await owner.createQueue(), await owner.createQueue(), await owner.createQueue()]
    await owner.close()
    const service = await setting.connect({ ...as(certificate, version), trace: true })
    await sender.send(one, 'first')
    expect(await subAs(service, one, false)).toEqual(serviceError)
    const sok = { type: 'SOK', serviceId: service.session.serviceId }
    expect(await service.sub(one)).toEqual(sok)
    const first = await service.receive(one)
    expect(service.trace.at(-1)?.map(({ reply }) => reply.type)).toEqual(['SOK', 'MSG'])
    expect(await service.sub(two)).toEqual(sok)
    expect(await service.ack(one, first.id)).toEqual(ok)
    expect(await service.sub(three)).toEqual(sok)
    await service.close()

    await sender.send(one, 'one')
    await sender.send(two, 'two')
    const again = await setting.connect(as(certificate, version))
    const ids = [one, two, three].map(({ rcvId }) => rcvId)
    expect(await again.subs(3, hashOf(ids))).toEqual(soks(version, ids))
    for (let waiting = 2; waiting > 0; waiting--) {
      const { entityId, reply } = await again.nextEvent()
      const queue = [one, two].find(({ rcvId }) => rcvId.equals(entityId)) ?? three
      expect(await again.ack(queue, again.read(queue, reply).id)).toEqual(ok)
    }
    expect((await again.nextEvent()).reply).toEqual({ type: 'ALLS' })
    await again.close()

    await sender.send(one, 'later')
    const plain = await setting.connect({ version })
    const serviceId = again.session.serviceId ?? none
    const subs = { entityId: serviceId, bytes: commands.subs(version, 3, hashOf(ids)), key: generateKey('ed25519') }
    expect(await plain.request(subs)).toEqual(serviceError)
    expect(await plain.sub(one)).toEqual(subscribed(version))
    const later = await plain.receive(one)
    expect(later).toMatchObject({ body: Buffer.from('later') })
    expect(await plain.ack(one, later.id)).toEqual(ok)
    await sender.send(one, 'pushed')
    expect(await plain.receive(one)).toMatchObject({ body: Buffer.from('pushed') })
  })

  it('has one connection: the next SUBS ends the previous with count and hash', async () => {
    const certificate = createServiceCertificate()
    const [one, other] = [
      await setting.connect(as(certificate, version)),
      await setting.connect(as(certificate, version)),
    ]
    const queue = await one.createQueue()
    await one.send(queue, 'hello')
    const message = await one.receive(queue)
    expect(await other.subs(1, hashOf([queue.rcvId]))).toEqual(soks(version, [queue.rcvId]))
    const { entityId, reply } = await one.nextEvent(500)
    expect(entityId).toEqual(one.session.serviceId)
    expect(reply).toEqual(soks(version, [queue.rcvId], 'ENDS'))
    expect(await other.receive(queue)).toEqual(message)
    expect((await other.nextEvent()).reply).toEqual({ type: 'ALLS' })
    expect(await one.ack(queue, message.id)).toEqual(noMessage)
    expect(await other.ack(queue, message.id)).toEqual(ok)
    await one.send(queue, 'again')
    expect(await other.receive(queue)).toMatchObject({ body: Buffer.from('again') })
    await one.noEvent()
  })

  it('is the only one that may SUBS, under its own id', async () => {
    const [plain, client] = [
      await setting.connect({ version }),
      await setting.connect(as(createServiceCertificate(), version)),
    ]
    const bytes = commands.subs(version, 0, Buffer.alloc(16))
    const entityId = client.session.serviceId ?? none
    expect(await plain.request({ entityId, bytes, key: generateKey('ed25519') })).toEqual(serviceError)
    expect(await client.request({ entityId: none, bytes, key: generateKey('ed25519') })).toEqual(err('CMD NO_AUTH'))
    expect(await client.request({ entityId, bytes })).toEqual(err('CMD NO_AUTH'))
    expect(await client.request({ entityId, bytes, key: generateKey('ed25519') })).toEqual(serviceError)
  })

  it('may send only what its role is for', async () => {
    const [messaging, notifier, proxy] = [
      await setting.connect(as(createServiceCertificate(), version, 'messaging')),
      await setting.connect(as(createServiceCertificate(), version, 'notifier')),
      await setting.connect(as(createServiceCertificate(), version, 'proxy')),
    ]
    const plain = await setting.connect({ version })
    const queue = await plain.createQueue()
    const notifierOfQueue = await plain.nkey(queue)
    expect(await messaging.nsub(notifierOfQueue)).toEqual(prohibited)
    for (const client of [notifier, proxy]) {
      expect(await client.sub(queue)).toEqual(prohibited)
      expect(await client.send(queue, 'hello')).toEqual(prohibited)
      expect((await client.create()).reply).toEqual(prohibited)
      expect(await client.ping()).toEqual(pong)
    }
    expect(await proxy.nsub(notifierOfQueue)).toEqual(prohibited)
    expect(await notifier.nsub(notifierOfQueue)).toEqual({ type: 'SOK', serviceId: notifier.session.serviceId })
  })

  it('with notifiers gets all notifications, and NSUBS after a reconnect', async () => {
    const certificate = createServiceCertificate()
    const before = await setting.connect(as(certificate, version, 'notifier'))
    const plain = await setting.connect({ version })
    const queue = await plain.createQueue()
    const notifier = await plain.nkey(queue)
    const { notifierId } = notifier
    await before.nsub(notifier)
    await plain.send(queue, 'ring', { notify: true })
    expect(await before.nextEvent()).toMatchObject({ entityId: notifierId, reply: { type: 'NMSG' } })
    await before.close()
    await setting.gone(before)
    await plain.send(queue, 'ring again', { notify: true })
    const client = await setting.connect(as(certificate, version, 'notifier'))
    expect(await client.nsubs(1, hashOf([notifierId]))).toEqual(soks(version, [notifierId]))
    expect(await client.nextEvent()).toMatchObject({ entityId: notifierId, reply: { type: 'NMSG' } })
  })
})

it('below version 16 a client has no service, whatever certificate it shows in TLS', async () => {
  const client = await setting.connect(as(createServiceCertificate(), 15))
  expect(client.session.serviceId).toBe(undefined)
  expect(await client.ping()).toEqual(pong)
})
