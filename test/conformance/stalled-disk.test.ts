import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import type { RelayStore } from '../../src/store/work.ts'
import { senderIdFor } from '../client/client.ts'
import { commands } from '../client/commands.ts'
import { ok, pong, subscribed, withRelay } from './setting.ts'

/*
 * A disk that does not answer for a while: what a reply promises becomes durable later, and only such replies wait.
 */

const setting = withRelay()

/** Nothing that is changed from now on becomes durable until the disk is released. */
function stall(store: RelayStore): { release: () => void } {
  const flushed = store.flushed.bind(store)
  let release = (): void => undefined
  const released = new Promise<void>((resolve) => (release = resolve))
  store.flushed = async () => {
    await flushed()
    await released
  }
  return {
    release: () => {
      store.flushed = flushed
      release()
    },
  }
}

/** Whether a promise has been settled by now. */
function watch(promise: Promise<unknown>): { settled: boolean } {
  const state = { settled: false }
  const settle = (): void => {
    state.settled = true
  }
  promise.then(settle, settle)
  return state
}

describe('while the disk stalls', () => {
  it('messages are delivered and acknowledged, on the connection whose SEND waits, too', async () => {
    const [one, other] = [await setting.connect(), await setting.connect()]
    const queue = await one.createQueue()
    const disk = stall(setting.relay.serving.core.engine)
    const sent = [one.send(queue, 'first'), one.send(queue, 'second'), other.send(queue, 'third')]
    const waiting = sent.map(watch)
    let message = await one.receive(queue)
    const bodies: string[] = []
    for (let count = 0; count < 3; count++) {
      if (message.type === 'message') bodies.push(message.body.toString())
      const reply = await one.ack(queue, message.id)
      if (reply.type === 'MSG') message = one.read(queue, reply)
      else expect(reply).toEqual(ok)
    }
    expect(bodies.sort()).toEqual(['first', 'second', 'third'])
    expect(await one.ping()).toEqual(pong)
    expect(waiting.map(({ settled }) => settled)).toEqual([false, false, false])
    disk.release()
    expect(await Promise.all(sent)).toEqual([ok, ok, ok])
  })

  it('what is about a queue whose change waits comes after that change, and what is about another one does not', async () => {
    const [owner, sender] = [await setting.connect(), await setting.connect()]
    const [changed, calm] = [
      await owner.createQueue({ subscribe: false }),
      await owner.createQueue({ subscribe: false }),
    ]
    const disk = stall(setting.relay.serving.core.engine)
    const order: string[] = []
    const noted = async (name: string, reply: Promise<unknown>): Promise<unknown> => {
      const value = await reply
      order.push(name)
      return value
    }
    const { rcvId, key } = changed
    const off = noted('OFF', owner.request({ entityId: rcvId, bytes: commands.off(), key }))
    const after = noted('SUB of the same queue', owner.sub(changed))
    expect(await noted('SUB of another queue', owner.sub(calm))).toEqual(subscribed(19))
    const sending = sender.send(calm, 'message')
    await owner.receive(calm)
    order.push('message')
    expect(order).toEqual(['SUB of another queue', 'message'])
    disk.release()
    expect(await Promise.all([off, after, sending])).toEqual([ok, subscribed(19), ok])
    expect(order).toEqual(['SUB of another queue', 'message', 'OFF', 'SUB of the same queue'])
  })

  it('a queue that is created is made known before a message in it is pushed', async () => {
    const [owner, sender] = [await setting.connect(), await setting.connect()]
    const disk = stall(setting.relay.serving.core.engine)
    const corrId = randomBytes(24)
    const link = { senderId: senderIdFor(corrId), fixedData: Buffer.from('fixed'), userData: Buffer.from('user') }
    const creating = owner.createQueue({ corrId, link })
    await owner.noEvent()
    const sending = sender.send(link.senderId, 'message')
    await sender.ping()
    await owner.noEvent()
    disk.release()
    const queue = await creating
    expect(await owner.receive(queue)).toMatchObject({ type: 'message' })
    expect(await sending).toEqual(ok)
  })
})
