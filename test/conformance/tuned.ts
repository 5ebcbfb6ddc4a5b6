import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll } from 'vitest'
import { silentLogger } from '../../src/config/log.ts'
import type { Core, Policy } from '../../src/server/core.ts'
import type { ServeOptions } from '../../src/server/serve-options.ts'
import { serveRelay, type ServingRelay } from '../../src/server/serve.ts'
import { loadCredentials } from '../../src/transport/credentials.ts'
import { connectClient, type ClientOptions, type SmpClient } from '../client/client.ts'
import type { RelayAddress } from '../client/connection.ts'
import { writeCredentials } from './credentials.ts'
import { openTestStore } from './store.ts'

/** What a test may set about its relay; everything else is as in production. */
export interface TunedOptions extends Partial<
  Pick<ServeOptions, 'inactiveClients' | 'proxying' | 'names' | 'timeouts'>
> {
  readonly policy?: Partial<Policy>
  readonly quota?: number
  /** Asked at every start, restarts included. */
  readonly optionsAtStart?: () => Partial<ServeOptions>
}

/** A relay whose clock the test moves. */
export interface TunedRelay {
  readonly address: RelayAddress
  readonly serving: ServingRelay
  readonly core: Core
  /** A client that is closed when the test ends. */
  connect(options?: ClientOptions): Promise<SmpClient>
  /** Moves the relay's clock forwards by this many seconds; timers go on as they are. */
  advance(seconds: number): void
  /** Stops orderly and starts again on the same files; on the same port if told so. */
  restart(samePort?: boolean): Promise<void>
  /** Stops; the next `restart` starts it. */
  stop(): Promise<void>
}

const MONTH = 21 * 86_400

/** One relay for the tests of a file or group. */
export const withTunedRelay = (options: TunedOptions = {}): TunedRelay => {
  const clients = new Set<SmpClient>()
  let directory = ''
  let keyHash: Buffer = Buffer.alloc(32)
  let serving: ServingRelay | undefined
  let address: RelayAddress | undefined
  let offsetMs = 0

  const openStore: ServeOptions['openStore'] = (onRollback) =>
    openTestStore({ directory, quota: options.quota ?? 128, now: () => Date.now() + offsetMs, onRollback })
  const start = async (port: number): Promise<void> => {
    const { policy, optionsAtStart, inactiveClients, proxying, names, timeouts } = options
    serving = await serveRelay({
      credentials: await loadCredentials(directory),
      openStore,
      policy: {
        newQueues: true,
        createPassword: undefined,
        messageTtl: MONTH,
        expireOnSend: false,
        notificationTtl: 86_400,
        ...policy,
      },
      ports: [port],
      host: '127.0.0.1',
      log: silentLogger,
      now: () => Date.now() + offsetMs,
      ...(inactiveClients && { inactiveClients }),
      proxying: { allowPrivate: true, ...proxying },
      ...(names && { names }),
      ...(timeouts && { timeouts }),
      ...optionsAtStart?.(),
    })
    address = { host: '127.0.0.1', port: serving.listeners[0]?.port ?? 0, keyHash }
  }
  const running = (): ServingRelay => {
    if (!serving) throw new Error('the relay does not run')
    return serving
  }

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'smp-tuned-'))
    keyHash = await writeCredentials(directory)
    await start(0)
  })
  afterEach(async () => {
    await Promise.all([...clients].map((client) => client.close()))
    clients.clear()
  })
  afterAll(async () => {
    await serving?.stop()
    await rm(directory, { recursive: true, force: true })
  })
  const stop = async (): Promise<void> => {
    await serving?.stop()
    serving = undefined
  }
  return {
    get address() {
      if (!address) throw new Error('the relay has not been started')
      return address
    },
    get serving() {
      return running()
    },
    get core() {
      return running().core
    },
    connect: async (clientOptions) => {
      const client = await connectClient({ host: '127.0.0.1', port: address?.port ?? 0, keyHash }, clientOptions)
      clients.add(client)
      return client
    },
    advance: (seconds) => {
      offsetMs += seconds * 1000
    },
    restart: async (samePort = false) => {
      await stop()
      await start(samePort ? (address?.port ?? 0) : 0)
    },
    stop,
  }
}

/** Waits until something holds; fails after half a minute. */
export const until = async (what: string, holds: () => boolean | Promise<boolean>): Promise<void> => {
  const end = performance.now() + 30_000
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`waited in vain: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
