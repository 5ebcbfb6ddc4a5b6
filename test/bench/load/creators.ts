import { connectClient, expectReply, type SmpClient } from '../../client/client.ts'
import { commands } from '../../client/commands.ts'
import type { RelayAddress } from '../../client/connection.ts'
import { generateKey, type AuthAlg } from '../../client/keys.ts'

export interface CreatorOptions {
  readonly address: RelayAddress
  readonly auth: AuthAlg
  readonly connections: number
  /** NEW in one block. */
  readonly batch: number
  /** Blocks of each connection that are not answered yet. */
  readonly window: number
}

let created = 0
let running = false
let clients: SmpClient[] = []
let loops: Promise<void>[] = []

const none = Buffer.alloc(0)

const keepCreating = async (client: SmpClient, { auth, batch }: CreatorOptions): Promise<void> => {
  // The same keys each time: making keys is the clients' work, and not what is measured.
  const key = generateKey(auth)
  const dhSpki = generateKey('x25519').spki
  const bytes = commands.new(client.version, { authSpki: key.spki, dhSpki, mode: 'messaging', subscribe: false })
  const list = Array.from({ length: batch }, () => ({ entityId: none, bytes, key }))
  while (running) {
    for (const reply of await client.batch(list)) expectReply(reply, 'IDS')
    created += batch
  }
}

/** Connections that create queues as fast as they are answered. */
export const creatorCalls = {
  async startCreators(options: CreatorOptions): Promise<void> {
    const { address, connections, window } = options
    for (let index = 0; index < connections; index++)
      clients.push(await connectClient(address, { maxVersion: 19, requestTimeoutMs: 0 }))
    running = true
    loops = clients.flatMap((client) => Array.from({ length: window }, () => keepCreating(client, options)))
  },

  createdCount(): { atMs: number; created: number } {
    return { atMs: performance.timeOrigin + performance.now(), created }
  },

  async stopCreators(): Promise<void> {
    running = false
    await Promise.all(loops)
    await Promise.all(clients.map((client) => client.close()))
    clients = []
  },
}
