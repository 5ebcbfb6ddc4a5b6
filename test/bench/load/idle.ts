import { connectClient, expectReply, type SmpClient } from '../../client/client.ts'
import type { RelayAddress } from '../../client/connection.ts'
import { decryptMessage, type Queue } from '../../client/queue.ts'
import type { Msg } from '../../client/replies.ts'

interface Idler {
  readonly queue: Queue
  readonly client: SmpClient
}

const options = { maxVersion: 19, requestTimeoutMs: 0 }
const idlers: Idler[] = []

/** Runs `act` for every number below `count`, some at a time. */
const inParallel = async (count: number, width: number, act: () => Promise<void>): Promise<void> => {
  let begun = 0
  const worker = async (): Promise<void> => {
    while (begun++ < count) await act()
  }
  await Promise.all(Array.from({ length: width }, worker))
}

/** Connections that subscribe to one queue and wait. */
export const idleCalls = {
  async openIdle({ address, count }: { address: RelayAddress; count: number }): Promise<void> {
    const creator = await connectClient(address, options)
    const queues: Queue[] = []
    await inParallel(count, 16, async () => {
      queues.push(await creator.createQueue({ auth: 'ed25519', subscribe: false }))
    })
    await creator.close()
    await inParallel(count, 8, async () => {
      const queue = queues.pop()
      if (!queue) return
      const client = await connectClient(address, options)
      expectReply(await client.sub(queue), 'SOK')
      idlers.push({ queue, client })
    })
  },

  /** One message for each of them. */
  async deliverToIdle({ address }: { address: RelayAddress }): Promise<void> {
    const sender = await connectClient(address, options)
    const body = Buffer.alloc(16_048, 1)
    const rest = [...idlers]
    await inParallel(rest.length, 16, async () => {
      const idler = rest.pop()
      if (!idler) return
      const [event] = await Promise.all([idler.client.nextEvent(30_000), sender.send(idler.queue, body)])
      const message = decryptMessage(idler.queue.box, expectReply(event.reply, 'MSG') satisfies Msg)
      expectReply(await idler.client.ack(idler.queue, message.id), 'OK')
    })
    await sender.close()
  },

  async closeIdle(): Promise<void> {
    await Promise.all(idlers.splice(0).map(({ client }) => client.close()))
  },
}
