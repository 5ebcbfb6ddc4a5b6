import { afterAll, beforeAll, expect, it } from 'vitest'
import { connectClient } from '../client/client.ts'
import { temporaryPostgres, type PostgresServer } from '../postgres/server.ts'
import { startTestRelay, type TestRelay } from './relay.ts'
import { ok, pong } from './setting.ts'
import { useServer } from './store.ts'

let server: PostgresServer
let relay: TestRelay

beforeAll(async () => {
  server = await temporaryPostgres()
  useServer(server)
  relay = await startTestRelay({ store: 'postgres' })
})
afterAll(async () => {
  await relay.stop()
  await server.remove()
})

it('while PostgreSQL restarts, clients wait, other commands are answered, and nothing that got OK is lost', async () => {
  const [recipient, sender, idle] = await Promise.all([0, 1, 2].map(() => connectClient(relay.address)))
  if (recipient === undefined || sender === undefined || idle === undefined) throw new Error('no client')
  const queue = await recipient.createQueue()
  const promised: string[] = []
  const over = new AbortController()
  const sending = (async () => {
    for (let number = 0; !over.signal.aborted; number++) {
      const reply = await sender.send(queue, String(number))
      if (reply.type === 'OK') promised.push(String(number))
      else expect(reply.type === 'ERR' && reply.error).toMatch(/^STORE/)
    }
  })()
  const seen: string[] = []
  const receiving = (async () => {
    let message = await recipient.receive(queue)
    for (;;) {
      const text = message.type === 'message' ? message.body.toString() : ''
      seen.push(text)
      if (text === 'last') return
      // Its answer does not wait for the disk: what could not be kept comes again.
      const reply = await recipient.ack(queue, message.id)
      message = reply.type === 'MSG' ? recipient.read(queue, reply) : await recipient.receive(queue, 20_000)
    }
  })()
  for (const mode of ['immediate', 'fast'] as const) {
    await server.stop(mode)
    expect(await idle.ping()).toEqual(pong)
    await server.start()
    const { length } = promised
    await expect.poll(() => promised.length).toBeGreaterThan(length + 5)
  }
  over.abort()
  await sending
  expect(promised.length).toBeGreaterThan(10)
  expect(await sender.send(queue, 'last')).toEqual(ok)
  promised.push('last')
  await receiving
  expect([...new Set(seen)].filter((text) => promised.includes(text))).toEqual(promised)
  // At each end of PostgreSQL: the one whose ACK was under way, and the next one, which its answer had brought.
  expect(seen.length - new Set(seen).size).toBeLessThanOrEqual(4)
  await Promise.all([recipient, sender, idle].map((client) => client.close()))
}, 60_000)
