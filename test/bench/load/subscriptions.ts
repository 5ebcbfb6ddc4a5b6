import { connectClient } from '../../client/client.ts'
import { commands } from '../../client/commands.ts'
import type { RelayAddress } from '../../client/connection.ts'
import { batches, keyOf, type SeededQueues } from './attacks.ts'

/** SUB in one block. */
const IN_BLOCK = 100

/** A client that has been away and comes back. */
export const subscriptionCalls = {
  /** Subscribes to all queues over one connection, block after block without waiting; the milliseconds until all are answered. */
  async subscribeToAll({ address, queues }: { address: RelayAddress; queues: SeededQueues }): Promise<number> {
    const client = await connectClient(address, { maxVersion: 19, requestTimeoutMs: 0 })
    const key = keyOf(queues)
    const bytes = commands.sub()
    const beganMs = performance.now()
    const replies = await Promise.all(
      batches(queues.ids, IN_BLOCK).map((ids) => client.batch(ids.map((entityId) => ({ entityId, bytes, key })))),
    )
    const ms = performance.now() - beganMs
    const refused = replies.flat().find(({ type }) => type !== 'SOK' && type !== 'OK')
    if (refused) throw new Error(`SUB was answered with ${refused.type}`)
    await client.close()
    return ms
  },
}
