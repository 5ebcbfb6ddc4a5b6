import { createHash, randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { Background } from '../../src/server/background.ts'
import { Redelivery } from '../../src/server/delivery.ts'
import { Scheduler } from '../../src/server/scheduler.ts'
import { idFromBytes, type MsgId, type RcvId, type ServiceId, type SndId } from '../../src/protocol/ids.ts'
import { encodeTransmission, type Command } from '../client/authorization.ts'
import { createServiceCertificate, type ServiceCertificate } from '../client/certificates.ts'
import type { ClientOptions, SmpClient } from '../client/client.ts'
import { commands } from '../client/commands.ts'
import type { ServiceRole } from '../client/hello.ts'
import { generateKey } from '../client/keys.ts'
import type { Queue } from '../client/queue.ts'
import type { Received, Reply } from '../client/replies.ts'
import { isEmbedded } from './inside.ts'
import { auth, err, ok, pong, subscribed } from './setting.ts'
import { until, withTunedRelay } from './tuned.ts'

const setting = withTunedRelay()
const none = Buffer.alloc(0)
const emptyHash = Buffer.alloc(16)
const serviceError = err('SERVICE')
type Notifier = NonNullable<Queue['notifier']>

const as = (certificate: ServiceCertificate, role: ServiceRole = 'messaging', version = 20): ClientOptions => ({
  version,
  service: { certificate, role },
})
const messaging = (version?: number): Promise<SmpClient> =>
  setting.connect(as(createServiceCertificate(), 'messaging', version))
const notifications = (version?: number): Promise<SmpClient> =>
  setting.connect(as(createServiceCertificate(), 'notifier', version))

const hashOf = (ids: readonly Buffer[]): Buffer => {
  const hash = Buffer.alloc(16)
  for (const id of ids)
    for (const [at, byte] of createHash('md5').update(id).digest().entries()) hash[at] = (hash[at] ?? 0) ^ byte
  return hash
}

/** SOKS or ENDS about these ids. */
const about = (type: 'SOKS' | 'ENDS', ids: readonly Buffer[], version = 20): Reply => ({
  type,
  count: ids.length,
  idsHash: version < 19 ? undefined : hashOf(ids),
})
const event = (entityId: Buffer, type: 'END' | 'DELD'): Received => ({ corrId: none, entityId, reply: { type } })

const sokOf = (client: SmpClient): Reply => ({ type: 'SOK', serviceId: client.session.serviceId })

/** SOKS or, for services of notifiers, the same of NSUBS, without what follows. */
const subscribeAll = async (client: SmpClient): Promise<Reply> => {
  const reply = await client.subs(0, emptyHash)
  return reply
}

const newNotifier = async (owner: SmpClient): Promise<readonly [Queue, Notifier]> => {
  const queue = await owner.createQueue({ subscribe: false })
  return [queue, await owner.nkey(queue)]
}

describe('a queue', () => {
  it('belongs to the service that subscribed last, which gets its messages; the one before is ended', async () => {
    const [plain, one, other] = [await setting.connect(), await messaging(), await messaging()]
    const queue = await plain.createQueue()
    expect(await one.sub(queue)).toEqual(sokOf(one))
    expect(await plain.nextEvent(500)).toEqual(event(queue.rcvId, 'END'))
    expect(await other.sub(queue)).toEqual(sokOf(other))
    expect(await one.nextEvent(500)).toEqual(event(queue.rcvId, 'END'))
    expect(await subscribeAll(one)).toEqual(about('SOKS', []))
    expect((await one.nextEvent()).reply).toEqual({ type: 'ALLS' })
    await plain.send(queue, 'hello')
    expect(await other.receive(queue)).toMatchObject({ body: Buffer.from('hello') })
    await one.noEvent()
    await plain.noEvent()
    expect(await subscribeAll(other)).toEqual(about('SOKS', [queue.rcvId]))
  })

  it('that a plain client subscribes to belongs to no service any more, even when that is not there', async () => {
    const certificate = createServiceCertificate()
    const gone = await setting.connect(as(certificate))
    const [lost, kept] = [await gone.createQueue(), await gone.createQueue()]
    await gone.close()
    const plain = await setting.connect()
    expect(await plain.sub(lost)).toEqual(subscribed(20))
    const back = await setting.connect(as(certificate))
    expect(await subscribeAll(back)).toEqual(about('SOKS', [kept.rcvId]))
    expect((await back.nextEvent()).reply).toEqual({ type: 'ALLS' })
    await plain.send(lost, 'hello')
    expect(await plain.receive(lost)).toMatchObject({ body: Buffer.from('hello') })
    await back.noEvent()
  })

  it('goes back to its service with a SUB of that, and the plain client is ended', async () => {
    const [service, plain] = [await messaging(), await setting.connect()]
    const queue = await service.createQueue()
    await plain.sub(queue)
    expect(await service.nextEvent(500)).toEqual(event(queue.rcvId, 'END'))
    await service.sub(queue)
    expect(await plain.nextEvent(500)).toEqual(event(queue.rcvId, 'END'))
    await plain.send(queue, 'hello')
    expect(await service.receive(queue)).toMatchObject({ body: Buffer.from('hello') })
  })

  it('that its owner deletes is ended with DELD, and no longer counted', async () => {
    const [service, plain] = [await messaging(), await setting.connect()]
    const [queue, kept] = [await service.createQueue(), await service.createQueue()]
    expect(await plain.del(queue)).toEqual(ok)
    expect(await service.nextEvent(500)).toEqual(event(queue.rcvId, 'DELD'))
    expect(await subscribeAll(service)).toEqual(about('SOKS', [kept.rcvId]))
  })

  it('is counted once, however often it is subscribed to, and its first message comes again', async () => {
    const [service, plain] = [await messaging(), await setting.connect()]
    const queue = await service.createQueue()
    await plain.send(queue, 'hello')
    const message = await service.receive(queue)
    expect(await service.sub(queue)).toEqual(sokOf(service))
    expect(await service.receive(queue)).toEqual(message)
    expect(await subscribeAll(service)).toEqual(about('SOKS', [queue.rcvId]))
  })

  it('that the service polls with GET is not pushed by SUBS', async () => {
    const certificate = createServiceCertificate()
    const before = await setting.connect(as(certificate))
    const [polled, other] = [await before.createQueue(), await before.createQueue()]
    for (const queue of [polled, other]) await before.send(queue, 'hello')
    await before.close()
    const service = await setting.connect(as(certificate))
    const message = service.read(polled, await service.get(polled))
    await subscribeAll(service)
    expect(await service.receive(other)).toMatchObject({ body: Buffer.from('hello') })
    expect((await service.nextEvent()).reply).toEqual({ type: 'ALLS' })
    expect(await service.ack(polled, message.id)).toEqual(ok)
    await service.noEvent()
  })
})

describe('a notifier', () => {
  it('belongs to whoever subscribed last: client, service, another service, client', async () => {
    const [owner, plain] = [await setting.connect(), await setting.connect()]
    const [one, other] = [await notifications(), await notifications()]
    const [queue, notifier] = await newNotifier(owner)
    const ring = async (receiver: SmpClient): Promise<void> => {
      await owner.send(queue, 'ring', { notify: true })
      expect(await receiver.nextEvent(500)).toMatchObject({ entityId: notifier.notifierId, reply: { type: 'NMSG' } })
    }
    const end = event(notifier.notifierId, 'END')
    await plain.nsub(notifier)
    await ring(plain)
    expect(await one.nsub(notifier)).toEqual(sokOf(one))
    expect(await plain.nextEvent(500)).toEqual(end)
    await ring(one)
    expect(await other.nsub(notifier)).toEqual(sokOf(other))
    expect(await one.nextEvent(500)).toEqual(end)
    await ring(other)
    expect(await plain.nsub(notifier)).toEqual(subscribed(20))
    expect(await other.nextEvent(500)).toEqual(end)
    await ring(plain)
    for (const service of [one, other]) {
      expect(await service.nsubs(0, emptyHash)).toEqual(about('SOKS', []))
      await service.noEvent()
    }
  })

  it.each([16, 18, 19, 20])('is counted by its own id, in version %i', async (version) => {
    const certificate = createServiceCertificate()
    const [owner, one] = [await setting.connect(), await setting.connect(as(certificate, 'notifier', version))]
    const notifiers = [(await newNotifier(owner))[1], (await newNotifier(owner))[1], (await newNotifier(owner))[1]]
    for (const notifier of notifiers) await one.nsub(notifier)
    const ids = notifiers.map(({ notifierId }) => notifierId)
    const other = await setting.connect(as(certificate, 'notifier', version))
    expect(await other.nsubs(3, hashOf(ids))).toEqual(about('SOKS', ids, version))
    const entityId = one.session.serviceId
    expect(await one.nextEvent(500)).toEqual({ corrId: none, entityId, reply: about('ENDS', ids, version) })
    expect(await other.nsubs(3, hashOf(ids))).toEqual(about('SOKS', ids, version))
    await other.noEvent()
  })

  it.each<[string, (owner: SmpClient, queue: Queue) => Promise<unknown>]>([
    ['NKEY', (owner, queue) => owner.nkey(queue)],
    ['NDEL', (owner, queue) => owner.ndel(queue)],
    ['DEL', (owner, queue) => owner.del(queue)],
  ])('that goes with %s is ended with DELD at its service, and no longer counted', async (_, act) => {
    const [owner, service] = [await setting.connect(), await notifications()]
    const [[queue, gone], [, kept]] = [await newNotifier(owner), await newNotifier(owner)]
    for (const notifier of [gone, kept]) await service.nsub(notifier)
    await act(owner, queue)
    expect(await service.nextEvent(500)).toEqual(event(gone.notifierId, 'DELD'))
    expect(await service.nsubs(0, emptyHash)).toEqual(about('SOKS', [kept.notifierId]))
  })

  it('of a service that is not there keeps its notifications for the next NSUBS', async () => {
    const certificate = createServiceCertificate()
    const [owner, gone] = [await setting.connect(), await setting.connect(as(certificate, 'notifier'))]
    const [queue, notifier] = await newNotifier(owner)
    await gone.nsub(notifier)
    await gone.close()
    await until('the relay has noticed', () => setting.core.subscriptions.counts().ntfServices === 0)
    await owner.send(queue, 'ring', { notify: true })
    const service = await setting.connect(as(certificate, 'notifier'))
    await service.noEvent()
    expect(await service.nsubs(1, hashOf([notifier.notifierId]))).toEqual(about('SOKS', [notifier.notifierId]))
    expect(await service.nextEvent(500)).toMatchObject({ entityId: notifier.notifierId, reply: { type: 'NMSG' } })
  })
})

describe('one connection per service:', () => {
  it.each([16, 18, 19, 20])('the next one ends it in version %i, with NEW or SUB as with SUBS', async (version) => {
    const certificate = createServiceCertificate()
    const connect = (): Promise<SmpClient> => setting.connect(as(certificate, 'messaging', version))
    const [one, two, three] = [await connect(), await connect(), await connect()]
    const first = await one.createQueue()
    const second = await two.createQueue()
    const ids = [first.rcvId, second.rcvId]
    const ends = { corrId: none, entityId: one.session.serviceId }
    expect(await one.nextEvent(500)).toEqual({ ...ends, reply: about('ENDS', ids, version) })
    await three.sub(first)
    expect(await two.nextEvent(500)).toEqual({ ...ends, reply: about('ENDS', ids, version) })
    await one.send(second, 'hello')
    expect(await three.receive(second)).toMatchObject({ body: Buffer.from('hello') })
    await one.noEvent()
    await two.noEvent()
  })

  it('the one that was ended can take over again with SUBS, and gets everything that waits', async () => {
    const certificate = createServiceCertificate()
    const [one, other] = [await setting.connect(as(certificate)), await setting.connect(as(certificate))]
    const queue = await one.createQueue()
    await subscribeAll(one)
    expect((await one.nextEvent()).reply).toEqual({ type: 'ALLS' })
    await subscribeAll(other)
    expect((await other.nextEvent()).reply).toEqual({ type: 'ALLS' })
    expect((await one.nextEvent(500)).reply.type).toBe('ENDS')
    await one.send(queue, 'hello')
    const message = await other.receive(queue)
    await subscribeAll(one)
    expect((await other.nextEvent(500)).reply.type).toBe('ENDS')
    expect(await one.receive(queue)).toEqual(message)
    expect((await one.nextEvent()).reply).toEqual({ type: 'ALLS' })
    expect(await other.ack(queue, message.id)).toEqual(err('NO_MSG'))
    expect(await one.ack(queue, message.id)).toEqual(ok)
  })

  it.runIf(isEmbedded)(
    'a delivery that is under way to the one that does not read ends; the next one gets all of it (needs an embedded store)',
    async () => {
      const certificate = createServiceCertificate()
      const deaf = await setting.connect(as(certificate))
      const ids = storeQueuesOf(deaf.session.serviceId ?? none, 1000)
      const soks = subscribeAll(deaf)
      deaf.session.stream.socket.pause()
      const next = await setting.connect(as(certificate))
      await subscribeAll(next)
      const arrived: string[] = []
      for (;;) {
        const { entityId, reply } = await next.nextEvent()
        if (reply.type === 'ALLS') break
        arrived.push(entityId.toString('hex'))
      }
      expect(arrived.toSorted()).toEqual(ids.toSorted())
      deaf.session.stream.socket.resume()
      await soks
      for (;;) {
        const { reply } = await deaf.nextEvent()
        expect(['MSG', 'ENDS']).toContain(reply.type)
        if (reply.type === 'ENDS') break
      }
      await deaf.noEvent()
    },
  )
})

/** Queues of a service with a large message each, more than the system's buffers hold. */
const storeQueuesOf = (serviceId: Buffer, count: number): string[] => {
  const { store } = setting.core
  const body = randomBytes(16_000)
  return Array.from({ length: count }, () => {
    const [rcvId, sndId, msgId] = [24, 24, 24].map((size) => randomBytes(size)) as [Buffer, Buffer, Buffer]
    const queue = {
      rcvId: idFromBytes<RcvId>(rcvId),
      sndId: idFromBytes<SndId>(sndId),
      recipientKeys: [],
      rcvDhSecret: randomBytes(32),
      status: { type: 'active' },
      rcvServiceId: idFromBytes<ServiceId>(serviceId),
    } as const
    store.addQueue(queue)
    const id = idFromBytes<MsgId>(msgId)
    store.writeMessage(queue.rcvId, { type: 'message', id, timestamp: 1, notify: false, body })
    return rcvId.toString('hex')
  })
}

describe.runIf(isEmbedded)('a store that went back to its last durable state (needs an embedded store)', () => {
  it('leads to the messages that it has now, for services as for other subscribers', async () => {
    const [service, plain] = [await messaging(), await setting.connect()]
    const queues = [await service.createQueue(), await plain.createQueue()] as const
    const { store } = setting.core
    for (const [client, queue] of [
      [service, queues[0]],
      [plain, queues[1]],
    ] as const) {
      await plain.send(queue, 'lost')
      const lost = await client.receive(queue)
      const rcvId = idFromBytes<RcvId>(queue.rcvId)
      store.deleteFirstMessage(rcvId, idFromBytes<MsgId>(lost.id))
      const id = idFromBytes<MsgId>(randomBytes(24))
      store.writeMessage(rcvId, { type: 'message', id, timestamp: 1, notify: false, body: Buffer.from('kept') })
    }
    new Redelivery(setting.core, new Background(new Scheduler())).start()
    expect(await service.receive(queues[0])).toMatchObject({ body: Buffer.from('kept') })
    expect(await plain.receive(queues[1])).toMatchObject({ body: Buffer.from('kept') })
    await service.noEvent()
  })
})

describe('a restart', () => {
  it('keeps which queues and notifiers belong to a service', async () => {
    const [certificate, ntfCertificate] = [createServiceCertificate(), createServiceCertificate()]
    const [service, ntf] = [
      await setting.connect(as(certificate)),
      await setting.connect(as(ntfCertificate, 'notifier')),
    ]
    const [kept, lost, waiting] = [
      await service.createQueue(),
      await service.createQueue(),
      await service.createQueue(),
    ]
    const owner = await setting.connect()
    const notifier = await owner.nkey(kept)
    await ntf.nsub(notifier)
    await owner.sub(lost)
    await owner.send(waiting, 'hello')
    await setting.restart()
    const back = await setting.connect(as(certificate))
    expect(await subscribeAll(back)).toEqual(about('SOKS', [kept.rcvId, waiting.rcvId]))
    expect(await back.receive(waiting)).toMatchObject({ body: Buffer.from('hello') })
    expect((await back.nextEvent()).reply).toEqual({ type: 'ALLS' })
    const ntfBack = await setting.connect(as(ntfCertificate, 'notifier'))
    expect(await ntfBack.nsubs(0, emptyHash)).toEqual(about('SOKS', [notifier.notifierId]))
  })
})

describe('the second signature', () => {
  const signedTwice = { serviceSigned: true }

  it('belongs on NEW, SUB and NSUB of a service and on nothing else', async () => {
    const [service, plain] = [await messaging(), await setting.connect()]
    const queue = await service.createQueue()
    const { rcvId, sndId, key } = queue
    const spki = generateKey('ed25519').spki
    const others: Command[] = [
      { entityId: rcvId, bytes: commands.key(spki), key },
      { entityId: rcvId, bytes: commands.get(), key },
      { entityId: rcvId, bytes: commands.que(), key },
      { entityId: rcvId, bytes: commands.ack(none), key },
      { entityId: rcvId, bytes: commands.nkey(spki, generateKey('x25519').spki), key },
      { entityId: rcvId, bytes: commands.off(), key },
      { entityId: rcvId, bytes: commands.del(), key },
      { entityId: sndId, bytes: commands.send(none, false), key },
      { entityId: sndId, bytes: commands.skey(spki), key },
    ]
    for (const command of others) expect(await service.request({ ...command, ...signedTwice })).toEqual(serviceError)
    const entityId = service.session.serviceId ?? none
    const subs = { entityId, bytes: commands.subs(20, 0, emptyHash), key: service.session.auth.service?.sessionKey }
    expect(await service.request({ ...subs, ...signedTwice })).toEqual(serviceError)
    expect((await plain.que(queue)).type).toBe('INFO')
  })

  it('is SERVICE from a client that is no service, on SUB and NSUB as on NEW', async () => {
    const [service, plain] = [await messaging(), await setting.connect()]
    const queue = await plain.createQueue()
    const notifier = await plain.nkey(queue)
    const pretended = { ...plain.session.auth, service: service.session.auth.service }
    const send = (command: Command): Promise<Reply> => {
      const corrId = randomBytes(24)
      plain.sendTransmissions([encodeTransmission(pretended, corrId, { ...command, ...signedTwice })])
      return plain.nextEvent().then(({ reply }) => reply)
    }
    const { rcvId, key } = queue
    const bytes = commands.new(20, { authSpki: key.spki, dhSpki: generateKey('x25519').spki })
    expect(await send({ entityId: none, bytes, key })).toEqual(serviceError)
    expect(await send({ entityId: rcvId, bytes: commands.sub(), key })).toEqual(serviceError)
    const nsub = { entityId: notifier.notifierId, bytes: commands.nsub(), key: notifier.key }
    expect(await send(nsub)).toEqual(serviceError)
  })

  it('of another key is SERVICE; that of the queue without the certificate in it is AUTH', async () => {
    const service = await messaging()
    const { auth: session } = service.session
    const queue = await service.createQueue()
    const { rcvId, key } = queue
    const send = (wrong: Partial<NonNullable<typeof session.service>>): Promise<Reply> => {
      if (!session.service) throw new Error('no service')
      const changed = { ...session, service: { ...session.service, ...wrong } }
      const command = { entityId: rcvId, bytes: commands.sub(), key, ...signedTwice }
      service.sendTransmissions([encodeTransmission(changed, randomBytes(24), command)])
      return service.nextEvent().then(({ reply }) => reply)
    }
    expect(await send({ sessionKey: generateKey('ed25519') })).toEqual(serviceError)
    expect(await send({ certHash: none })).toEqual(auth)
    expect(await send({ certHash: randomBytes(32) })).toEqual(auth)
    expect(await send({})).toEqual(sokOf(service))
  })

  it('is not what SUBS has: that is signed with the session key alone, under the id of the service', async () => {
    const [service, other] = [await messaging(), await messaging()]
    const [entityId, key] = [service.session.serviceId ?? none, service.session.auth.service?.sessionKey]
    const bytes = commands.subs(20, 0, emptyHash)
    expect(await service.request({ entityId: other.session.serviceId ?? none, bytes, key })).toEqual(serviceError)
    expect(await service.request({ entityId: randomBytes(24), bytes, key })).toEqual(serviceError)
    const queue = await service.createQueue({ auth: 'x25519' })
    expect(await service.request({ entityId, bytes, key: queue.key })).toEqual(serviceError)
    expect(await service.request({ entityId, bytes, key })).toEqual(about('SOKS', [queue.rcvId]))
  })
})

describe('the role of a service', () => {
  const roles: Record<string, readonly ServiceRole[]> = {
    PING: ['messaging', 'notifier', 'proxy'],
    NSUB: ['notifier'],
    NSUBS: ['notifier'],
    RFWD: ['proxy'],
  }

  it.each<ServiceRole>(['messaging', 'notifier', 'proxy'])('%s allows its commands and no others', async (role) => {
    const [service, owner] = [await setting.connect(as(createServiceCertificate(), role)), await setting.connect()]
    const queue = await owner.createQueue({ mode: 'contact', subscribe: false })
    const polled = await owner.createQueue({ subscribe: false })
    const notifier = await owner.nkey(queue)
    const linkId = randomBytes(24)
    await owner.lset(queue, linkId, randomBytes(100), randomBytes(100))
    const { rcvId, sndId, key } = queue
    const fresh = generateKey('ed25519')
    const dhSpki = generateKey('x25519').spki
    const sessionKey = service.session.auth.service?.sessionKey
    const serviceId = service.session.serviceId ?? none
    const { host, port, keyHash } = setting.address
    const all: Record<string, Command> = {
      PING: { entityId: none, bytes: commands.ping() },
      NEW: {
        entityId: none,
        bytes: commands.new(20, { authSpki: fresh.spki, dhSpki, mode: 'contact' }),
        key: fresh,
        serviceSigned: true,
      },
      SUB: { entityId: rcvId, bytes: commands.sub(), key, serviceSigned: true },
      KEY: { entityId: rcvId, bytes: commands.key(fresh.spki), key },
      RKEY: { entityId: rcvId, bytes: commands.rkey([key.spki]), key },
      LSET: { entityId: rcvId, bytes: commands.lset(randomBytes(24), none, none), key },
      GET: { entityId: polled.rcvId, bytes: commands.get(), key: polled.key },
      ACK: { entityId: rcvId, bytes: commands.ack(none), key },
      QUE: { entityId: rcvId, bytes: commands.que(), key },
      SEND: { entityId: sndId, bytes: commands.send(none, false), key: fresh },
      SKEY: { entityId: sndId, bytes: commands.skey(fresh.spki), key: fresh },
      LGET: { entityId: linkId, bytes: commands.lget() },
      LKEY: { entityId: linkId, bytes: commands.lkey(fresh.spki), key: fresh },
      LDEL: { entityId: rcvId, bytes: commands.ldel(), key },
      NSUB: { entityId: notifier.notifierId, bytes: commands.nsub(), key: notifier.key, serviceSigned: true },
      NKEY: { entityId: rcvId, bytes: commands.nkey(notifier.key.spki, dhSpki), key },
      NDEL: { entityId: rcvId, bytes: commands.ndel(), key },
      SUBS: { entityId: serviceId, bytes: commands.subs(20, 0, emptyHash), key: sessionKey },
      NSUBS: { entityId: serviceId, bytes: commands.nsubs(20, 0, emptyHash), key: sessionKey },
      PRXY: { entityId: none, bytes: commands.prxy({ hosts: [host], port: `${port}`, keyHash }) },
      PFWD: { entityId: randomBytes(32), bytes: commands.pfwd(20, dhSpki, none) },
      RFWD: { entityId: none, bytes: commands.rfwd(none) },
      RSLV: { entityId: none, bytes: commands.rslv('alice.simplex') },
      OFF: { entityId: rcvId, bytes: commands.off(), key },
      DEL: { entityId: rcvId, bytes: commands.del(), key },
    }
    const allowed: string[] = []
    for (const [word, command] of Object.entries(all)) {
      const reply = await service.request(command)
      if (reply.type !== 'ERR' || reply.error !== 'CMD PROHIBITED') allowed.push(word)
    }
    expect(allowed).toEqual(Object.keys(all).filter((word) => (roles[word] ?? ['messaging']).includes(role)))
  })

  it('proxy goes with RFWD, over a connection without block encryption', async () => {
    const service = { certificate: createServiceCertificate(), role: 'proxy' as const }
    const proxy = await setting.connect({ service, proxyServer: true })
    expect(proxy.session.cipher).toBe(undefined)
    expect(await proxy.request({ entityId: none, bytes: commands.rfwd(randomBytes(100)) })).toEqual(err('CRYPTO'))
    expect(await proxy.ping()).toEqual(pong)
  })
})

describe('the reference conversations', () => {
  it('of notifications', async () => {
    const [recipient, n, other] = [await setting.connect(), await setting.connect(), await setting.connect()]
    const queue = await recipient.createQueue()
    const n1 = await recipient.nkey(queue)
    const n2 = await recipient.nkey(queue)
    expect(n1.notifierId).not.toEqual(n2.notifierId)
    expect(await n.nsub(n2)).toEqual(subscribed(20))
    await recipient.send(queue, 'hello', { notify: true })
    expect(await recipient.receive(queue)).toMatchObject({ body: Buffer.from('hello') })
    expect(await n.nextEvent(1500)).toMatchObject({ entityId: n2.notifierId, reply: { type: 'NMSG' } })
    expect(await other.nsub(n2)).toEqual(subscribed(20))
    expect(await n.nextEvent(500)).toEqual(event(n2.notifierId, 'END'))
    expect(await recipient.ndel(queue)).toEqual(ok)
    expect(await other.nextEvent(500)).toEqual(event(n2.notifierId, 'DELD'))
  })

  it('of a service', async () => {
    const certificate = createServiceCertificate()
    const [service, sender] = [await setting.connect(as(certificate)), await setting.connect()]
    expect((await service.create({ serviceSigned: false })).reply).toEqual(serviceError)
    const queue = await service.createQueue()
    expect(queue.ids.serviceId).toEqual(service.session.serviceId)
    await sender.send(queue, 'one')
    const one = await service.receive(queue)
    expect(await service.ack(queue, one.id)).toEqual(ok)
    await service.close()
    await sender.send(queue, 'two')
    const back = await setting.connect(as(certificate))
    expect(await back.subs(1, hashOf([queue.rcvId]))).toEqual(about('SOKS', [queue.rcvId]))
    expect(await back.receive(queue)).toMatchObject({ body: Buffer.from('two') })
    expect(await back.nextEvent()).toEqual({ corrId: none, entityId: none, reply: { type: 'ALLS' } })
    const bytes = commands.subs(20, 1, hashOf([queue.rcvId]))
    const key = back.session.auth.service?.sessionKey
    expect(await back.request({ entityId: none, bytes, key })).toEqual(err('CMD NO_AUTH'))
    expect(await sender.request({ entityId: back.session.serviceId ?? none, bytes, key })).toEqual(serviceError)
  })
})
