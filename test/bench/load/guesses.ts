import { randomBytes } from 'node:crypto'
import { connectClient, expectReply, type SmpClient } from '../../client/client.ts'
import { commands } from '../../client/commands.ts'
import type { RelayAddress } from '../../client/connection.ts'
import { generateKey, type AuthAlg, type AuthKey } from '../../client/keys.ts'
import type { Queue } from '../../client/queue.ts'

export interface GuessOptions {
  readonly address: RelayAddress
  readonly auth: AuthAlg
  readonly command: 'SUB' | 'SEND'
  readonly samples: number
}

/** Microseconds until ERR AUTH. */
export interface GuessTimes {
  /** A wrong key for a queue that exists. */
  readonly known: readonly number[]
  /** An id that nothing has. */
  readonly unknown: readonly number[]
}

const QUEUES = 64
const options = { maxVersion: 19, requestTimeoutMs: 0 }

const securedQueues = async (client: SmpClient, auth: AuthAlg): Promise<Queue[]> => {
  const queues: Queue[] = []
  for (let index = 0; index < QUEUES; index++) {
    const queue = await client.createQueue({ auth, subscribe: false })
    expectReply(await client.skey(queue, generateKey(auth)), 'OK')
    queues.push(queue)
  }
  return queues
}

const guess = async (client: SmpClient, entityId: Buffer, bytes: Buffer, key: AuthKey): Promise<number> => {
  const reply = client.request({ entityId, bytes, key })
  // The command is made and written by now.
  const began = process.hrtime.bigint()
  const { error } = expectReply(await reply, 'ERR')
  const ended = process.hrtime.bigint()
  if (error !== 'AUTH') throw new Error(`ERR ${error}`)
  return Number(ended - began) / 1000
}

/** Somebody who wants to learn from the time of an answer whether a queue exists. */
export const guessCalls = {
  async guess({ address, auth, command, samples }: GuessOptions): Promise<GuessTimes> {
    const owner = await connectClient(address, options)
    const queues = await securedQueues(owner, auth)
    const client = await connectClient(address, options)
    const key = generateKey(auth)
    const bytes = command === 'SUB' ? commands.sub() : commands.send(Buffer.alloc(1000), false)
    const known: number[] = []
    const unknown: number[] = []
    for (let index = -200; index < samples; index++) {
      const queue = queues[Math.floor(Math.random() * QUEUES)]
      const knownId = command === 'SUB' ? queue?.rcvId : queue?.sndId
      const order = Math.random() < 0.5
      for (const isKnown of [order, !order]) {
        const us = await guess(client, isKnown && knownId ? knownId : randomBytes(24), bytes, key)
        if (index >= 0) (isKnown ? known : unknown).push(us)
      }
    }
    await Promise.all([owner.close(), client.close()])
    return { known, unknown }
  },
}
