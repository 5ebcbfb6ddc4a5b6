import { createPrivateKey, createPublicKey, randomBytes } from 'node:crypto'
import { setPriority } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { encodeTransmission, type Command } from '../../client/authorization.ts'
import { connectClient, expectReply, type SmpClient } from '../../client/client.ts'
import { commands } from '../../client/commands.ts'
import type { RelayAddress } from '../../client/connection.ts'
import { generateKey, type AuthKey } from '../../client/keys.ts'

const options = { maxVersion: 19, requestTimeoutMs: 0, onEvent: () => undefined }
const none = Buffer.alloc(0)

let running = true
const clients: SmpClient[] = []

const connect = async (address: RelayAddress): Promise<SmpClient> => {
  const client = await connectClient(address, options)
  clients.push(client)
  return client
}

/** Sends a block again and again, as fast as the relay takes it. */
const repeat = (client: SmpClient, list: readonly Command[]): void => {
  const transmissions = list.map((command) => encodeTransmission(client.session.auth, randomBytes(24), command))
  const { socket } = client.session.stream
  const write = (): void => {
    while (running && !socket.destroyed) if (!client.sendTransmissions(transmissions)) return
  }
  socket.on('drain', () => setImmediate(write))
  write()
}

/** Ids that were made by the relay's process, with the one key that all those queues have. */
export interface SeededQueues {
  readonly ids: readonly Buffer[]
  /** A private Ed25519 key, PKCS #8. */
  readonly key: Buffer
}

export const keyOf = ({ key }: SeededQueues): AuthKey => {
  const privateKey = createPrivateKey({ key, format: 'der', type: 'pkcs8' })
  return { alg: 'ed25519', privateKey, spki: createPublicKey(privateKey).export({ format: 'der', type: 'spki' }) }
}

export const batches = <T>(items: readonly T[], size: number): T[][] =>
  Array.from({ length: Math.ceil(items.length / size) }, (_, at) => items.slice(at * size, (at + 1) * size))

const subscribeAll = async (client: SmpClient, queues: SeededQueues, word: 'sub' | 'nsub'): Promise<void> => {
  const key = keyOf(queues)
  for (const some of batches(queues.ids, 60)) {
    await client.batch(some.map((entityId) => ({ entityId, bytes: commands[word](), key })))
  }
}

/** Clients that make a relay work as much as they can with as little as possible. */
export const attackCalls = {
  /** Attackers bring processors of their own; here they may only have what the others leave. */
  giveWay(): void {
    setPriority(19)
  },

  /** Takes a processor for `ms` milliseconds, again and again. */
  takeCore({ ms, everyMs }: { ms: number; everyMs: number }): void {
    const take = (): void => {
      for (const end = performance.now() + ms; performance.now() < end;);
    }
    setInterval(take, everyMs)
  },

  /** Badly signed commands for a queue with as many Ed448 keys as a block can set. */
  async manyKeys({ address, connections }: { address: RelayAddress; connections: number }): Promise<void> {
    const owner = await connect(address)
    const queue = await owner.createQueue({ mode: 'contact', subscribe: false })
    const keys: AuthKey[] = Array.from({ length: 230 }, () => generateKey('ed448'))
    expectReply(await owner.rkey(queue, keys), 'OK')
    const wrong = { entityId: queue.rcvId, bytes: commands.que(), authorization: randomBytes(114) }
    for (let count = 0; count < connections; count++) {
      repeat(
        await connect(address),
        Array.from({ length: 90 }, () => wrong),
      )
    }
  },

  /** Blocks full of NEW. */
  async creations({ address, connections }: { address: RelayAddress; connections: number }): Promise<void> {
    const key = generateKey('ed25519')
    for (let count = 0; count < connections; count++) {
      const client = await connect(address)
      const dhSpki = generateKey('x25519').spki
      const bytes = commands.new(client.version, { authSpki: key.spki, dhSpki, mode: 'messaging', subscribe: true })
      repeat(
        client,
        Array.from({ length: 60 }, () => ({ entityId: none, bytes, key })),
      )
    }
  },

  /** Subscribes to notifiers with much pending, without reading; and reads everything at once. */
  async notifications({ address, notifiers }: { address: RelayAddress; notifiers: SeededQueues }): Promise<void> {
    const client = await connect(address)
    const subscribing = subscribeAll(client, notifiers, 'nsub')
    await sleep(200)
    client.session.stream.socket.pause()
    await sleep(1000)
    client.session.stream.socket.resume()
    await subscribing
  },

  /** Two connections take the same queues from each other. */
  async takeOver({ address, queues }: { address: RelayAddress; queues: SeededQueues }): Promise<void> {
    const pair = [await connect(address), await connect(address)]
    const take = async (): Promise<void> => {
      while (running) for (const client of pair) await subscribeAll(client, queues, 'sub')
    }
    void take().catch(() => undefined)
  },

  /** Subscribes to all queues and goes away, again and again. */
  async comeAndGo({ address, queues }: { address: RelayAddress; queues: SeededQueues }): Promise<void> {
    const go = async (): Promise<void> => {
      while (running) {
        const client = await connectClient(address, options)
        await subscribeAll(client, queues, 'sub')
        client.session.stream.socket.destroy()
      }
    }
    await Promise.resolve()
    void go().catch(() => undefined)
  },

  /** Deletes notifiers, or queues, one after the other, each with everything that is pending. */
  async deletions({ address, queues, word }: DeletionOptions): Promise<void> {
    const client = await connect(address)
    const key = keyOf(queues)
    for (const entityId of queues.ids) {
      expectReply(await client.request({ entityId, bytes: commands[word](), key }), 'OK')
    }
  },

  /** Subscribes to all queues, and stays. */
  async subscribers({ address, queues }: { address: RelayAddress; queues: SeededQueues }): Promise<void> {
    await subscribeAll(await connect(address), queues, 'sub')
  },

  async stopAttacks(): Promise<void> {
    running = false
    await Promise.all(clients.splice(0).map((client) => client.close()))
    running = true
  },
}

interface DeletionOptions {
  readonly address: RelayAddress
  readonly queues: SeededQueues
  readonly word: 'ndel' | 'del'
}

/** A client that asks for next to nothing. */
export const pingCalls = {
  /** Milliseconds that each PING took. */
  async pings({
    address,
    seconds,
    restMs,
  }: {
    address: RelayAddress
    seconds: number
    restMs: number
  }): Promise<number[]> {
    const client = await connectClient(address, options)
    const times: number[] = []
    for (const end = performance.now() + seconds * 1000; performance.now() < end;) {
      const began = performance.now()
      await client.ping()
      times.push(performance.now() - began)
      await sleep(restMs)
    }
    await client.close()
    return times
  },
}
