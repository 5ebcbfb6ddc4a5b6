import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import type { RandomBytes } from '../../src/crypto/random.ts'
import { blockQueue } from '../../src/server/blocking.ts'
import { createServiceCertificate } from '../client/certificates.ts'
import { senderIdFor, type SmpClient } from '../client/client.ts'
import { commands } from '../client/commands.ts'
import { generateKey } from '../client/keys.ts'
import type { Queue } from '../client/queue.ts'
import { changeQueue, collected, isEmbedded, servicesOf, walksOf } from './inside.ts'
import { auth, err, noMessage, ok, prohibited, subscribed } from './setting.ts'
import { withTunedRelay } from './tuned.ts'

const none = Buffer.alloc(0)
const setting = withTunedRelay()

/** Everything that the relay keeps, on disk and in memory. */
const everything = async (): Promise<unknown> => {
  const { core, serving } = setting
  const walks = walksOf(core)
  const sessions = [...serving.sessions].map((session) => ({
    subscriptions: [...session.subscriptions.values()].map(({ rcvId, mode, delivered }) => ({
      rcvId,
      mode,
      delivered,
    })),
    notifiers: [...session.notifiers],
    serviceSubscribed: session.serviceSubscribed,
  }))
  const services = await servicesOf(core)
  const serviceQueues = await Promise.all(
    services.flatMap(({ serviceId }) =>
      (['R', 'N'] as const).map((party) => collected(walks.serviceQueues(serviceId, party))),
    ),
  )
  return structuredClone({
    queues: await collected(walks.queues()),
    messages: await collected(walks.messages()),
    notifications: await collected(walks.notifications()),
    sessions,
    services,
    serviceQueues,
    counts: await walks.counts(),
    held: core.subscriptions.counts(),
  })
}

const version = 20
const connect = (): Promise<SmpClient> => setting.connect({ version })

/** Expects that these commands change nothing. */
const expectNoChange = async (work: () => Promise<void>): Promise<void> => {
  const before = await everything()
  await work()
  expect(await everything()).toEqual(before)
}

const withLink = async (client: SmpClient, mode: 'messaging' | 'contact'): Promise<readonly [Queue, Buffer]> => {
  const [queue, linkId] = [await client.createQueue({ subscribe: false, mode }), randomBytes(24)]
  expect(await client.lset(queue, linkId, Buffer.from('fixed'), Buffer.from('user'))).toEqual(ok)
  return [queue, linkId]
}

describe('what is refused changes nothing:', () => {
  it('NEW with ids that are taken or were not made for it', async () => {
    const client = await connect()
    const [, taken] = await withLink(client, 'contact')
    const [corrId, linkId] = [randomBytes(24), randomBytes(24)]
    const data = { fixedData: none, userData: none }
    const link = { linkId, senderId: senderIdFor(corrId), ...data }
    expect((await client.create({ mode: 'contact', corrId, link })).reply.type).toBe('IDS')
    await expectNoChange(async () => {
      const other = randomBytes(24)
      const create = async (options: Parameters<SmpClient['create']>[0]) => (await client.create(options)).reply
      expect(await create({ mode: 'contact', corrId, link })).toEqual(auth)
      expect(await create({ mode: 'messaging', corrId, link: { senderId: link.senderId, ...data } })).toEqual(auth)
      const takenLink = { linkId: taken, senderId: senderIdFor(other), ...data }
      expect(await create({ mode: 'contact', corrId: other, link: takenLink, notifier: 'ed25519' })).toEqual(auth)
      expect(await create({ mode: 'contact', corrId: other, link })).toEqual(prohibited)
      expect(await create({ signWith: generateKey('ed25519') })).toEqual(auth)
    })
  })

  it('LSET of another id, of another fixed part, of the id of another queue, of a secured invitation', async () => {
    const client = await connect()
    const [address, linkId] = await withLink(client, 'contact')
    const [, otherId] = await withLink(client, 'contact')
    const fresh = await client.createQueue({ subscribe: false, mode: 'contact' })
    const [invitation, invitationId] = await withLink(client, 'messaging')
    await client.key(invitation, generateKey('ed25519'))
    await expectNoChange(async () => {
      const fixed = Buffer.from('fixed')
      expect(await client.lset(address, randomBytes(24), fixed, none)).toEqual(auth)
      expect(await client.lset(address, linkId, Buffer.from('other'), none)).toEqual(auth)
      expect(await client.lset(address, otherId, fixed, none)).toEqual(auth)
      expect(await client.lset(fresh, otherId, fixed, none)).toEqual(auth)
      expect(await client.lset(invitation, invitationId, fixed, none)).toEqual(auth)
    })
  })

  it('KEY, SKEY, LKEY and RKEY with keys, ids or for queues that they are not for', async () => {
    const client = await connect()
    const [invitation, linkId] = await withLink(client, 'messaging')
    const [address, addressId] = await withLink(client, 'contact')
    const [secured, key, other] = [
      await client.createQueue({ subscribe: false }),
      generateKey('ed25519'),
      generateKey('x25519'),
    ]
    await client.key(secured, key)
    await expectNoChange(async () => {
      expect(await client.key(secured, other)).toEqual(auth)
      expect(await client.key({ ...invitation, rcvId: invitation.sndId }, other)).toEqual(auth)
      expect(await client.skey(secured, other)).toEqual(auth)
      expect(await client.skey(invitation, key, other)).toEqual(auth)
      expect(await client.skey(address, key)).toEqual(auth)
      expect(await client.skey(invitation.rcvId, key)).toEqual(auth)
      expect(await client.lkey(linkId, key, other)).toEqual(auth)
      expect(await client.lkey(addressId, key)).toEqual(auth)
      expect(await client.rkey(invitation, [key])).toEqual(auth)
      expect(await client.rkey({ ...address, key }, [key])).toEqual(auth)
      expect(await client.rkey(address, [])).toEqual(err('CMD SYNTAX'))
    })
  })

  it('SEND that is too large, not authorised, or to a queue that is off or blocked', async () => {
    const client = await connect()
    const [open, off, blocked] = [
      await client.createQueue({ notifier: 'ed25519' }),
      await client.createQueue(),
      await client.createQueue(),
    ]
    const [invitation] = await withLink(client, 'messaging')
    const key = generateKey('ed25519')
    await client.skey(invitation, key)
    await client.off(off)
    await changeQueue(setting.core, blocked.sndId, (core, id) =>
      blockQueue(core, id, { type: 'blocked', reason: 'spam' }),
    )
    await client.nextEvent()
    await expectNoChange(async () => {
      expect(await client.send(open, Buffer.alloc(16_049), { notify: true })).toEqual(err('LARGE_MSG'))
      expect(await client.send(open, 'signed', { key, notify: true })).toEqual(auth)
      expect(await client.send(open.rcvId, 'to the recipient')).toEqual(auth)
      expect(await client.send(off, 'off')).toEqual(auth)
      expect(await client.send(blocked, 'blocked')).toEqual(err('BLOCKED reason=spam'))
      expect(await client.send(invitation, 'unsigned')).toEqual(auth)
      expect(await client.send(invitation, Buffer.alloc(16_049), { key })).toEqual(err('LARGE_MSG'))
    })
  })

  it('ACK, GET and SUB out of place', async () => {
    const [client, other] = [await connect(), await connect()]
    const [queue, polled] = [await client.createQueue(), await client.createQueue({ subscribe: false })]
    for (const one of [queue, polled]) await client.send(one, 'hello')
    const message = await client.receive(queue)
    client.read(polled, await client.get(polled))
    await expectNoChange(async () => {
      expect(await client.ack(queue, randomBytes(24))).toEqual(noMessage)
      expect(await other.ack(queue, message.id)).toEqual(noMessage)
      expect(await client.get(queue)).toEqual(prohibited)
      expect(await client.sub(polled)).toEqual(prohibited)
      expect(await other.sub({ ...queue, key: generateKey('ed25519') })).toEqual(auth)
      expect(await other.sub({ ...queue, rcvId: queue.sndId })).toEqual(auth)
      expect(await other.del({ ...queue, key: generateKey('ed25519') })).toEqual(auth)
      expect(await other.off({ ...queue, rcvId: queue.sndId })).toEqual(auth)
    })
  })

  it('commands of a service without its signature, or that are for other roles', async () => {
    const [owner, certificate] = [await connect(), createServiceCertificate()]
    const [queue, ringing] = [await owner.createQueue(), await owner.createQueue({ notifier: 'ed25519' })]
    const { notifier } = ringing
    if (!notifier) throw new Error('no notifier')
    await owner.nsub(notifier)
    const service = await setting.connect({ version, service: { certificate, role: 'messaging' } })
    const { serviceId = none } = service.session
    await expectNoChange(async () => {
      const sub = { entityId: queue.rcvId, bytes: commands.sub(), key: queue.key }
      expect(await service.request({ ...sub, serviceSigned: false })).toEqual(err('SERVICE'))
      expect(await service.request({ ...sub, serviceSigned: true, key: generateKey('ed25519') })).toEqual(auth)
      expect((await service.create({ serviceSigned: false })).reply).toEqual(err('SERVICE'))
      expect((await service.create({ subscribe: false })).reply).toEqual(prohibited)
      expect(await service.nsub(notifier)).toEqual(prohibited)
      expect(await service.nsubs(1, Buffer.alloc(16))).toEqual(prohibited)
      const subs = {
        entityId: serviceId,
        bytes: commands.subs(version, 0, Buffer.alloc(16)),
        key: generateKey('ed25519'),
      }
      expect(await service.request(subs)).toEqual(err('SERVICE'))
      expect(await owner.request(subs)).toEqual(err('SERVICE'))
    })
    expect(await owner.nsub(notifier)).toEqual(subscribed(version))
  })
})

describe('ids that the relay makes', () => {
  /** A relay that is unlucky with its random bytes this many times. */
  const unlucky = async (times: number, work: () => Promise<void>): Promise<void> => {
    const { core } = setting
    const { random } = core
    let left = times
    const repeated: RandomBytes = (size) => (left-- > 0 ? Buffer.alloc(size, 7) : random(size))
    Object.assign(core, { random: repeated })
    try {
      await work()
    } finally {
      Object.assign(core, { random })
    }
  }

  it.runIf(isEmbedded)(
    'are made again when they are taken; after the third time NEW is INTERNAL and changes nothing (needs an embedded store)',
    async () => {
      const client = await connect()
      // A queue needs two ids, so that these are the ids of the first.
      await unlucky(2, async () => {
        expect((await client.create()).reply).toMatchObject({ rcvId: Buffer.alloc(24, 7), sndId: Buffer.alloc(24, 7) })
      })
      await unlucky(4, async () => {
        expect((await client.create()).reply.type).toBe('IDS')
      })
      await expectNoChange(() =>
        unlucky(6, async () => {
          expect((await client.create()).reply).toEqual(err('INTERNAL'))
        }),
      )
    },
  )

  it.runIf(isEmbedded)(
    'are made again for notifiers as well; NKEY keeps the notifier before when it is INTERNAL (needs an embedded store)',
    async () => {
      const client = await connect()
      const [one, other] = [await client.createQueue(), await client.createQueue()]
      await unlucky(1, async () => {
        expect(await client.nkey(one)).toMatchObject({ notifierId: Buffer.alloc(24, 7) })
      })
      await unlucky(2, async () => {
        await client.nkey(other)
      })
      await expectNoChange(() =>
        unlucky(3, async () => {
          await expect(client.nkey(other)).rejects.toThrow('NKEY was answered with ERR')
        }),
      )
    },
  )

  // PostgreSQL says so when the transaction ends, and nobody knows it before.
  it.runIf(!isEmbedded)('are an error when they are taken, and change nothing (needs PostgreSQL)', async () => {
    const client = await connect()
    await unlucky(2, async () => {
      expect((await client.create()).reply).toMatchObject({ rcvId: Buffer.alloc(24, 7), sndId: Buffer.alloc(24, 7) })
    })
    const [one, other] = [await client.createQueue(), await client.createQueue()]
    await unlucky(1, async () => {
      expect(await client.nkey(one)).toMatchObject({ notifierId: Buffer.alloc(24, 7) })
    })
    await client.nkey(other)
    await expectNoChange(() =>
      unlucky(1, async () => {
        expect((await client.create({ subscribe: false })).reply.type).toBe('ERR')
      }),
    )
    await expectNoChange(() =>
      unlucky(1, async () => {
        await expect(client.nkey(other)).rejects.toThrow('NKEY was answered with ERR')
      }),
    )
    expect((await client.create()).reply.type).toBe('IDS')
  })
})
