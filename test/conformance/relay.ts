import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { silentLogger } from '../../src/config/log.ts'
import { serveRelay, type ServingRelay } from '../../src/server/serve.ts'
import { loadCredentials } from '../../src/transport/credentials.ts'
import type { RelayStore } from '../../src/store/work.ts'
import type { RelayAddress } from '../client/connection.ts'
import { writeCredentials, type CredentialOptions } from './credentials.ts'
import { openTestStore, type TestStore } from './store.ts'

export interface TestRelayOptions {
  readonly credentials?: CredentialOptions
  readonly store?: TestStore
  /** How PostgreSQL is reached, made of the connection string of the server itself. */
  readonly through?: (connection: string) => string
  /** Milliseconds that its clock is ahead. */
  readonly ahead?: number
  readonly quota?: number
  readonly createPassword?: string
  readonly newQueues?: boolean
  /** For TLS and for the SMP handshake, each. */
  readonly handshakeTimeoutMs?: number
}

export interface TestRelay {
  readonly address: RelayAddress
  readonly serving: ServingRelay
  /** Starts another relay with the same identity and the same PostgreSQL database. */
  another(change?: Partial<TestRelayOptions>): Promise<TestRelay>
  /** Stops orderly and starts again on the same files, on another port. */
  restart(): Promise<TestRelay>
  stop(): Promise<void>
}

/** A relay in this process, on a free loopback port, with its files in a temporary directory. */
export const startTestRelay = async (options: TestRelayOptions = {}): Promise<TestRelay> => {
  const directory = await mkdtemp(join(tmpdir(), 'smp-conformance-'))
  const keyHash = await writeCredentials(directory, options.credentials)
  return launch(directory, keyHash, options)
}

const launch = async (directory: string, keyHash: Buffer, options: TestRelayOptions): Promise<TestRelay> => {
  const { quota = 128, handshakeTimeoutMs = 10_000, ahead = 0 } = options
  const now = (): number => Date.now() + ahead
  const openStore = (onRollback: () => void): Promise<RelayStore> =>
    openTestStore({ directory, quota, kind: options.store, through: options.through, now, onRollback })
  const serving = await serveRelay({
    credentials: await loadCredentials(directory),
    openStore,
    policy: {
      newQueues: options.newQueues ?? true,
      createPassword: options.createPassword,
      messageTtl: 21 * 86_400,
      expireOnSend: false,
      notificationTtl: 86_400,
    },
    ports: [0],
    host: '127.0.0.1',
    log: silentLogger,
    now,
    proxying: { allowPrivate: true },
    timeouts: { tls: handshakeTimeoutMs, handshake: handshakeTimeoutMs },
  })
  const [listener] = serving.listeners
  if (!listener) throw new Error('the relay listens nowhere')
  return {
    address: { host: '127.0.0.1', port: listener.port, keyHash },
    serving,
    another: async (change) => {
      const other = await launch(directory, keyHash, { ...options, ...change })
      return { ...other, stop: () => other.serving.stop() }
    },
    restart: async () => {
      await serving.stop()
      return launch(directory, keyHash, options)
    },
    stop: async () => {
      await serving.stop()
      await rm(directory, { recursive: true, force: true })
    },
  }
}
