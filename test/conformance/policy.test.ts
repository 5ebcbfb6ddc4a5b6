import { expect, it } from 'vitest'
import { silentLogger } from '../../src/config/log.ts'
import type { Policy } from '../../src/server/core.ts'
import type { ServeOptions } from '../../src/server/serve-options.ts'
import type { SmpClient } from '../client/client.ts'
import { commands } from '../client/commands.ts'
import { generateKey } from '../client/keys.ts'
import { auth, err, ok, subscribed } from './setting.ts'
import { until, withTunedRelay } from './tuned.ts'

let changes: Partial<Policy> = {}
let others: Partial<ServeOptions> = {}
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
    ...others,
  }),
})

const restartWith = async (policy: Partial<Policy>, options: Partial<ServeOptions> = {}): Promise<void> => {
  changes = policy
  others = options
  await relay.restart()
}

it.each([6, 9, 20])('queues work on when new ones are forbidden, in version %i', async (version) => {
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

it.each([6, 8, 9, 14, 15, 17, 20])('the password is needed for NEW and PRXY alone, in version %i', async (version) => {
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
})

it('any password, or none, is right where the operator set none', async () => {
  await restartWith({})
  const client = await relay.connect()
  const { host, port, keyHash } = relay.address
  for (const password of [undefined, 'anything']) {
    expect((await client.create(password === undefined ? {} : { password })).reply.type).toBe('IDS')
    const bytes = commands.prxy({ hosts: [host], port: `${port}`, keyHash }, password)
    expect((await client.request({ entityId: Buffer.alloc(0), bytes })).type).toBe('PKEY')
  }
})

it('a creation password cannot be guessed quickly, on one connection or on many, and guesses are counted and logged', async () => {
  const lines: string[] = []
  await restartWith(
    { createPassword: '7777' },
    {
      log: { ...silentLogger, warn: (line) => lines.push(line) },
      timeouts: { report: 50 },
    },
  )
  const guessers = await Promise.all(Array.from({ length: 30 }, () => relay.connect()))
  const began = performance.now()
  let guesses = 0
  const guess = async (client: SmpClient): Promise<void> => {
    for (let round = 0; round < 5; round++) {
      const key = generateKey('ed25519')
      const news = Array.from({ length: 40 }, () => {
        const bytes = commands.new(client.version, {
          authSpki: key.spki,
          dhSpki: generateKey('x25519').spki,
          mode: 'messaging',
          subscribe: false,
          password: String(++guesses),
        })
        return { entityId: Buffer.alloc(0), bytes, key }
      })
      for (const reply of await client.batch(news)) expect(reply).toEqual(auth)
    }
  }
  await Promise.all(guessers.map(guess))
  const seconds = (performance.now() - began) / 1000
  expect(guesses).toBe(6000)
  expect(relay.core.creationPassword.wrong).toBe(6000)
  expect(relay.core.creationPassword.tried).toBeLessThanOrEqual(100 * (seconds + 1))
  expect(relay.core.creationPassword.tried).toBeLessThanOrEqual(30 * (10 + seconds))
  await until('it is logged', () => lines.some((line) => /^wrong creation password: \d+ times/.test(line)))
  expect(await relay.serving.statistics.metrics()).toContain('\nsmp_wrong_passwords_total 6000\n')
})
