import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { seal, nonceOf } from '../client/box.ts'
import { expectReply, type SmpClient } from '../client/client.ts'
import { commands } from '../client/commands.ts'
import { generateKey } from '../client/keys.ts'
import {
  forward,
  forwardPayload,
  openRres,
  pfwd,
  relayBehindProxy,
  rfwd,
  type ForwardedRelay,
} from '../client/proxy.ts'
import { auth, authAlgs, err, maxBody, ok, withRelay } from './setting.ts'
import { forwardRaw, prxy, relayOf, through } from './through-proxy.ts'

const none = Buffer.alloc(0)
const forwardedVersions = [8, 9, 10, 11, 14, 15, 16, 17, 19] as const

describe('through a proxy', () => {
  const relay = withRelay()
  const proxy = withRelay()

  it.each(forwardedVersions)('a sender secures and sends in version %i, whatever its own version', async (version) => {
    const recipient = await relay.connect({ version: 19 })
    for (const senderVersion of [7, 8, 11, 19]) {
      const sender = await proxy.connect({ version: senderVersion })
      const behind = await relayOf(sender, relay.address, version)
      for (const alg of authAlgs(version)) {
        const queue = await recipient.createQueue()
        const key = generateKey(alg)
        const skey = { entityId: queue.sndId, bytes: commands.skey(key.spki), key }
        const send = { entityId: queue.sndId, bytes: commands.send(Buffer.from('hello'), true), key }
        expect(await through(sender, behind, skey)).toMatchObject({ entityId: queue.sndId, reply: ok })
        expect(await through(sender, behind, send)).toMatchObject({ entityId: queue.sndId, reply: ok })
        expect(await through(sender, behind, { ...send, key: undefined })).toMatchObject({ reply: auth })
        const message = await recipient.receive(queue)
        expect(message).toMatchObject({ body: Buffer.from('hello'), notify: true })
        await recipient.del(queue)
      }
    }
  })

  it.each(forwardedVersions)('the largest body is the one of the forwarded version %i', async (version) => {
    const recipient = await relay.connect()
    const sender = await proxy.connect()
    const behind = await relayOf(sender, relay.address, version)
    const queue = await recipient.createQueue()
    const body = randomBytes(maxBody(version))
    const send = (bytes: Buffer) =>
      through(sender, behind, { entityId: queue.sndId, bytes: commands.send(bytes, false) })
    expect((await send(Buffer.concat([body, Buffer.of(1)]))).reply).toEqual(err('LARGE_MSG'))
    expect((await send(body)).reply).toEqual(ok)
    expect(await recipient.receive(queue)).toMatchObject({ body })
  })

  it.each(forwardedVersions)('the largest body fits in version %i with every kind of key', async (version) => {
    const recipient = await relay.connect()
    const sender = await proxy.connect()
    const behind = await relayOf(sender, relay.address, version)
    // With an Ed448 signature a message of versions 8 to 10 is larger than what can be forwarded.
    for (const alg of authAlgs(version).filter((one) => version >= 11 || one !== 'ed448')) {
      const queue = await recipient.createQueue()
      const [key, body] = [generateKey(alg), randomBytes(maxBody(version))]
      await recipient.key(queue, key)
      const send = { entityId: queue.sndId, bytes: commands.send(body, false), key }
      expect((await through(sender, behind, send)).reply).toEqual(ok)
      expect(await recipient.receive(queue)).toMatchObject({ body })
    }
  })

  it('link data that is too large for the way back is BLOCK', async () => {
    const recipient = await relay.connect()
    const sender = await proxy.connect()
    const behind = await relayOf(sender, relay.address)
    const queue = await recipient.createQueue({ mode: 'contact' })
    const [linkId, fixedData] = [randomBytes(24), randomBytes(100)]
    expect(await recipient.lset(queue, linkId, fixedData, randomBytes(16_060))).toEqual(ok)
    const lget = { entityId: linkId, bytes: commands.lget() }
    expect(await forwardRaw(sender, behind, lget)).toEqual(err('PROXY PROTOCOL BLOCK'))
    const userData = randomBytes(16_000)
    expect(await recipient.lset(queue, linkId, fixedData, userData)).toEqual(ok)
    expect((await through(sender, behind, lget)).reply).toMatchObject({ type: 'LNK', userData })
  })

  it('only a sender may be: other commands are PROHIBITED', async () => {
    const [recipient, sender] = [await relay.connect(), await proxy.connect()]
    const behind = await relayOf(sender, relay.address)
    const { rcvId, key } = await recipient.createQueue()
    for (const bytes of [commands.sub(), commands.off(), commands.del(), commands.get()])
      expect((await through(sender, behind, { entityId: rcvId, bytes, key })).reply).toEqual(err('CMD PROHIBITED'))
    const ping = { entityId: none, bytes: commands.ping() }
    expect((await through(sender, behind, ping)).reply).toEqual(err('CMD PROHIBITED'))
    const unknown = { entityId: none, bytes: Buffer.from('HELLO') }
    expect((await through(sender, behind, unknown)).reply).toEqual(err('CMD UNKNOWN'))
  })

  it('link data is read', async () => {
    const [recipient, sender] = [await relay.connect(), await proxy.connect()]
    const behind = await relayOf(sender, relay.address)
    const [address, invitation] = [
      await recipient.createQueue({ mode: 'contact' }),
      await recipient.createQueue({ mode: 'messaging' }),
    ]
    const [linkId, otherLinkId, fixedData, userData] = [24, 24, 2048, 13824].map((length) => randomBytes(length)) as [
      Buffer,
      Buffer,
      Buffer,
      Buffer,
    ]
    await recipient.lset(address, linkId, fixedData, userData)
    await recipient.lset(invitation, otherLinkId, fixedData, userData)
    const lget = await through(sender, behind, { entityId: linkId, bytes: commands.lget() })
    expect(lget).toMatchObject({ entityId: linkId, reply: { type: 'LNK', sndId: address.sndId, fixedData, userData } })
    const key = generateKey('ed25519')
    const lkey = await through(sender, behind, { entityId: otherLinkId, bytes: commands.lkey(key.spki), key })
    expect(lkey.reply).toEqual({ type: 'LNK', sndId: invitation.sndId, fixedData, userData })
  })

  it('a session that the proxy does not have is NO_SESSION', async () => {
    const sender = await proxy.connect()
    const behind = await relayOf(sender, relay.address)
    const corrId = randomBytes(24)
    const forwarded = forward(behind, corrId, { entityId: randomBytes(24), bytes: commands.send(none, false) })
    const reply = await sender.request(pfwd({ ...behind, sessionId: randomBytes(32) }, forwarded), corrId)
    expect(reply).toEqual(err('PROXY NO_SESSION'))
  })

  it('what the relay cannot open comes back as its error', async () => {
    const sender = await proxy.connect()
    const behind = await relayOf(sender, relay.address)
    const forwarded = forward(behind, randomBytes(24), { entityId: randomBytes(24), bytes: commands.send(none, false) })
    const reply = await sender.request(pfwd(behind, forwarded), randomBytes(24))
    expect(reply).toEqual(err('PROXY PROTOCOL CRYPTO'))
  })

  it('a relay with another identity, or none at all, is an error of the broker', async () => {
    const sender = await proxy.connect()
    const wrong = await prxy(sender, { ...relay.address, keyHash: randomBytes(32) })
    expect(wrong).toMatchObject({
      type: 'ERR',
      error: expect.stringMatching(/^PROXY BROKER (NETWORK|TRANSPORT)/) as string,
    })
    const nobody = await prxy(sender, { ...relay.address, port: 1 })
    expect(nobody).toEqual(err('PROXY BROKER NETWORK'))
  })

  it('many senders at once are answered, each with its own reply', async () => {
    const recipient = await relay.connect()
    const queue = await recipient.createQueue({ subscribe: false })
    const sender = await proxy.connect()
    const behind = await relayOf(sender, relay.address)
    const replies = await Promise.all(
      Array.from({ length: 100 }, (_, index) =>
        through(sender, behind, {
          entityId: index % 2 === 0 ? queue.sndId : randomBytes(24),
          bytes: commands.send(Buffer.from(`${index}`), false),
        }),
      ),
    )
    expect(replies.map(({ reply }) => reply)).toEqual(replies.map((_, index) => (index % 2 === 0 ? ok : auth)))
  })
})

describe('a proxy with a password', () => {
  const setting = withRelay({ createPassword: 'secret' })

  it('opens sessions for those who know it', async () => {
    const client = await setting.connect()
    expect(await prxy(client, setting.address)).toEqual(err('PROXY BASIC_AUTH'))
    expect(await prxy(client, setting.address, 'wrong')).toEqual(err('PROXY BASIC_AUTH'))
    expect((await prxy(client, setting.address, 'secret')).type).toBe('PKEY')
  })
})

describe('RFWD', () => {
  const setting = withRelay()

  const asProxy = async (version = 19): Promise<{ proxy: SmpClient; behind: ForwardedRelay }> => {
    const proxy = await setting.connect({ version, proxyServer: true })
    const { certificateKey, sessionId } = proxy.session.hello
    if (!certificateKey) throw new Error('no key in the hello')
    const { chain, signedKey } = certificateKey
    const pkey = { type: 'PKEY', sessionId, minVersion: 8, maxVersion: version, chain, signedKey } as const
    return { proxy, behind: relayBehindProxy(pkey, setting.address.keyHash) }
  }

  it.each([8, 10, 11, 14, 19])('over a connection of version %i is answered inside RRES', async (version) => {
    const { proxy, behind } = await asProxy(version)
    const { box } = proxy.session
    if (!box) throw new Error('no secret')
    const [corrId, clientCorrId] = [randomBytes(24), randomBytes(24)]
    const recipient = await setting.connect()
    const queue = await recipient.createQueue()
    const send = { entityId: queue.sndId, bytes: commands.send(Buffer.from('hello'), false) }
    const forwarded = forward(behind, clientCorrId, send)
    const reply = await proxy.request(rfwd(box, corrId, clientCorrId, behind.version, forwarded), corrId)
    const opened = openRres(box, corrId, expectReply(reply, 'RRES'))
    expect(opened.corrId).toEqual(clientCorrId)
    expect(forwarded.open(opened.encResponse)).toMatchObject({ corrId: clientCorrId, reply: ok })
    expect(await recipient.receive(queue)).toMatchObject({ body: Buffer.from('hello') })
  })

  it('of something that does not open is CRYPTO, that opens to nonsense SYNTAX', async () => {
    const { proxy } = await asProxy()
    const { box } = proxy.session
    if (!box) throw new Error('no secret')
    const request = (bytes: Buffer, corrId = randomBytes(24)) => proxy.request({ entityId: none, bytes }, corrId)
    expect(await request(commands.rfwd(randomBytes(16314)))).toEqual(err('CRYPTO'))
    expect(await request(commands.rfwd(none))).toEqual(err('CRYPTO'))
    const corrId = randomBytes(24)
    const nonsense = seal(box, nonceOf(corrId), Buffer.from('nonsense'))
    expect(await request(commands.rfwd(nonsense), corrId)).toEqual(err('CMD SYNTAX'))
  })

  const forwardedRaw = async (payload: Buffer) => {
    const { proxy, behind } = await asProxy()
    const { box } = proxy.session
    if (!box) throw new Error('no secret')
    const [corrId, clientCorrId] = [randomBytes(24), randomBytes(24)]
    const forwarded = forwardPayload(behind, clientCorrId, payload)
    const reply = await proxy.request(rfwd(box, corrId, clientCorrId, behind.version, forwarded), corrId)
    if (reply.type !== 'RRES') return reply
    return forwarded.open(openRres(box, corrId, expectReply(reply, 'RRES')).encResponse)
  }

  it.each([6, 7])('in version %i has no session id in it: that is implied', async (version) => {
    const { proxy, behind } = await asProxy()
    const { box } = proxy.session
    if (!box) throw new Error('no secret')
    const recipient = await setting.connect()
    const queue = await recipient.createQueue()
    const [corrId, clientCorrId, body] = [randomBytes(24), randomBytes(24), randomBytes(maxBody(version))]
    const send = { entityId: queue.sndId, bytes: commands.send(body, false) }
    const forwarded = forward({ ...behind, version: 7 }, clientCorrId, send)
    const reply = await proxy.request(rfwd(box, corrId, clientCorrId, version, forwarded), corrId)
    const { encResponse } = openRres(box, corrId, expectReply(reply, 'RRES'))
    expect(forwarded.open(encResponse)).toEqual({ corrId: clientCorrId, entityId: queue.sndId, reply: ok })
    expect(await recipient.receive(queue)).toMatchObject({ body })
  })

  it('of two transmissions is BLOCK', async () => {
    expect(await forwardedRaw(Buffer.from('02000100000100', 'hex'))).toEqual(err('BLOCK'))
  })

  it.each([
    ['no payload', none],
    ['no transmission', Buffer.of(0)],
    ['bytes after the transmission', Buffer.from('0100010000', 'hex')],
    ['a transmission that is cut off', Buffer.from('01000900', 'hex')],
    ['a transmission that cannot be read', Buffer.from('010003ffffff', 'hex')],
  ])('of %s tells the client BLOCK, without ids', async (_, payload) => {
    expect(await forwardedRaw(payload)).toEqual({ corrId: none, entityId: none, reply: err('BLOCK') })
  })

  it('of a session without a key in its hello is NO_AUTH of the transport', async () => {
    const proxy = await setting.connect({ version: 19, proxyServer: true, clientKey: false })
    const reply = await proxy.request({ entityId: none, bytes: commands.rfwd(randomBytes(16330)) })
    expect(reply).toEqual(err('PROXY BROKER TRANSPORT NO_AUTH'))
  })

  it('of a name that nobody resolves says so', async () => {
    const client = await setting.connect({ maxVersion: 20 })
    if (client.version < 20) return
    const reply = await client.request({ entityId: none, bytes: commands.rslv('alice.simplex') })
    expect(reply).toEqual(err('NAME NO_RESOLVER'))
    expect(await client.request({ entityId: none, bytes: commands.rslv('alice') })).toEqual(err('CMD SYNTAX'))
  })
})
