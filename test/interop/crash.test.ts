import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connectClient, type SmpClient } from '../client/client.ts'
import type { RelayAddress } from '../client/connection.ts'
import type { Queue } from '../client/queue.ts'
import { buildProgram, Installation } from './cli-process.ts'

/*
 * The built program is killed in the middle of a burst of SENDs, twenty times on the same store.
 */

const ROUNDS = 20
const SENDERS = 4
const IN_FLIGHT = 16

const relay = new Installation()
let address: RelayAddress

beforeAll(async () => {
  await buildProgram()
  address = await relay.initialize('--no-password', '--disable-web', '--ip', '127.0.0.1')
})
afterAll(() => relay.remove())

interface Burst {
  /** What was answered OK, in the order of sending. */
  readonly promised: string[]
  readonly ended: Promise<void>
}

/** Keeps `IN_FLIGHT` SENDs of numbered bodies under way until the connection breaks. */
function burst(client: SmpClient, queue: Queue, name: string): Burst {
  const promised: string[] = []
  let next = 0
  const lane = async (): Promise<void> => {
    for (;;) {
      const body = `${name} ${next++}`.padEnd(4000, '.')
      const reply = await client.send(queue, body)
      if (reply.type !== 'OK') return
      promised.push(body)
    }
  }
  const lanes = Array.from({ length: IN_FLIGHT }, () => lane().catch(() => undefined))
  return { promised, ended: Promise.all(lanes).then(() => undefined) }
}

/** Receives and acknowledges everything in a queue. */
async function drain(client: SmpClient, queue: Queue): Promise<string[]> {
  const bodies: string[] = []
  await client.sub(queue)
  let message = await client.receive(queue)
  for (;;) {
    if (message.type === 'message') bodies.push(message.body.toString())
    const reply = await client.ack(queue, message.id)
    if (reply.type !== 'MSG') return bodies
    message = client.read(queue, reply)
  }
}

describe('a relay that is killed in the middle of a burst of SENDs', () => {
  test(`delivers every message that got OK after the restart, ${ROUNDS} times`, { timeout: 180_000 }, async () => {
    let promisedInAll = 0
    for (let round = 0; round < ROUNDS; round++) {
      const running = relay.start(['start'])
      await running.shows(/Listening on port/)
      const recipient = await connectClient(address)
      const queues = await Promise.all(
        Array.from({ length: SENDERS }, () => recipient.createQueue({ subscribe: false })),
      )
      const senders = await Promise.all(queues.map(() => connectClient(address)))
      const bursts = queues.map((queue, index) => burst(senders[index] ?? recipient, queue, `${round}/${index}`))
      await new Promise((resolve) => setTimeout(resolve, 20 + 10 * (round % 7)))
      running.kill('SIGKILL')
      await running.ended()
      await Promise.all(bursts.map(({ ended }) => ended))
      await recipient.close()

      const restarted = relay.start(['start'])
      await restarted.shows(/Listening on port/)
      const again = await connectClient(address)
      for (const [index, queue] of queues.entries()) {
        const promised = bursts[index]?.promised ?? []
        promisedInAll += promised.length
        if (promised.length === 0) continue
        const delivered = await drain(again, queue)
        expect(delivered).toEqual(expect.arrayContaining(promised))
        expect(new Set(delivered).size).toBe(delivered.length)
      }
      await again.close()
      restarted.kill('SIGKILL')
      await restarted.ended()
    }
    expect(promisedInAll).toBeGreaterThan(ROUNDS)
  })
})
