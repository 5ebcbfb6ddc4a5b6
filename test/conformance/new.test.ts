import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { senderIdFor } from '../client/client.ts'
import { commands } from '../client/commands.ts'
import { generateKey } from '../client/keys.ts'
import { auth, authAlgs, ok, prohibited, subscribed, versions, withRelay } from './setting.ts'

const none = Buffer.alloc(0)

describe('NEW', () => {
  const setting = withRelay()

  describe.each(versions)('in version %i', (version) => {
    it.each(authAlgs(version))('with an %s key gives IDS with fresh ids of 24 bytes', async (alg) => {
      const client = await setting.connect({ version })
      const [one, other] = [await client.createQueue({ auth: alg }), await client.createQueue({ auth: alg })]
      const ids = [one.rcvId, one.sndId, other.rcvId, other.sndId]
      expect(ids.map(({ length }) => length)).toEqual([24, 24, 24, 24])
      expect(new Set(ids.map((id) => id.toString('hex'))).size).toBe(4)
      expect(one.ids.serverDhSpki).not.toEqual(other.ids.serverDhSpki)
      expect(one.ids.linkId).toBe(undefined)
      expect(one.ids.serviceId).toBe(undefined)
      expect(one.ids.notifier).toBe(undefined)
    })

    it.each(authAlgs(version))('signed by another %s key than the one in it is AUTH', async (alg) => {
      const client = await setting.connect({ version })
      for (const other of authAlgs(version)) {
        const { reply } = await client.create({ auth: alg, signWith: generateKey(other) })
        expect(reply).toEqual(auth)
      }
    })

    it('subscribes when it is told to, and does not otherwise', async () => {
      const client = await setting.connect({ version })
      const subscribed = await client.createQueue({ subscribe: true })
      const notSubscribed = await client.createQueue({ subscribe: false })
      await client.send(notSubscribed, 'unseen')
      await client.send(subscribed, 'seen')
      expect(await client.receive(subscribed)).toMatchObject({ body: Buffer.from('seen') })
      await client.noEvent()
    })

    it('takes any password when the relay has none', async () => {
      const client = await setting.connect({ version })
      const { reply } = await client.create({ password: 'anything' })
      expect(reply.type).toBe('IDS')
    })

    it('tells the mode of the queue as far as the version knows it', async () => {
      const client = await setting.connect({ version })
      const messaging = await client.createQueue({ mode: 'messaging' })
      const contact = await client.createQueue({ mode: 'contact' })
      const neither = await client.createQueue({ mode: 'none' })
      const told = [messaging, contact, neither].map(({ ids }) => ids.mode)
      if (version < 9) expect(told).toEqual([undefined, undefined, undefined])
      else expect(told).toEqual(['messaging', 'contact', version < 15 ? 'contact' : undefined])
    })
  })

  describe.each(versions.filter((version) => version >= 15))('with link data in version %i', (version) => {
    const fixedData = randomBytes(300)
    const userData = randomBytes(500)

    it('for an invitation uses the sender id of the client and gives a link id', async () => {
      const client = await setting.connect({ version })
      const corrId = randomBytes(24)
      const senderId = senderIdFor(corrId)
      const queue = await client.createQueue({ corrId, link: { senderId, fixedData, userData } })
      expect(queue.sndId).toEqual(senderId)
      expect(queue.ids.linkId?.length).toBe(24)
      expect(queue.ids.mode).toBe('messaging')
      const sender = await setting.connect({ version })
      const key = generateKey('ed25519')
      const linkId = queue.ids.linkId ?? none
      expect(await sender.lget(linkId)).toEqual(auth)
      expect(await sender.lkey(linkId, key)).toEqual({ type: 'LNK', sndId: senderId, fixedData, userData })
      expect(await sender.send(queue, 'hello', { key })).toEqual(ok)
      expect(await client.receive(queue)).toMatchObject({ body: Buffer.from('hello') })
    })

    it('for an address uses the link id and the sender id of the client', async () => {
      const client = await setting.connect({ version })
      const corrId = randomBytes(24)
      const senderId = senderIdFor(corrId)
      const linkId = randomBytes(24)
      const link = { linkId, senderId, fixedData, userData }
      const queue = await client.createQueue({ corrId, mode: 'contact', link })
      expect([queue.sndId, queue.ids.linkId, queue.ids.mode]).toEqual([senderId, linkId, 'contact'])
      expect(await client.lget(linkId)).toEqual({ type: 'LNK', sndId: senderId, fixedData, userData })
    })

    it('and a sender id that does not belong to the corrId is PROHIBITED', async () => {
      const client = await setting.connect({ version })
      const { reply } = await client.create({ link: { senderId: randomBytes(24), fixedData, userData } })
      expect(reply).toEqual(prohibited)
    })

    it('and an id that is taken is AUTH', async () => {
      const client = await setting.connect({ version })
      const corrId = randomBytes(24)
      const link = { linkId: randomBytes(24), senderId: senderIdFor(corrId), fixedData, userData }
      await client.createQueue({ corrId, mode: 'contact', link })
      const again = await client.create({ corrId, mode: 'contact', link: { ...link, linkId: randomBytes(24) } })
      expect(again.reply).toEqual(auth)
      const otherCorrId = randomBytes(24)
      const sameLink = { ...link, senderId: senderIdFor(otherCorrId) }
      const { reply } = await client.create({ corrId: otherCorrId, mode: 'contact', link: sameLink })
      expect(reply).toEqual(auth)
    })
  })

  describe.each([17, 19])('with a notifier in version %i', (version) => {
    it('gives the notifier id and a key, and notifications come', async () => {
      const client = await setting.connect({ version })
      const { notifier, sndId } = await client.createQueue({ notifier: 'ed25519', subscribe: false })
      if (!notifier) throw new Error('no notifier')
      expect(notifier.notifierId.length).toBe(24)
      const server = await setting.connect({ version })
      expect(await server.nsub(notifier)).toEqual(subscribed(version))
      await client.send(sndId, 'ring', { notify: true })
      expect(await server.nextEvent()).toMatchObject({ entityId: notifier.notifierId, reply: { type: 'NMSG' } })
    })
  })
})

describe('NEW on a relay with a password', () => {
  const setting = withRelay({ createPassword: 'secret' })

  it.each(versions)('in version %i needs it', async (version) => {
    const client = await setting.connect({ version })
    expect((await client.create({ password: 'secret' })).reply.type).toBe('IDS')
    expect((await client.create({ password: 'wrong!' })).reply).toEqual(auth)
    expect((await client.create({ password: 'secre' })).reply).toEqual(auth)
    expect((await client.create()).reply).toEqual(auth)
  })

  it('is AUTH for a wrong signature, too', async () => {
    const client = await setting.connect()
    expect((await client.create({ password: 'secret', signWith: generateKey('ed25519') })).reply).toEqual(auth)
  })
})

describe('NEW on a relay that takes no new queues', () => {
  const setting = withRelay({ newQueues: false })

  it.each(versions)('in version %i is AUTH', async (version) => {
    const client = await setting.connect({ version })
    expect((await client.create()).reply).toEqual(auth)
  })
})

describe('NEW with a password that cannot be one', () => {
  const setting = withRelay()

  it.each(versions)('in version %i is a syntax error', async (version) => {
    const client = await setting.connect({ version })
    const key = generateKey('ed25519')
    const dhSpki = generateKey('x25519').spki
    for (const password of ['a b', 'a@b', 'a:b', 'a/b']) {
      const bytes = commands.new(version, { authSpki: key.spki, dhSpki, mode: 'messaging', password })
      expect(await client.request({ entityId: none, bytes, key })).toEqual({ type: 'ERR', error: 'CMD SYNTAX' })
    }
  })
})
