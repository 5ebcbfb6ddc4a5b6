import { describe, expect, it } from 'vitest'
import type { Command } from '../client/authorization.ts'
import { commands } from '../client/commands.ts'
import { encodeTransmission } from '../client/authorization.ts'
import type { SmpClient } from '../client/client.ts'
import { generateKey } from '../client/keys.ts'
import type { Queue } from '../client/queue.ts'
import { auth, err, ok, pong, subscribed, versions, withRelay } from './setting.ts'

const setting = withRelay()
const none = Buffer.alloc(0)

const as = (queue: Queue, bytes: Buffer): Command => ({ entityId: queue.rcvId, bytes, key: queue.key })
const ping: Command = { entityId: none, bytes: commands.ping() }

const createQueues = async (client: SmpClient, count: number): Promise<Queue[]> =>
  Promise.all(Array.from({ length: count }, () => client.createQueue({ subscribe: false })))

const queueOf = (queues: readonly Queue[], rcvId: Buffer): Queue => {
  const found = queues.find((queue) => queue.rcvId.equals(rcvId))
  if (!found) throw new Error('a message of no queue')
  return found
}

const first = ([queue]: readonly Queue[]): Queue => {
  if (!queue) throw new Error('no queue')
  return queue
}

/** How many SUBs with Ed25519 signatures fit into a block. */
const subsPerBlock = (version: number): number => {
  const bytes = version < 7 ? 153 : version < 16 ? 120 : 121
  return Math.floor(16365 / bytes)
}

describe.each(versions)('in version %i', (version) => {
  it('a block full of SUBs is answered in one block', async () => {
    const client = await setting.connect({ version, trace: true })
    const count = subsPerBlock(version)
    const queues = await createQueues(client, count)
    const size = encodeTransmission(client.session.auth, Buffer.alloc(24), as(first(queues), commands.sub())).length
    expect((size + 2) * (count + 1)).toBeGreaterThan(16365)
    client.trace.length = 0
    const replies = await client.batch(queues.map((queue) => as(queue, commands.sub())))
    expect(replies).toEqual(queues.map(() => subscribed(version)))
    expect(client.trace).toHaveLength(1)
  })

  it('255 commands fit into a block', async () => {
    const client = await setting.connect({ version, trace: true })
    const count = version < 7 ? 240 : 255 // where every transmission has the session id, fewer
    const replies = await client.batch(Array.from({ length: count }, () => ping))
    expect(replies).toHaveLength(count)
    expect(replies.every(({ type }) => type === 'PONG')).toBe(true)
    expect(client.trace.every((block) => block.length >= 1 && block.length <= 255)).toBe(true)
  })

  it('replies have the order of the commands', async () => {
    const client = await setting.connect({ version, trace: true })
    const queue = await client.createQueue({ subscribe: false })
    client.trace.length = 0
    const replies = await client.batch([
      as(queue, commands.sub()),
      ping,
      { entityId: queue.sndId, bytes: commands.send(Buffer.from('hello'), false) },
      as(queue, commands.off()),
      { entityId: queue.sndId, bytes: commands.send(Buffer.from('late'), false) },
    ])
    expect(replies).toEqual([subscribed(version), pong, ok, ok, auth])
    const ordered = client.trace.flat().filter(({ corrId }) => corrId.length > 0)
    expect(ordered.map(({ reply }) => reply)).toEqual(replies)
    expect(await client.receive(queue)).toMatchObject({ body: Buffer.from('hello') })
  })

  it('commands of one block see what the earlier ones did', async () => {
    const client = await setting.connect({ version })
    const queue = await client.createQueue({ subscribe: false })
    const key = generateKey('ed25519')
    const send: Command = { entityId: queue.sndId, bytes: commands.send(Buffer.from('hello'), false) }
    const replies = await client.batch([
      send,
      as(queue, commands.key(key.spki)),
      send,
      { ...send, key },
      as(queue, commands.del()),
      { ...send, key },
    ])
    expect(replies).toEqual([ok, ok, auth, ok, ok, auth])
  })

  it('a wrong command among good ones spoils only itself', async () => {
    const client = await setting.connect({ version })
    const [one, other] = (await createQueues(client, 2)) as [Queue, Queue]
    const replies = await client.batch([
      as(one, commands.sub()),
      { entityId: none, bytes: Buffer.from('HELLO') },
      { ...as(other, commands.sub()), key: one.key },
      { entityId: one.rcvId, bytes: commands.sub() },
      as(other, commands.sub()),
    ])
    expect(replies).toEqual([subscribed(version), err('CMD UNKNOWN'), auth, err('CMD NO_AUTH'), subscribed(version)])
  })

  it('SUBs of many queues with messages bring every message, over several blocks', async () => {
    const [client, sender] = [await setting.connect({ version }), await setting.connect({ version })]
    const queues = await createQueues(client, 40)
    await Promise.all(queues.map((queue, index) => sender.send(queue, `message ${index}`)))
    const replies = await client.batch(queues.map((queue) => as(queue, commands.sub())))
    expect(replies).toEqual(queues.map(() => subscribed(version)))
    const bodies = new Map<string, string>()
    while (bodies.size < queues.length) {
      const { entityId, reply } = await client.nextEvent()
      const queue = queueOf(queues, entityId)
      const message = client.read(queue, reply)
      if (message.type === 'message') bodies.set(entityId.toString('hex'), message.body.toString())
    }
    expect(queues.map(({ rcvId }) => bodies.get(rcvId.toString('hex')))).toEqual(
      queues.map((_, index) => `message ${index}`),
    )
  })

  it('DELs of many queues end the subscriptions of another connection in few blocks', async () => {
    const [client, other] = [await setting.connect({ version, trace: true }), await setting.connect({ version })]
    const queues = await createQueues(client, 100)
    await client.batch(queues.map((queue) => as(queue, commands.sub())))
    client.trace.length = 0
    const replies = await other.batch(queues.map((queue) => as(queue, commands.del())))
    expect(replies).toEqual(queues.map(() => ok))
    const ended = new Set<string>()
    while (ended.size < queues.length) {
      const { entityId, reply } = await client.nextEvent(1000)
      expect(reply).toEqual({ type: version < 10 ? 'END' : 'DELD' })
      ended.add(entityId.toString('hex'))
    }
    expect(ended).toEqual(new Set(queues.map(({ rcvId }) => rcvId.toString('hex'))))
    expect(client.trace.length).toBeLessThanOrEqual(10)
  })
})
