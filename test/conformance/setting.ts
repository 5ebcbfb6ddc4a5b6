import { afterAll, afterEach, beforeAll } from 'vitest'
import { connectClient, type ClientOptions, type SmpClient } from '../client/client.ts'
import type { RelayAddress } from '../client/connection.ts'
import type { AuthAlg } from '../client/keys.ts'
import type { Reply } from '../client/replies.ts'
import { startTestRelay, type TestRelay, type TestRelayOptions } from './relay.ts'

/** Every version in which something changes for queues and messages. */
export const versions = [6, 7, 8, 9, 10, 11, 14, 15, 16, 17, 19] as const

/** Authenticators need the relay's session key, which v6 does not have. */
export const authAlgs = (version: number): AuthAlg[] =>
  version < 7 ? ['ed25519', 'ed448'] : ['ed25519', 'ed448', 'x25519']

export const ok: Reply = { type: 'OK' }
export const pong: Reply = { type: 'PONG' }
export const err = (error: string): Reply => ({ type: 'ERR', error })
export const auth = err('AUTH')
export const prohibited = err('CMD PROHIBITED')
export const noMessage = err('NO_MSG')

/** What SUB and NSUB are answered with. */
export const subscribed = (version: number): Reply => (version < 16 ? ok : { type: 'SOK', serviceId: undefined })

export const maxBody = (version: number): number => (version < 8 ? 16088 : version < 11 ? 16064 : 16048)

export interface Setting {
  readonly address: RelayAddress
  readonly relay: TestRelay
  /** A client that is closed when the test ends. */
  connect(options?: ClientOptions): Promise<SmpClient>
  /** Resolves when the relay has noticed that this client closed its connection. */
  gone(client: SmpClient): Promise<void>
  /** Stops the relay and starts it again with the same files. */
  restart(): Promise<void>
}

/** One relay for the tests of a file or group. */
export const withRelay = (options: TestRelayOptions = {}): Setting => {
  let running: TestRelay | undefined
  /** With the same database; clients connect to one or the other in turn. */
  let second: TestRelay | undefined
  let connected = 0
  const clients = new Set<SmpClient>()
  const relay = (): TestRelay => {
    if (!running) throw new Error('the relay does not run')
    return running
  }
  beforeAll(async () => {
    running = await startTestRelay(options)
    if (process.env.SMP_TEST_RELAYS === '2') second = await running.another()
  })
  afterEach(async () => {
    await Promise.all([...clients].map((client) => client.close()))
    clients.clear()
  })
  afterAll(async () => {
    await second?.stop()
    await running?.stop()
  })
  return {
    get relay() {
      return relay()
    },
    get address() {
      return relay().address
    },
    connect: async (clientOptions) => {
      const { address } = connected++ % 2 === 1 && second !== undefined ? second : relay()
      const client = await connectClient(address, clientOptions)
      clients.add(client)
      return client
    },
    gone: async (client) => {
      const { sessionId } = client.session.hello
      const isThere = (): boolean =>
        [relay(), second].some((one) =>
          [...(one?.serving.sessions ?? [])].some(({ link }) => Buffer.from(link.sessionId).equals(sessionId)),
        )
      while (isThere()) await new Promise((resolve) => setTimeout(resolve, 5))
    },
    restart: async () => {
      running = await relay().restart()
    },
  }
}
