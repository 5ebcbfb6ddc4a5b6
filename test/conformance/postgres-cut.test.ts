import { afterAll, beforeAll, expect, it } from 'vitest'
import { connectClient, type SmpClient } from '../client/client.ts'
import { CuttingProxy, type CutMode } from '../postgres/cutting-proxy.ts'
import { sharedPostgres } from '../postgres/database.ts'
import { startTestRelay, type TestRelay } from './relay.ts'
import { ok } from './setting.ts'

let proxy: CuttingProxy
let relay: TestRelay
let client: SmpClient

beforeAll(async () => {
  proxy = await CuttingProxy.open((await sharedPostgres()).directory)
  relay = await startTestRelay({ store: 'postgres', through: (connection) => proxy.through(connection) })
  client = await connectClient(relay.address)
})
afterAll(async () => {
  await client.close()
  await relay.stop()
  await proxy.close()
})

/** Does something with a cut at its first message, its second, and so on, until it is done before the cut. */
const cutEverywhere = async (act: (name: string) => Promise<void>): Promise<number> => {
  let cuts = 0
  for (const mode of ['before', 'after'] as const satisfies CutMode[]) {
    for (let count = 1; ; count++) {
      proxy.cutAt(count, mode)
      await act(`${mode} ${count}`)
      if (!proxy.letBe()) break
      cuts++
    }
  }
  return cuts
}

const isRefusal = (reply: { readonly type: string; readonly error?: string }): boolean =>
  reply.type === 'ERR' && (reply.error ?? '').startsWith('STORE')

it('NEW whose connection to PostgreSQL is cut at any message makes a queue, or says that it did not', async () => {
  const made: Buffer[] = []
  const cuts = await cutEverywhere(async () => {
    const { reply } = await client.create()
    if (reply.type === 'IDS') made.push(reply.sndId)
    else expect(reply).toSatisfy(isRefusal)
  })
  expect(cuts).toBeGreaterThan(10)
  for (const sndId of made) expect(await client.send(sndId, 'hello')).toEqual(ok)
}, 60_000)

it('SEND whose connection to PostgreSQL is cut at any message is delivered once when it got OK, and at most once otherwise', async () => {
  const queue = await client.createQueue({ subscribe: false })
  const recipient = await connectClient(relay.address)
  const [sent, promised, arrived]: [string[], string[], string[]] = [[], [], []]
  const cuts = await cutEverywhere(async (name) => {
    sent.push(name)
    const reply = await client.send(queue, name)
    if (reply.type === 'OK') promised.push(name)
    else expect(reply).toSatisfy(isRefusal)
  })
  expect(cuts).toBeGreaterThan(10)
  expect(promised.length).toBeLessThan(sent.length)
  expect(await client.send(queue, 'last')).toEqual(ok)
  await recipient.sub(queue)
  for (let message = await recipient.receive(queue); ;) {
    const text = message.type === 'message' ? message.body.toString() : ''
    const reply = await recipient.ack(queue, message.id)
    if (text === 'last') break
    arrived.push(text)
    if (reply.type === 'MSG') message = recipient.read(queue, reply)
    else message = await recipient.receive(queue)
  }
  expect(arrived.filter((text) => promised.includes(text))).toEqual(promised)
  expect(arrived).toEqual(sent.filter((text) => arrived.includes(text)))
  await recipient.close()
}, 60_000)

// The answer to ACK does not wait for the disk: what could not be kept comes again.
it('ACK whose connection to PostgreSQL is cut at any message: no message is passed over, and all of them can be acknowledged', async () => {
  const recipient = await connectClient(relay.address)
  const queue = await recipient.createQueue()
  let sent = 0
  const send = async (): Promise<void> => expect(await client.send(queue, String(sent++))).toEqual(ok)
  await send()
  const seen: number[] = []
  let message = await recipient.receive(queue)
  const acknowledge = async (): Promise<void> => {
    seen.push(Number(message.type === 'message' ? message.body : NaN))
    const reply = await recipient.ack(queue, message.id)
    if (reply.type === 'MSG') message = recipient.read(queue, reply)
    // What it was the acknowledgement of has been pushed again meanwhile, or will be.
    else if (seen.at(-1) !== sent - 1 || reply.type !== 'OK') message = await recipient.receive(queue)
  }
  const cuts = await cutEverywhere(async () => {
    const cut = proxy.pause()
    await send()
    proxy.resume(cut)
    await acknowledge()
  })
  expect(cuts).toBeGreaterThan(10)
  while (seen.at(-1) !== sent - 1) await acknowledge()
  expect(seen[0]).toBe(0)
  for (const [at, text] of seen.entries()) expect(text).toBeLessThanOrEqual(Math.max(-1, ...seen.slice(0, at)) + 1)
  expect(new Set(seen).size).toBe(sent)
  await recipient.close()
}, 60_000)
