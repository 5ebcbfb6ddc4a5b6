import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { commands } from '../client/commands.ts'
import { generateKey } from '../client/keys.ts'
import { auth, authAlgs, ok, subscribed, versions, withRelay } from './setting.ts'

const setting = withRelay()

describe.each(versions)('KEY in version %i', (version) => {
  it.each(authAlgs(version))('secures the queue with an %s key: the same again is OK, another is AUTH', async (alg) => {
    const client = await setting.connect({ version })
    const queue = await client.createQueue()
    const key = generateKey(alg)
    expect(await client.key(queue, key)).toEqual(ok)
    expect(await client.key(queue, key)).toEqual(ok)
    expect(await client.key(queue, generateKey(alg))).toEqual(auth)
    expect(await client.send(queue, 'unsigned')).toEqual(auth)
    expect(await client.send(queue, 'signed', { key })).toEqual(ok)
    for (const other of authAlgs(version))
      expect(await client.send(queue, 'by another', { key: generateKey(other) })).toEqual(auth)
    expect(await client.receive(queue)).toMatchObject({ body: Buffer.from('signed') })
  })

  it('works for contact queues and by the recipient only', async () => {
    const client = await setting.connect({ version })
    const queue = await client.createQueue({ mode: 'contact' })
    const key = generateKey('ed25519')
    const bytes = commands.key(key.spki)
    expect(await client.request({ entityId: queue.sndId, bytes, key: queue.key })).toEqual(auth)
    expect(await client.request({ entityId: queue.rcvId, bytes, key })).toEqual(auth)
    expect(await client.key(queue, key)).toEqual(ok)
  })

  it('comes too late for signed messages before it', async () => {
    const client = await setting.connect({ version })
    const queue = await client.createQueue()
    const key = generateKey('ed25519')
    expect(await client.send(queue, 'signed', { key })).toEqual(auth)
    expect(await client.key(queue, key)).toEqual(ok)
    expect(await client.send(queue, 'signed', { key })).toEqual(ok)
  })
})

describe.each(versions)('SKEY in version %i', (version) => {
  it.each(authAlgs(version))('with an %s key secures messaging queues from v9 on', async (alg) => {
    const [recipient, sender] = [await setting.connect({ version }), await setting.connect({ version })]
    const queue = await recipient.createQueue({ mode: 'messaging' })
    const key = generateKey(alg)
    if (version < 9) {
      expect(await sender.skey(queue, key)).toEqual(auth)
      return
    }
    expect(await sender.skey(queue, key)).toEqual(ok)
    expect(await sender.skey(queue, key)).toEqual(ok)
    expect(await sender.skey(queue, generateKey(alg))).toEqual(auth)
    expect(await recipient.key(queue, key)).toEqual(ok)
    expect(await recipient.key(queue, generateKey(alg))).toEqual(auth)
    expect(await sender.send(queue, 'unsigned')).toEqual(auth)
    expect(await sender.send(queue, 'signed', { key })).toEqual(ok)
    expect(await recipient.receive(queue)).toMatchObject({ body: Buffer.from('signed') })
  })

  it.each(authAlgs(version))('signed by another %s key than its own is AUTH and secures nothing', async (alg) => {
    const client = await setting.connect({ version })
    const queue = await client.createQueue({ mode: 'messaging' })
    for (const other of authAlgs(version))
      expect(await client.skey(queue, generateKey(alg), generateKey(other))).toEqual(auth)
    expect(await client.send(queue, 'unsigned')).toEqual(ok)
  })

  it('of contact queues and of queues without a mode, and by the recipient id, is AUTH', async () => {
    const client = await setting.connect({ version })
    const key = generateKey('ed25519')
    const [contact, neither] = [
      await client.createQueue({ mode: 'contact' }),
      await client.createQueue({ mode: 'none' }),
    ]
    const messaging = await client.createQueue({ mode: 'messaging' })
    expect(await client.skey(contact, key)).toEqual(auth)
    expect(await client.skey(neither, key)).toEqual(auth)
    expect(await client.skey(messaging.rcvId, key)).toEqual(auth)
    expect(await client.send(contact, 'unsigned')).toEqual(ok)
  })

  it('after KEY accepts the same key only', async () => {
    const client = await setting.connect({ version })
    const queue = await client.createQueue({ mode: 'messaging' })
    const key = generateKey('ed25519')
    expect(await client.key(queue, key)).toEqual(ok)
    expect(await client.skey(queue, key)).toEqual(version < 9 ? auth : ok)
    expect(await client.skey(queue, generateKey('ed25519'))).toEqual(auth)
  })
})

describe.each(versions)('RKEY in version %i', (version) => {
  it('replaces all keys of the recipient, for contact queues only', async () => {
    const client = await setting.connect({ version })
    const contact = await client.createQueue({ mode: 'contact' })
    const messaging = await client.createQueue({ mode: 'messaging' })
    const keys = [generateKey('ed25519'), generateKey('ed448')] as const
    expect(await client.rkey(messaging, keys)).toEqual(auth)
    if (version < 9) {
      expect(await client.rkey(contact, keys)).toEqual(auth)
      return
    }
    expect(await client.rkey(contact, keys)).toEqual(ok)
    expect(await client.off(contact)).toEqual(auth)
    expect(await client.off({ ...contact, key: keys[0] })).toEqual(ok)
    expect(await client.sub({ ...contact, key: keys[1] })).toEqual(subscribed(version))
    expect(await client.rkey({ ...contact, key: keys[1] }, [keys[0]])).toEqual(ok)
    expect(await client.off({ ...contact, key: keys[1] })).toEqual(auth)
    expect(await client.off({ ...contact, key: keys[0] })).toEqual(ok)
  })
})

describe.each(versions)('link data in version %i', (version) => {
  const [fixedData, userData, newer] = [randomBytes(100), randomBytes(200), randomBytes(300)]

  it('of an address is set, read, changed in its user part only, and deleted', async () => {
    const client = await setting.connect({ version })
    const queue = await client.createQueue({ mode: 'contact' })
    const linkId = randomBytes(24)
    const { sndId } = queue
    expect(await client.lget(linkId)).toEqual(auth)
    expect(await client.lset(queue, linkId, fixedData, userData)).toEqual(ok)
    expect(await client.lget(linkId)).toEqual({ type: 'LNK', sndId, fixedData, userData })
    expect(await client.lset(queue, linkId, fixedData, newer)).toEqual(ok)
    expect(await client.lget(linkId)).toEqual({ type: 'LNK', sndId, fixedData, userData: newer })
    expect(await client.lset(queue, linkId, randomBytes(100), userData)).toEqual(auth)
    expect(await client.lset(queue, randomBytes(24), fixedData, userData)).toEqual(auth)
    expect(await client.ldel(queue)).toEqual(ok)
    expect(await client.ldel(queue)).toEqual(ok)
    expect(await client.lget(linkId)).toEqual(auth)
  })

  it('of another queue is not taken over', async () => {
    const client = await setting.connect({ version })
    const [one, other] = [await client.createQueue({ mode: 'contact' }), await client.createQueue({ mode: 'contact' })]
    const linkId = randomBytes(24)
    expect(await client.lset(one, linkId, fixedData, userData)).toEqual(ok)
    expect(await client.lset(other, linkId, fixedData, userData)).toEqual(auth)
  })

  it('goes with its queue', async () => {
    const client = await setting.connect({ version })
    const queue = await client.createQueue({ mode: 'contact' })
    const linkId = randomBytes(24)
    await client.lset(queue, linkId, fixedData, userData)
    expect(await client.del(queue)).toEqual(ok)
    expect(await client.lget(linkId)).toEqual(auth)
  })
})

describe.each(versions.filter((version) => version >= 9))('LKEY in version %i', (version) => {
  const [fixedData, userData] = [randomBytes(100), randomBytes(200)]

  it.each(authAlgs(version))('with an %s key reads the link of an invitation and secures it', async (alg) => {
    const client = await setting.connect({ version })
    const queue = await client.createQueue({ mode: 'messaging' })
    const { sndId } = queue
    const linkId = randomBytes(24)
    expect(await client.lset(queue, linkId, fixedData, userData)).toEqual(ok)
    const key = generateKey(alg)
    expect(await client.lget(linkId)).toEqual(auth)
    expect(await client.lkey(linkId, key, generateKey(alg))).toEqual(auth)
    expect(await client.lkey(linkId, key)).toEqual({ type: 'LNK', sndId, fixedData, userData })
    expect(await client.lkey(linkId, key)).toEqual({ type: 'LNK', sndId, fixedData, userData })
    expect(await client.lkey(linkId, generateKey(alg))).toEqual(auth)
    expect(await client.send(queue, 'unsigned')).toEqual(auth)
    expect(await client.lset(queue, linkId, fixedData, userData)).toEqual(auth)
    expect(await client.send(queue, 'signed', { key })).toEqual(ok)
    expect(await client.lkey(linkId, key)).toEqual(auth)
  })

  it('of an address is AUTH', async () => {
    const client = await setting.connect({ version })
    const queue = await client.createQueue({ mode: 'contact' })
    const linkId = randomBytes(24)
    await client.lset(queue, linkId, fixedData, userData)
    expect(await client.lkey(linkId, generateKey('ed25519'))).toEqual(auth)
  })
})
