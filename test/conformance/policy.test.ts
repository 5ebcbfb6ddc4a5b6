import { expect, test } from 'vitest'
import type { Policy } from '../../src/server/core.ts'
import { commands } from '../client/commands.ts'
import { generateKey } from '../client/keys.ts'
import { auth, err, ok, subscribed } from './setting.ts'
import { withTunedRelay } from './tuned.ts'

let changes: Partial<Policy> = {}
const relay = withTunedRelay({
  optionsAtStart: () => ({
    policy: {
      newQueues: true,
      createPassword: undefined,
      messageTtl: 1000,
      expireOnSend: false,
      notificationTtl: 1000,
      ...changes,
    },
  }),
})

const restartWith = async (policy: Partial<Policy>): Promise<void> => {
  changes = policy
  await relay.restart()
}

test.each([6, 9, 20])('queues work on when new ones are forbidden, in version %i', async (version) => {
  await restartWith({})
  const queue = await (await relay.connect({ version })).createQueue()
  await restartWith({ newQueues: false, createPassword: 'secret' })
  const client = await relay.connect({ version })
  expect((await client.create()).reply).toEqual(auth)
  expect((await client.create({ password: 'secret' })).reply).toEqual(auth)
  expect(await client.sub(queue)).toEqual(subscribed(version))
  expect(await client.send(queue, 'hello')).toEqual(ok)
  expect(await client.receive(queue)).toMatchObject({ body: Buffer.from('hello') })
  await client.nkey(queue)
  expect(await client.key(queue, generateKey('ed25519'))).toEqual(ok)
  expect(await client.del(queue)).toEqual(ok)
})

test.each([6, 8, 9, 14, 15, 17, 20])(
  'the password is needed for NEW and PRXY alone, in version %i',
  async (version) => {
    await restartWith({ createPassword: 'secret' })
    const client = await relay.connect({ version })
    const { host, port, keyHash } = relay.address
    const prxy = (password?: string) => {
      const bytes = commands.prxy({ hosts: [host], port: `${port}`, keyHash }, password)
      return client.request({ entityId: Buffer.alloc(0), bytes })
    }
    for (const password of [undefined, 'Secret', 'secre', 'secrets', 'x']) {
      expect((await client.create(password === undefined ? {} : { password })).reply).toEqual(auth)
      expect(await prxy(password)).toEqual(err('PROXY BASIC_AUTH'))
    }
    const { queue } = await client.create({ password: 'secret' })
    if (!queue) throw new Error('no queue')
    expect((await prxy('secret')).type).toBe('PKEY')
    expect(await client.send(queue, 'hello')).toEqual(ok)
  },
)

test('any password, or none, is right where the operator set none', async () => {
  await restartWith({})
  const client = await relay.connect()
  const { host, port, keyHash } = relay.address
  for (const password of [undefined, 'anything']) {
    expect((await client.create(password === undefined ? {} : { password })).reply.type).toBe('IDS')
    const bytes = commands.prxy({ hosts: [host], port: `${port}`, keyHash }, password)
    expect((await client.request({ entityId: Buffer.alloc(0), bytes })).type).toBe('PKEY')
  }
})
