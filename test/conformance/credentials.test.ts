import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { commands } from '../client/commands.ts'
import { ascii, short } from '../client/encoding.ts'
import { generateKey } from '../client/keys.ts'
import { auth, err, pong, versions, withRelay } from './setting.ts'

const setting = withRelay()
const none = Buffer.alloc(0)
const key = generateKey('ed25519')
const dhSpki = generateKey('x25519').spki
const unknown = randomBytes(24)

const recipientCommands: [string, Buffer][] = [
  ['SUB', commands.sub()],
  ['KEY', commands.key(key.spki)],
  ['RKEY', commands.rkey([key.spki])],
  ['LSET', commands.lset(unknown, none, none)],
  ['LDEL', commands.ldel()],
  ['NKEY', commands.nkey(key.spki, dhSpki)],
  ['NDEL', commands.ndel()],
  ['GET', commands.get()],
  ['ACK', commands.ack(unknown)],
  ['OFF', commands.off()],
  ['DEL', commands.del()],
  ['QUE', commands.que()],
]
const otherKeyed: [string, Buffer][] = [
  ['SKEY', commands.skey(key.spki)],
  ['LKEY', commands.lkey(key.spki)],
  ['NSUB', commands.nsub()],
]

describe.each(versions)('in version %i', (version) => {
  it.each([...recipientCommands, ...otherKeyed])(
    '%s without entity or authorization is NO_AUTH, for an unknown queue AUTH',
    async (_, bytes) => {
      const client = await setting.connect({ version })
      expect(await client.request({ entityId: unknown, bytes })).toEqual(err('CMD NO_AUTH'))
      expect(await client.request({ entityId: none, bytes, key })).toEqual(err('CMD NO_AUTH'))
      expect(await client.request({ entityId: none, bytes })).toEqual(err('CMD NO_AUTH'))
      expect(await client.request({ entityId: unknown, bytes, key })).toEqual(auth)
    },
  )

  it('SEND without entity is NO_ENTITY, to an unknown queue AUTH with and without authorization', async () => {
    const client = await setting.connect({ version })
    const bytes = commands.send(Buffer.from('hello'), false)
    expect(await client.request({ entityId: none, bytes })).toEqual(err('CMD NO_ENTITY'))
    expect(await client.request({ entityId: none, bytes, key })).toEqual(err('CMD NO_ENTITY'))
    expect(await client.request({ entityId: unknown, bytes })).toEqual(auth)
    expect(await client.request({ entityId: unknown, bytes, key })).toEqual(auth)
  })

  it('LGET without entity is NO_ENTITY, with authorization HAS_AUTH', async () => {
    const client = await setting.connect({ version })
    const bytes = commands.lget()
    expect(await client.request({ entityId: none, bytes })).toEqual(err('CMD NO_ENTITY'))
    expect(await client.request({ entityId: none, bytes, key })).toEqual(err('CMD NO_ENTITY'))
    expect(await client.request({ entityId: unknown, bytes, key })).toEqual(err('CMD HAS_AUTH'))
    expect(await client.request({ entityId: unknown, bytes })).toEqual(auth)
  })

  it('PING with entity or authorization is HAS_AUTH', async () => {
    const client = await setting.connect({ version })
    const bytes = commands.ping()
    expect(await client.request({ entityId: none, bytes })).toEqual(pong)
    expect(await client.request({ entityId: unknown, bytes })).toEqual(err('CMD HAS_AUTH'))
    expect(await client.request({ entityId: none, bytes, key })).toEqual(err('CMD HAS_AUTH'))
  })

  it('NEW without authorization is NO_AUTH before anything else, with an entity HAS_AUTH', async () => {
    const client = await setting.connect({ version })
    const bytes = commands.new(version, { authSpki: key.spki, dhSpki, mode: 'messaging' })
    expect(await client.request({ entityId: none, bytes })).toEqual(err('CMD NO_AUTH'))
    expect(await client.request({ entityId: unknown, bytes })).toEqual(err('CMD NO_AUTH'))
    expect(await client.request({ entityId: unknown, bytes, key })).toEqual(err('CMD HAS_AUTH'))
  })

  it('a command without parameters tolerates nothing after its word', async () => {
    const client = await setting.connect({ version })
    for (const word of ['SUB', 'GET', 'OFF', 'DEL', 'QUE', 'NDEL', 'LDEL']) {
      const request = (text: string) => client.request({ entityId: unknown, bytes: ascii(text), key })
      expect(await request(`${word} `)).toEqual(err('CMD SYNTAX'))
      expect(await request(`${word} x`)).toEqual(err('CMD SYNTAX'))
      expect(await request(`${word}x`)).toEqual(err('CMD UNKNOWN'))
      expect(await request(word.toLowerCase())).toEqual(err('CMD UNKNOWN'))
    }
    expect(await client.request({ entityId: none, bytes: ascii('PING ') })).toEqual(err('CMD SYNTAX'))
    expect(await client.request({ entityId: none, bytes: none })).toEqual(err('CMD UNKNOWN'))
  })

  it('syntax is checked before credentials', async () => {
    const client = await setting.connect({ version })
    expect(await client.request({ entityId: none, bytes: ascii('SUB ') })).toEqual(err('CMD SYNTAX'))
    expect(await client.request({ entityId: none, bytes: ascii('SUBX') })).toEqual(err('CMD UNKNOWN'))
  })

  it('parameters have to be consumed to the last byte', async () => {
    const client = await setting.connect({ version })
    const tooLong = [commands.key(key.spki), commands.skey(key.spki), commands.ack(unknown), commands.rkey([key.spki])]
    for (const bytes of tooLong) {
      const longer = Buffer.concat([bytes, Buffer.of(0)])
      expect(await client.request({ entityId: unknown, bytes: longer, key })).toEqual(err('CMD SYNTAX'))
      expect(await client.request({ entityId: unknown, bytes: bytes.subarray(0, -1), key })).toEqual(err('CMD SYNTAX'))
    }
    const twoSpaces = Buffer.concat([ascii('KEY  '), short(key.spki)])
    expect(await client.request({ entityId: unknown, bytes: twoSpaces, key })).toEqual(err('CMD SYNTAX'))
  })

  it('keys of a kind that the field does not take are a syntax error', async () => {
    const client = await setting.connect({ version })
    const x448 = Buffer.concat([Buffer.from('3042300506032b656f033900', 'hex'), randomBytes(56)])
    const padded = Buffer.concat([key.spki, Buffer.of(0)])
    for (const spki of [x448, padded, key.spki.subarray(0, 43), none]) {
      expect(await client.request({ entityId: unknown, bytes: commands.key(spki), key })).toEqual(err('CMD SYNTAX'))
      expect(await client.request({ entityId: unknown, bytes: commands.rkey([spki]), key })).toEqual(err('CMD SYNTAX'))
      const bytes = commands.new(version, { authSpki: spki, dhSpki, mode: 'messaging' })
      expect(await client.request({ entityId: none, bytes, key })).toEqual(err('CMD SYNTAX'))
    }
    const dhIsNoSigningKey = commands.new(version, { authSpki: key.spki, dhSpki: key.spki, mode: 'messaging' })
    expect(await client.request({ entityId: none, bytes: dhIsNoSigningKey, key })).toEqual(err('CMD SYNTAX'))
    const emptyList = commands.rkey([])
    expect(await client.request({ entityId: unknown, bytes: emptyList, key })).toEqual(err('CMD SYNTAX'))
  })

  it('the flags of SEND are a Bool and whatever a later version puts behind it', async () => {
    const client = await setting.connect({ version })
    const queue = await client.createQueue()
    const send = (text: string) => client.request({ entityId: queue.sndId, bytes: ascii(text) })
    expect(await send('SEND')).toEqual(err('CMD SYNTAX'))
    expect(await send('SEND ')).toEqual(err('CMD SYNTAX'))
    expect(await send('SEND T')).toEqual(err('CMD SYNTAX'))
    expect(await send('SEND X hello')).toEqual(err('CMD SYNTAX'))
    expect(await send('SEND Fxyz hello world')).toEqual({ type: 'OK' })
    expect(await client.receive(queue)).toMatchObject({ notify: false, body: Buffer.from('hello world') })
  })
})
