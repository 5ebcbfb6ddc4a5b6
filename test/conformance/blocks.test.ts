import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { encodeTransmission, type Command } from '../client/authorization.ts'
import type { SmpClient } from '../client/client.ts'
import { commands } from '../client/commands.ts'
import { blockSize } from '../client/connection.ts'
import { ascii, large, short } from '../client/encoding.ts'
import { generateKey } from '../client/keys.ts'
import { authAlgs, err, ok, pong, versions, withRelay } from './setting.ts'

const setting = withRelay()
const none = Buffer.alloc(0)
const wrongSignature = randomBytes(64)

const ping: Command = { entityId: none, bytes: commands.ping() }
const transmission = (client: SmpClient, corrId: string | Buffer, command: Command): Buffer =>
  encodeTransmission(client.session.auth, Buffer.from(corrId), command)

describe.each(versions)('in version %i', (version) => {
  it('a block that cannot be read gives ERR BLOCK without ids, and the connection lives on', async () => {
    const client = await setting.connect({ version })
    const good = transmission(client, 'x', ping)
    const payloads: Buffer[] = [
      none,
      Buffer.of(0),
      Buffer.of(1),
      Buffer.concat([Buffer.of(2), large(good)]),
      Buffer.concat([Buffer.of(1), large(good), Buffer.from('more')]),
      Buffer.concat([Buffer.of(1), large(good).subarray(0, -1)]),
    ]
    for (const payload of payloads) {
      client.sendPayload(payload)
      expect(await client.nextEvent()).toEqual({ corrId: none, entityId: none, reply: err('BLOCK') })
    }
    expect(await client.ping()).toEqual(pong)
  })

  it('a block of random bytes gives ERR BLOCK, and the connection lives on', async () => {
    const client = await setting.connect({ version })
    for (const garbage of [Buffer.alloc(blockSize, 0xff), randomBytes(blockSize).fill(0xff, 0, 2)]) {
      client.session.cipher?.sealBlock(none) // the relay's chain goes on with every block, so ours has to
      client.sendRaw(garbage)
      expect(await client.nextEvent()).toEqual({ corrId: none, entityId: none, reply: err('BLOCK') })
    }
    expect(await client.ping()).toEqual(pong)
  })

  it('a transmission that cannot be read gives ERR BLOCK, and its neighbours are answered', async () => {
    const client = await setting.connect({ version })
    client.sendTransmissions([
      transmission(client, '1', ping),
      Buffer.from('05', 'hex'),
      transmission(client, '2', ping),
    ])
    const events = await Promise.all([client.nextEvent(), client.nextEvent(), client.nextEvent()])
    expect(events).toHaveLength(3)
    expect(events).toContainEqual({ corrId: none, entityId: none, reply: err('BLOCK') })
    expect(events).toContainEqual({ corrId: Buffer.from('1'), entityId: none, reply: pong })
    expect(events).toContainEqual({ corrId: Buffer.from('2'), entityId: none, reply: pong })
  })

  it('an authorization of a length that nothing has gives ERR BLOCK with its corrId and no entity', async () => {
    const client = await setting.connect({ version })
    for (const length of [1, 63, 65, 79, 113, 255]) {
      const command = { entityId: Buffer.from('1234'), bytes: commands.sub(), authorization: randomBytes(length) }
      client.sendTransmissions([transmission(client, 'abcd', command)])
      expect(await client.nextEvent()).toEqual({ corrId: Buffer.from('abcd'), entityId: none, reply: err('BLOCK') })
    }
  })

  it('corrIds and entity ids of any length are echoed', async () => {
    const client = await setting.connect({ version })
    const key = generateKey('ed25519')
    for (const length of [0, 1, 23, 24, 25, 255]) {
      const corrId = randomBytes(length)
      const entityId = length === 0 ? Buffer.from('1') : randomBytes(length)
      client.sendTransmissions([transmission(client, corrId, { entityId, bytes: commands.sub(), key })])
      expect(await client.nextEvent()).toEqual({ corrId, entityId, reply: err('AUTH') })
    }
  })

  it.each(authAlgs(version))('%s authorises with a corrId of any length', async (alg) => {
    const client = await setting.connect({ version })
    const { rcvId, key } = await client.createQueue({ auth: alg })
    for (const length of [0, 1, 4, 24, 25, 255]) {
      const corrId = randomBytes(length)
      client.sendTransmissions([transmission(client, corrId, { entityId: rcvId, bytes: commands.off(), key })])
      expect(await client.nextEvent()).toEqual({ corrId, entityId: rcvId, reply: ok })
    }
  })

  it.each(authAlgs(version))(
    '%s authorises nothing when one bit of the command, the entity or the authorization is wrong',
    async (alg) => {
      const client = await setting.connect({ version })
      const { rcvId, key } = await client.createQueue({ auth: alg })
      const good = transmission(client, 'abcd', { entityId: rcvId, bytes: commands.ack(Buffer.from('1')), key })
      const authorizationAt = 1
      const messageIdAt = good.length - 1
      for (const at of [authorizationAt, messageIdAt]) {
        const bad = Buffer.from(good)
        bad[at] = (bad[at] ?? 0) ^ 1
        client.sendTransmissions([bad])
        expect(await client.nextEvent()).toMatchObject({ reply: err('AUTH') })
      }
      client.sendTransmissions([good])
      expect(await client.nextEvent()).toMatchObject({ reply: err('NO_MSG') })
    },
  )

  it('an authorization made for another session is refused', async () => {
    const [one, other] = [await setting.connect({ version }), await setting.connect({ version })]
    for (const alg of authAlgs(version)) {
      const { rcvId, key } = await one.createQueue({ auth: alg })
      const command = { entityId: rcvId, bytes: commands.off(), key }
      const signed = transmission(one, 'abcd', command)
      const expected = version < 7 ? err('SESSION') : err('AUTH')
      other.sendTransmissions([signed])
      expect((await other.nextEvent()).reply).toEqual(expected)
    }
  })
})

it('in version 6 the id of another session gives ERR SESSION with the corrId and no entity', async () => {
  const client = await setting.connect({ version: 6 })
  const wrong = { ...client.session.auth, sessionId: randomBytes(32) }
  client.sendTransmissions([encodeTransmission(wrong, Buffer.from('abcd'), ping)])
  expect(await client.nextEvent()).toEqual({ corrId: Buffer.from('abcd'), entityId: none, reply: err('SESSION') })
  expect(await client.ping()).toEqual(pong)
})

describe.each([16, 17, 19])('in version %i', (version) => {
  it('a service signature of a wrong size, or without its tag, makes the transmission unreadable', async () => {
    const client = await setting.connect({ version })
    const rest = Buffer.concat([short(Buffer.from('abcd')), short(Buffer.from('1234')), commands.sub()])
    for (const field of [Buffer.concat([ascii('1'), short(randomBytes(63))]), ascii('2'), none]) {
      client.sendTransmissions([Buffer.concat([short(wrongSignature), field, rest])])
      expect((await client.nextEvent()).reply).toEqual(err('BLOCK'))
    }
  })

  it('a service signature outside a service session gives ERR SERVICE', async () => {
    const client = await setting.connect({ version })
    const queue = await client.createQueue()
    const field = Buffer.concat([ascii('1'), short(randomBytes(64))])
    const good = transmission(client, 'abcd', { entityId: queue.rcvId, bytes: commands.sub(), key: queue.key })
    client.sendTransmissions([Buffer.concat([good.subarray(0, 65), field, good.subarray(66)])])
    expect((await client.nextEvent()).reply).toEqual(err('SERVICE'))
  })
})

it.each([7, 11, 19])('in version %i X25519 queues work without an own key in the hello', async (version) => {
  const client = await setting.connect({ version, clientKey: false })
  const queue = await client.createQueue({ auth: 'x25519' })
  expect(await client.off(queue)).toEqual(ok)
})

it('half a block and silence does nobody any harm', async () => {
  const client = await setting.connect()
  client.sendRaw(randomBytes(blockSize / 2))
  const other = await setting.connect()
  expect(await other.ping()).toEqual(pong)
  await client.close()
  expect(await other.ping()).toEqual(pong)
})

it('1,000 blocks there and back are encrypted with keys of their own', { timeout: 60_000 }, async () => {
  const client = await setting.connect({ version: 19 })
  for (let round = 0; round < 50; round++) {
    const replies = await Promise.all(Array.from({ length: 20 }, () => client.ping()))
    expect(replies.every(({ type }) => type === 'PONG')).toBe(true)
  }
})

const table = JSON.parse(await readFile(new URL('../vectors/vectors.json', import.meta.url), 'utf8')) as {
  syntaxTests: { cases: [string, string, string, string, string][] }
}

/** `SUB|OFF` stands for several commands. */
const cases = table.syntaxTests.cases.flatMap(([signed, corrId, entity, command, reply]) =>
  command.split('|').map((one) => [signed, corrId, entity, one, reply] as const),
)

const authKey = short(generateKey('ed25519').spki)
const dhKey = short(generateKey('x25519').spki)
const byNotation: Record<string, Buffer> = {
  '<pubkey>': authKey,
  '<dhkey>': dhKey,
  '\\x01A': Buffer.from([1, 0x41]),
  '<shortstring hello>': short(ascii('hello')),
  '<short 1234>': short(ascii('1234')),
}
const commandBytes = (notation: string): Buffer =>
  Buffer.concat(notation.split(/(<[^>]+>|\\x01A)/).map((part) => byNotation[part] ?? ascii(part)))

describe.each([17, 19])('in version %i', (version) => {
  it.each(cases)(
    'a command with %s, corrId %s, entity "%s": %s gives %s',
    async (signed, corrId, entity, command, reply) => {
      const client = await setting.connect({ version })
      const entityId = Buffer.from(entity)
      const authorization = signed === 'sig' ? wrongSignature : none
      client.sendTransmissions([
        transmission(client, corrId, { entityId, bytes: commandBytes(command), authorization }),
      ])
      const expected = reply === 'PONG' ? pong : err(reply.replace('ERR ', ''))
      expect(await client.nextEvent()).toEqual({ corrId: Buffer.from(corrId), entityId, reply: expected })
    },
  )
})
