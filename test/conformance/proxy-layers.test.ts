import { randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import { once } from 'node:events'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { parseCommand } from '../../src/protocol/command.ts'
import type { VersionRange } from '../../src/protocol/versions.ts'
import { encodeTransmission, type Command } from '../client/authorization.ts'
import { boxKey, nonceOf, open, reversed, seal } from '../client/box.ts'
import { expectReply, type SmpClient } from '../client/client.ts'
import { commands } from '../client/commands.ts'
import { large, pad, unpad } from '../client/encoding.ts'
import { agree, generateKey, x25519PublicKey } from '../client/keys.ts'
import { forward, openRres, pfwd, rfwd, type ForwardedRelay } from '../client/proxy.ts'
import { parsePayload, parseTransmission } from '../client/replies.ts'
import { startFakeRelay, type FakeRelay, type FakeRelayOptions } from './fake-relay.ts'
import { nameRecord } from './name-record.ts'
import { auth, authAlgs, err, ok, prohibited } from './setting.ts'
import { anySend, forwardRaw, prxy, relayOf, through } from './through-proxy.ts'
import { withTunedRelay } from './tuned.ts'

const none = Buffer.alloc(0)
const forwardedVersions = [8, 9, 10, 11, 14, 15, 16, 18, 19, 20] as const
const resolver = createServer((request, response) => {
  response.end(JSON.stringify(nameRecord(decodeURIComponent((request.url ?? '').slice('/resolve/'.length)))))
})
const relay = withTunedRelay({
  optionsAtStart: () => ({
    names: {
      endpoint: `http://127.0.0.1:${portOf(resolver.address())}`,
      timeoutMs: 3000,
      maxResponseBytes: 16_000,
      concurrency: 10,
    },
  }),
})
const proxy = withTunedRelay({
  proxying: { ownServerDomains: ['127.0.0.1', 'own.example'], timeouts: { connect: 2000, request: 2000, failure: 0 } },
})

const portOf = (address: ReturnType<typeof resolver.address>): number =>
  typeof address === 'object' && address !== null ? address.port : 0

beforeAll(async () => {
  resolver.listen(0, '127.0.0.1')
  await once(resolver, 'listening')
  await relay.restart()
})
afterAll(() => {
  resolver.close()
})

const fakes = new Set<FakeRelay>()
afterEach(async () => {
  await Promise.all([...fakes].map((fake) => fake.stop()))
  fakes.clear()
})
const fakeRelay = async (options: FakeRelayOptions): Promise<FakeRelay> => {
  const fake = await startFakeRelay(options)
  fakes.add(fake)
  return fake
}

describe.each(forwardedVersions)('forwarded in version %i', (version) => {
  it('SEND, SKEY and LKEY are authorised with every kind of key, and with no other', async () => {
    const [recipient, sender] = [await relay.connect(), await proxy.connect()]
    const behind = await relayOf(sender, relay.address, version)
    const reply = async (command: Command) => (await through(sender, behind, command)).reply
    for (const alg of authAlgs(version)) {
      const [queue, invitation] = [
        await recipient.createQueue({ subscribe: false }),
        await recipient.createQueue({ subscribe: false, mode: 'messaging' }),
      ]
      const [key, other, linkId] = [generateKey(alg), generateKey(alg), randomBytes(24)]
      const [fixedData, userData] = [randomBytes(50), randomBytes(70)]
      await recipient.lset(invitation, linkId, fixedData, userData)
      const skey = { entityId: queue.sndId, bytes: commands.skey(key.spki) }
      expect(await reply({ ...skey, key: other })).toEqual(auth)
      expect(await reply({ ...skey, key })).toEqual(ok)
      const send = { entityId: queue.sndId, bytes: commands.send(Buffer.from('hello'), false) }
      expect(await reply({ ...send, key: other })).toEqual(auth)
      expect(await reply(send)).toEqual(auth)
      expect(await reply({ ...send, key })).toEqual(ok)
      const lkey = { entityId: linkId, bytes: commands.lkey(key.spki) }
      expect(await reply({ ...lkey, key: other })).toEqual(auth)
      const linked = { type: 'LNK', sndId: invitation.sndId, fixedData, userData }
      expect(await through(sender, behind, { ...lkey, key })).toMatchObject({ entityId: linkId, reply: linked })
      expect(await reply({ entityId: invitation.sndId, bytes: send.bytes, key })).toEqual(ok)
    }
  })

  it('LGET and RSLV are answered, and nothing else is allowed', async () => {
    const [recipient, sender] = [await relay.connect(), await proxy.connect()]
    const behind = await relayOf(sender, relay.address, version)
    const queue = await recipient.createQueue({ subscribe: false, mode: 'contact' })
    const notifier = await recipient.nkey(queue)
    const linkId = randomBytes(24)
    await recipient.lset(queue, linkId, randomBytes(50), randomBytes(70))
    const reply = async (command: Command) => (await through(sender, behind, command)).reply
    expect((await reply({ entityId: linkId, bytes: commands.lget() })).type).toBe('LNK')
    const resolved = await through(sender, behind, { entityId: none, bytes: commands.rslv('Alice.Simplex') })
    expect(resolved).toMatchObject({ entityId: none, reply: { type: 'RNAME' } })

    const { rcvId, key } = queue
    const [spki, dhSpki] = [generateKey('ed25519').spki, generateKey('x25519').spki]
    const { host, port, keyHash } = relay.address
    const forbidden: Command[] = [
      { entityId: none, bytes: commands.ping() },
      { entityId: none, bytes: commands.new(version, { authSpki: key.spki, dhSpki, mode: 'contact' }), key },
      { entityId: rcvId, bytes: commands.sub(), key },
      { entityId: rcvId, bytes: commands.key(spki), key },
      { entityId: rcvId, bytes: commands.rkey([spki]), key },
      { entityId: rcvId, bytes: commands.lset(linkId, none, none), key },
      { entityId: rcvId, bytes: commands.ldel(), key },
      { entityId: rcvId, bytes: commands.nkey(spki, dhSpki), key },
      { entityId: rcvId, bytes: commands.ndel(), key },
      { entityId: rcvId, bytes: commands.get(), key },
      { entityId: rcvId, bytes: commands.ack(none), key },
      { entityId: rcvId, bytes: commands.que(), key },
      { entityId: rcvId, bytes: commands.off(), key },
      { entityId: rcvId, bytes: commands.del(), key },
      { entityId: notifier.notifierId, bytes: commands.nsub(), key: notifier.key },
      { entityId: randomBytes(24), bytes: commands.subs(version, 0, Buffer.alloc(16)), key },
      { entityId: randomBytes(24), bytes: commands.nsubs(version, 0, Buffer.alloc(16)), key },
      { entityId: none, bytes: commands.prxy({ hosts: [host], port: `${port}`, keyHash }) },
      { entityId: randomBytes(32), bytes: commands.pfwd(version, dhSpki, none) },
      { entityId: none, bytes: commands.rfwd(none) },
    ]
    for (const command of forbidden) expect(await reply(command)).toEqual(prohibited)
    expect((await recipient.que(queue)).type).toBe('INFO')
    expect(await recipient.nsub(notifier)).toMatchObject({ type: 'SOK' })
  })

  it('faults in the command itself come back inside the answer', async () => {
    const [recipient, sender] = [await relay.connect(), await proxy.connect()]
    const behind = await relayOf(sender, relay.address, version)
    const reply = async (command: Command) => (await through(sender, behind, command)).reply
    const entityId = randomBytes(24)
    expect(await reply({ entityId, bytes: Buffer.from('HELLO') })).toEqual(err('CMD UNKNOWN'))
    expect(await reply({ entityId, bytes: Buffer.from('SEND X hello') })).toEqual(err('CMD SYNTAX'))
    expect(await reply({ entityId: none, bytes: commands.send(none, false) })).toEqual(err('CMD NO_ENTITY'))
    expect(await reply({ entityId, bytes: commands.skey(generateKey('ed25519').spki) })).toEqual(err('CMD NO_AUTH'))
    expect(await reply({ entityId, bytes: commands.send(none, false) })).toEqual(auth)
    expect(await reply({ entityId, bytes: commands.send(none, false), authorization: randomBytes(65) })).toEqual(
      err('BLOCK'),
    )
    if (version < 16) return
    const service = generateKey('ed25519')
    const pretended = { ...sessionOf(behind), service: { certHash: randomBytes(32), sessionKey: service } }
    const { sndId } = await recipient.createQueue({ subscribe: false })
    const bytes = encodeTransmission(pretended, randomBytes(24), {
      entityId: sndId,
      bytes: commands.send(none, false),
      key: service,
      serviceSigned: true,
    })
    const payload = Buffer.concat([Buffer.of(1), large(bytes)])
    expect(await throughPayload(sender, behind, payload)).toEqual(['SERVICE'])
  })
})

/** The session in which a forwarded command is signed. */
const sessionOf = (behind: ForwardedRelay) => ({
  version: behind.version,
  sessionId: behind.sessionId,
  serverKey: x25519PublicKey(behind.keySpki),
  authenticatorKeys: new WeakMap(),
  service: undefined,
})

/** Forwards any payload; the errors in the answers, or what the proxy said instead. */
const throughPayload = async (client: SmpClient, behind: ForwardedRelay, payload: Buffer): Promise<string[]> => {
  const own = generateKey('x25519')
  const box = boxKey(agree(own, behind.keySpki))
  const corrId = randomBytes(24)
  const sealed = seal(box, nonceOf(corrId), pad(payload, 16_226))
  const command = { entityId: behind.sessionId, bytes: commands.pfwd(behind.version, own.spki, sealed) }
  const reply = await client.request(command, corrId)
  if (reply.type === 'ERR') return [reply.error]
  const answer = unpad(open(box, reversed(nonceOf(corrId)), expectReply(reply, 'PRES').encrypted))
  return parsePayload(answer).map((one) => {
    const { reply: inner } = parseTransmission(one, behind.version, behind.sessionId)
    return inner.type === 'ERR' ? inner.error : inner.type
  })
}

describe('what a sender seals for the relay', () => {
  it.each<[string, string, () => Buffer]>([
    ['two commands', 'PROXY PROTOCOL BLOCK', () => twice(ping())],
    ['no command', 'BLOCK', () => Buffer.of(0)],
    ['no payload', 'BLOCK', () => none],
    ['bytes after the command', 'BLOCK', () => Buffer.concat([Buffer.of(1), large(ping()), Buffer.of(0)])],
    ['a command that is cut off', 'BLOCK', () => Buffer.of(1, 0, 9, 0)],
    ['bytes that are no command', 'BLOCK', () => Buffer.concat([Buffer.of(1), large(Buffer.alloc(3, 0xff))])],
    ['one command', 'CMD PROHIBITED', () => Buffer.concat([Buffer.of(1), large(ping())])],
  ])('and that holds %s is %s', async (_, error, payload) => {
    const sender = await proxy.connect()
    const behind = await relayOf(sender, relay.address)
    expect(await throughPayload(sender, behind, payload())).toEqual([error])
  })

  const ping = (): Buffer => Buffer.concat([Buffer.of(0, 0, 0), commands.ping()])
  const twice = (one: Buffer): Buffer => Buffer.concat([Buffer.of(2), large(one), large(one)])

  it('is refused with CRYPTO when a bit of it is changed, or the key beside it', async () => {
    const sender = await proxy.connect()
    const behind = await relayOf(sender, relay.address)
    const corrId = randomBytes(24)
    const { sealed, ...forwarded } = forward(behind, corrId, anySend())
    for (const at of [0, 15, 16, sealed.length - 1]) {
      const changed = Buffer.from(sealed)
      changed[at] = (changed[at] ?? 0) ^ 1
      const reply = await sender.request(pfwd(behind, { ...forwarded, sealed: changed }), corrId)
      expect(reply).toEqual(err('PROXY PROTOCOL CRYPTO'))
    }
    for (const cut of [none, sealed.subarray(0, 15), sealed.subarray(0, 16), sealed.subarray(1)])
      expect(await sender.request(pfwd(behind, { ...forwarded, sealed: cut }), corrId)).toEqual(
        err('PROXY PROTOCOL CRYPTO'),
      )
    const otherKey = { ...forwarded, sealed, keySpki: generateKey('x25519').spki }
    expect(await sender.request(pfwd(behind, otherKey), corrId)).toEqual(err('PROXY PROTOCOL CRYPTO'))
    const otherNonce = pfwd(behind, { ...forwarded, sealed })
    expect(await sender.request(otherNonce, randomBytes(24))).toEqual(err('PROXY PROTOCOL CRYPTO'))
    expect(await sender.request(pfwd(behind, { ...forwarded, sealed }), corrId)).toMatchObject({ type: 'PRES' })
  })

  it('and too large for a block on the way is told so', async () => {
    const sender = await proxy.connect()
    const behind = await relayOf(sender, relay.address)
    const reply = await sender.request({
      entityId: behind.sessionId,
      bytes: commands.pfwd(behind.version, generateKey('x25519').spki, randomBytes(16_250)),
    })
    expect(reply).toEqual(err('PROXY BROKER TRANSPORT LARGE_MSG'))
  })
})

describe('between proxy and relay', () => {
  it.each<[VersionRange, number, VersionRange]>([
    [{ min: 6, max: 8 }, 8, { min: 8, max: 8 }],
    [{ min: 6, max: 9 }, 9, { min: 8, max: 9 }],
    [{ min: 6, max: 10 }, 10, { min: 8, max: 10 }],
    [{ min: 6, max: 11 }, 10, { min: 8, max: 10 }],
    [{ min: 6, max: 13 }, 10, { min: 8, max: 10 }],
    [{ min: 6, max: 14 }, 14, { min: 8, max: 14 }],
    [{ min: 12, max: 16 }, 16, { min: 12, max: 16 }],
    [{ min: 6, max: 19 }, 19, { min: 8, max: 19 }],
    [{ min: 6, max: 20 }, 20, { min: 8, max: 20 }],
  ])('a relay of versions %o is spoken to in version %i, without block encryption', async (range, version, told) => {
    const fake = await fakeRelay({ range })
    const client = await proxy.connect()
    const pkey = expectReply(await prxy(client, fake.address), 'PKEY')
    expect({ min: pkey.minVersion, max: pkey.maxVersion }).toEqual(told)
    const [link] = fake.links
    expect(link?.version).toBe(version)
    expect(link?.session.cipher).toBe(undefined)
    expect(link?.proxy).toBe(version >= 14)
    expect(pkey.sessionId).toEqual(link?.sessionId)
  })

  it('a command is one RFWD in a block of its own, under another id and in another box than the sender made', async () => {
    const seen: { corrId: Buffer; parameter: Buffer; secret: Buffer | undefined }[] = []
    const fake = await fakeRelay({
      onCommand: ({ corrId, command, link, answer }) => {
        const parsed = parseCommand(command, link.version)
        if (parsed.type === 'RFWD')
          seen.push({ corrId, parameter: parsed.encFwdTransmission, secret: link.sessionSecret })
        answer({ type: 'ERR', error: { type: 'AUTH' } })
      },
    })
    const client = await proxy.connect()
    const behind = await relayOf(client, fake.address)
    const corrId = randomBytes(24)
    const forwarded = forward(behind, corrId, anySend())
    await client.request(pfwd(behind, forwarded), corrId)
    await client.request(pfwd(behind, forwarded), corrId)
    const [first, second] = seen
    if (!first?.secret || !second) throw new Error('no RFWD came')
    expect(first.corrId).not.toEqual(second.corrId)
    expect([first.corrId.length, first.parameter.length]).toEqual([24, 16_330])
    expect(first.parameter.includes(forwarded.sealed)).toBe(false)
    const plain = open(boxKey(first.secret), nonceOf(first.corrId), first.parameter)
    const version = Buffer.of(0, behind.version)
    const expected = [Buffer.of(24), corrId, version, Buffer.of(44), forwarded.keySpki, forwarded.sealed]
    expect(plain).toEqual(Buffer.concat(expected))
  })
})

describe('RFWD', () => {
  it('is not for clients without a key in their hello, whatever version they are of', async () => {
    for (const version of [7, 8, 11, 20]) {
      const client = await relay.connect({ version, clientKey: false })
      expect(await client.request({ entityId: none, bytes: commands.rfwd(randomBytes(100)) })).toEqual(
        err('PROXY BROKER TRANSPORT NO_AUTH'),
      )
    }
  })

  it('is answered in order of arrival, each in its own RRES, also when many come at once', async () => {
    const owner = await relay.connect()
    const queue = await owner.createQueue({ subscribe: false })
    const client = await relay.connect({ proxyServer: true })
    const { box } = client.session
    const { certificateKey, sessionId } = client.session.hello
    if (!box || !certificateKey) throw new Error('no secret')
    const behind = { sessionId, version: 20, keySpki: relayKeyOf(client) }
    const replies = await Promise.all(
      Array.from({ length: 100 }, async () => {
        const [corrId, senderCorrId] = [randomBytes(24), randomBytes(24)]
        const forwarded = forward(behind, senderCorrId, { entityId: queue.sndId, bytes: commands.send(none, false) })
        const reply = await client.request(rfwd(box, corrId, senderCorrId, 20, forwarded), corrId)
        const { encResponse } = openRres(box, corrId, expectReply(reply, 'RRES'))
        return forwarded.open(encResponse).reply
      }),
    )
    expect(replies).toEqual(replies.map(() => ok))
  })

  const relayKeyOf = (client: SmpClient): Buffer => {
    const key = client.session.auth.serverKey?.export({ format: 'der', type: 'spki' })
    if (!key) throw new Error('no key in the hello')
    return key
  }
})

describe('the statistics', () => {
  it('count sessions and commands, those for the own relays of the operator twice, and what is received', async () => {
    const { stats } = proxy.serving
    const received = relay.serving.stats.pMsgFwdsRecv
    const snapshot = () => structuredClone({ ...stats })
    const before = snapshot()
    const client = await proxy.connect()
    const behind = await relayOf(client, relay.address)
    await through(client, behind, anySend())
    await forwardRaw(client, { ...behind, sessionId: randomBytes(32) }, anySend())
    await prxy(client, { ...relay.address, host: '127.0.0.2', port: 1 })
    await prxy(client, (await fakeRelay({ range: { min: 6, max: 7 } })).address)
    const fake = await fakeRelay({ onCommand: ({ answer }) => answer({ type: 'OK' }) })
    await forwardRaw(client, await relayOf(client, fake.address), anySend())
    const after = snapshot()
    const difference = (group: 'pRelays' | 'pRelaysOwn' | 'pMsgFwds' | 'pMsgFwdsOwn') =>
      Object.fromEntries(
        Object.entries(after[group]).map(([name, count]) => [name, count - count0(before[group], name)]),
      )
    expect(difference('pRelays')).toEqual({
      requests: 4,
      successes: 2,
      errorsConnect: 1,
      errorsCompat: 1,
      errorsOther: 0,
    })
    expect(difference('pRelaysOwn')).toEqual({
      requests: 3,
      successes: 2,
      errorsConnect: 0,
      errorsCompat: 1,
      errorsOther: 0,
    })
    expect(difference('pMsgFwds')).toEqual({
      requests: 3,
      successes: 1,
      errorsConnect: 1,
      errorsCompat: 0,
      errorsOther: 1,
    })
    expect(difference('pMsgFwdsOwn')).toEqual({
      requests: 2,
      successes: 1,
      errorsConnect: 0,
      errorsCompat: 0,
      errorsOther: 1,
    })
    expect(relay.serving.stats.pMsgFwdsRecv).toBe(received + 1)
  })

  const count0 = (counters: object, name: string): number => (counters as Record<string, number>)[name] ?? 0
})
