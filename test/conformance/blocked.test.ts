import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { blockQueue, unblockQueue } from '../../src/server/blocking.ts'
import type { BlockedStatus } from '../../src/store/store.ts'
import { createServiceCertificate } from '../client/certificates.ts'
import { expectReply } from '../client/client.ts'
import { commands } from '../client/commands.ts'
import { generateKey } from '../client/keys.ts'
import { forward, pfwd, relayBehindProxy } from '../client/proxy.ts'
import type { Reply } from '../client/replies.ts'
import { changeQueue } from './inside.ts'
import { auth, err, noMessage, ok, subscribed } from './setting.ts'
import { withTunedRelay } from './tuned.ts'

const setting = withTunedRelay()
const none = Buffer.alloc(0)
/** ERR BLOCKED since 12, its notice since 18. */
const versions = [6, 11, 12, 17, 18, 20] as const

const spam: BlockedStatus = { type: 'blocked', reason: 'spam', notice: { ttl: 86_400 } }
const active = { type: 'active' } as const

const blockedAs = (version: number, text = 'reason=spam,notice={"ttl":86400}'): Reply => {
  if (version < 12) return auth
  return err(`BLOCKED ${version < 18 ? text.replace(/,notice.*/, '') : text}`)
}

const block = (sndId: Buffer, status = spam): Promise<ReturnType<typeof blockQueue>> =>
  changeQueue(setting.core, sndId, (core, id) => blockQueue(core, id, status))
const unblock = (sndId: Buffer): Promise<ReturnType<typeof unblockQueue>> =>
  changeQueue(setting.core, sndId, unblockQueue)

describe.each(versions)('a blocked queue in version %i', (version) => {
  it('is told to its subscriber at once, and takes no messages until it is unblocked', async () => {
    const [recipient, sender] = [await setting.connect({ version }), await setting.connect({ version })]
    const queue = await recipient.createQueue()
    expect(await block(queue.sndId)).toEqual({ changed: true, status: active })
    expect(await recipient.nextEvent(500)).toEqual({
      corrId: none,
      entityId: queue.rcvId,
      reply: blockedAs(version),
    })
    expect(await sender.send(queue, 'hello')).toEqual(blockedAs(version))
    expect(await recipient.sub(queue)).toEqual(blockedAs(version))
    expect(await unblock(queue.sndId)).toEqual({ changed: true, status: spam })
    expect(await sender.send(queue, 'hello')).toEqual(ok)
    expect(await recipient.receive(queue)).toMatchObject({ body: Buffer.from('hello') })
  })

  it('refuses every command but NSUB, OFF and DEL', async () => {
    const client = await setting.connect({ version })
    const queue = await client.createQueue({ subscribe: false, mode: 'contact' })
    const notifier = await client.nkey(queue)
    const linkId = randomBytes(24)
    expect(await client.lset(queue, linkId, none, none)).toEqual(ok)
    await block(queue.sndId)
    const key = generateKey('ed25519')
    const refused: Promise<Reply>[] = [
      client.sub(queue),
      client.key(queue, key),
      client.rkey(queue, [key]),
      client.lset(queue, linkId, none, none),
      client.ldel(queue),
      client.ndel(queue),
      client.get(queue),
      client.ack(queue, none),
      client.que(queue),
      client.lget(linkId),
      client.send(queue, 'hello'),
    ]
    for (const reply of await Promise.all(refused)) expect(reply).toEqual(blockedAs(version))
    await expect(client.nkey(queue)).rejects.toThrow('NKEY was answered with ERR')
    expect(await client.nsub(notifier)).toEqual(subscribed(version))
    expect(await client.off(queue)).toEqual(ok)
    expect(await client.del(queue)).toEqual(ok)
  })

  it('says AUTH and not that it is blocked to those who may not know', async () => {
    const client = await setting.connect({ version })
    const queue = await client.createQueue({ subscribe: false })
    const key = generateKey('ed25519')
    await client.key(queue, key)
    await block(queue.sndId)
    expect(await client.sub({ ...queue, key })).toEqual(auth)
    expect(await client.send(queue, 'unsigned')).toEqual(auth)
    expect(await client.send(queue, 'signed', { key: generateKey('ed25519') })).toEqual(auth)
    expect(await client.send(queue, 'signed', { key })).toEqual(blockedAs(version))
    expect(await client.skey(queue, generateKey('ed25519'))).toEqual(auth)
  })

  it('whose link is not open to read says AUTH to LGET', async () => {
    const client = await setting.connect({ version: Math.max(version, 9) })
    const queue = await client.createQueue({ subscribe: false, mode: 'messaging' })
    const linkId = randomBytes(24)
    await client.lset(queue, linkId, none, none)
    expect(await client.lget(linkId)).toEqual(auth)
    await block(queue.sndId)
    expect(await client.lget(linkId)).toEqual(auth)
  })

  it('that is a secured invitation refuses SKEY and LKEY with its own key', async () => {
    const client = await setting.connect({ version: Math.max(version, 9) })
    const queue = await client.createQueue({ subscribe: false, mode: 'messaging' })
    const [linkId, key] = [randomBytes(24), generateKey('ed25519')]
    await client.lset(queue, linkId, none, none)
    await block(queue.sndId)
    expect(await client.skey(queue, key)).toEqual(blockedAs(client.version))
    expect(await client.lkey(linkId, key)).toEqual(blockedAs(client.version))
  })
})

describe('blocking', () => {
  it.each<[BlockedStatus, string]>([
    [{ type: 'blocked', reason: 'content' }, 'reason=content'],
    [{ type: 'blocked', reason: 'content', notice: {} }, 'reason=content,notice={}'],
    [{ type: 'blocked', reason: 'spam', notice: { ttl: 0 } }, 'reason=spam,notice={"ttl":0}'],
  ])('with %o says so', async (status, text) => {
    const client = await setting.connect()
    const queue = await client.createQueue()
    await block(queue.sndId, status)
    expect((await client.nextEvent(500)).reply).toEqual(blockedAs(20, text))
    expect(await client.sub(queue)).toEqual(blockedAs(20, text))
  })

  it('finds a queue by its link id, and none by any other', async () => {
    const client = await setting.connect()
    const queue = await client.createQueue({ subscribe: false, mode: 'contact' })
    const linkId = randomBytes(24)
    await client.lset(queue, linkId, none, none)
    expect(await block(queue.rcvId)).toBe(undefined)
    expect(await block(randomBytes(24))).toBe(undefined)
    expect(await unblock(randomBytes(24))).toBe(undefined)
    expect(await block(linkId)).toMatchObject({ changed: true })
    expect(await client.lget(linkId)).toEqual(blockedAs(20))
    expect(await unblock(linkId)).toMatchObject({ changed: true })
    expect((await client.lget(linkId)).type).toBe('LNK')
  })

  it('gives a queue that is blocked already the new reason, and tells it', async () => {
    const client = await setting.connect()
    const queue = await client.createQueue()
    await block(queue.sndId)
    await client.nextEvent(500)
    const count = setting.serving.stats.qBlocked
    expect(await block(queue.sndId, { type: 'blocked', reason: 'content' })).toEqual({ changed: true, status: spam })
    expect((await client.nextEvent(500)).reply).toEqual(blockedAs(20, 'reason=content'))
    expect(setting.serving.stats.qBlocked).toBe(count)
  })

  it('leaves a queue alone that is blocked in the same way, or off; unblocking one that is not blocked', async () => {
    const client = await setting.connect()
    const [queue, off] = [await client.createQueue(), await client.createQueue({ subscribe: false })]
    expect(await unblock(queue.sndId)).toEqual({ changed: false, status: active })
    const count = setting.serving.stats.qBlocked
    await block(queue.sndId)
    await client.nextEvent(500)
    expect(await block(queue.sndId, { ...spam, notice: { ttl: 86_400 } })).toEqual({ changed: false, status: spam })
    expect(setting.serving.stats.qBlocked).toBe(count + 1)
    await client.off(off)
    expect(await block(off.sndId)).toEqual({ changed: false, status: { type: 'off' } })
    expect(await unblock(off.sndId)).toEqual({ changed: false, status: { type: 'off' } })
    expect(await client.send(off, 'hello')).toEqual(auth)
    await client.noEvent()
  })

  it('takes nothing away: what waited is there again, and comes to those who subscribe', async () => {
    const client = await setting.connect()
    const queue = await client.createQueue()
    await client.send(queue, 'before')
    const message = await client.receive(queue)
    await block(queue.sndId)
    await client.nextEvent(500)
    expect(await client.ack(queue, message.id)).toEqual(blockedAs(20))
    await setting.restart()
    const back = await setting.connect()
    expect(await back.sub(queue)).toEqual(blockedAs(20))
    await back.noEvent()
    await unblock(queue.sndId)
    expect(await back.sub(queue)).toEqual(subscribed(20))
    expect(await back.receive(queue)).toEqual(message)
    expect(await back.ack(queue, message.id)).toEqual(ok)
    expect(await back.ack(queue, message.id)).toEqual(noMessage)
  })

  it('a queue of a service tells it so at once, and at every SUBS in place of its messages', async () => {
    const service = { certificate: createServiceCertificate(), role: 'messaging' as const }
    const first = await setting.connect({ service })
    const [queue, other] = [await first.createQueue(), await first.createQueue()]
    for (const one of [queue, other]) {
      await first.send(one, 'hello')
      await first.receive(one)
    }
    await block(queue.sndId)
    const told = { corrId: none, entityId: queue.rcvId, reply: blockedAs(20) }
    expect(await first.nextEvent(500)).toEqual(told)
    await first.close()
    const again = await setting.connect({ service })
    await again.subs(0, Buffer.alloc(16))
    const events = [await again.nextEvent(500), await again.nextEvent(500), await again.nextEvent(500)]
    expect(events.find(({ entityId }) => entityId.equals(queue.rcvId))).toEqual(told)
    expect(events.find(({ entityId }) => entityId.equals(other.rcvId))).toMatchObject({ reply: { type: 'MSG' } })
    expect(events.at(-1)?.reply).toEqual({ type: 'ALLS' })
  })

  it.each([8, 11, 12, 17, 18, 20])('is told to a sender behind a proxy as version %i knows it', async (version) => {
    const [recipient, sender] = [await setting.connect(), await setting.connect()]
    const queue = await recipient.createQueue({ subscribe: false })
    await block(queue.sndId)
    const { host, port, keyHash } = setting.address
    const bytes = commands.prxy({ hosts: [host], port: `${port}`, keyHash })
    const pkey = expectReply(await sender.request({ entityId: none, bytes }), 'PKEY')
    const relay = relayBehindProxy(pkey, keyHash, version)
    const corrId = randomBytes(24)
    const forwarded = forward(relay, corrId, { entityId: queue.sndId, bytes: commands.send(none, false) })
    const reply = expectReply(await sender.request(pfwd(relay, forwarded), corrId), 'PRES')
    expect(forwarded.open(reply.encrypted).reply).toEqual(blockedAs(version))
  })
})
