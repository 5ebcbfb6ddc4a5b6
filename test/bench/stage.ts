import { rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { RelayAddress } from '../client/connection.ts'
import { writeCredentials } from '../conformance/credentials.ts'
import { Child } from './child.ts'
import type { LoadCalls } from './load-process.ts'
import { programOptions } from './program-options.ts'
import type { RelayCalls } from './relay-process.ts'

const directories = new Set<string>()
const nodeOptions = [...programOptions(), '--expose-gc']

/** The options of node for the relay's process. */
export const relayOptions = (): readonly string[] => nodeOptions

/** Further options of node for the relay's process, behind those that the program starts itself with. */
export const useRelayOptions = (options: readonly string[]): void => {
  nodeOptions.push(...options)
}

/** A process for one relay. */
export const forkRelay = (): Child<RelayCalls> => new Child<RelayCalls>('relay-process', nodeOptions)

/** Removes every temporary directory that is still there. */
export const removeDirectories = (): void => {
  for (const directory of directories) rmSync(directory, { recursive: true, force: true })
  directories.clear()
}

/** Something to do with a temporary directory, which is removed when it is done. */
export const withDirectory = async <T>(act: (directory: string) => Promise<T>): Promise<T> => {
  const directory = await mkdtemp(join(tmpdir(), 'smp-bench-'))
  directories.add(directory)
  try {
    return await act(directory)
  } finally {
    rmSync(directory, { recursive: true, force: true })
    directories.delete(directory)
  }
}

/** A relay in a process of its own, and processes that load it. */
export interface Stage {
  readonly relay: Child<RelayCalls>
  readonly address: RelayAddress
  /** A new process for clients. */
  readonly load: () => Child<LoadCalls>
}

/** Processes that load a relay; they end when it is done. */
export const withLoads = async <T>(act: (load: () => Child<LoadCalls>) => Promise<T>): Promise<T> => {
  const loads: Child<LoadCalls>[] = []
  try {
    return await act(() => {
      const child = new Child<LoadCalls>('load-process')
      loads.push(child)
      return child
    })
  } finally {
    await Promise.all(loads.map((child) => child.end()))
  }
}

/** One relay with an empty store, for one measurement. */
export const withRelay = <T>(act: (stage: Stage) => Promise<T>): Promise<T> =>
  withDirectory(async (directory) => {
    const keyHash = await writeCredentials(directory, { alg: 'ed448' })
    const relay = forkRelay()
    try {
      const { port } = await relay.call('serve', { directory })
      return await withLoads((load) => act({ relay, address: { host: '127.0.0.1', port, keyHash }, load }))
    } finally {
      await relay.end()
    }
  })

/** Relays with one address and one database, and processes that load them. */
export interface Relays {
  readonly relays: readonly Child<RelayCalls>[]
  readonly addresses: readonly [RelayAddress, ...RelayAddress[]]
  readonly load: () => Child<LoadCalls>
}

/** So many relays on one new database, for one measurement. */
export const withRelays = <T>(connection: string, count: number, act: (relays: Relays) => Promise<T>): Promise<T> =>
  withDirectory(async (directory) => {
    const keyHash = await writeCredentials(directory, { alg: 'ed448' })
    const database = { connection, schema: 'smp_server', fingerprint: keyHash.toString('base64url') }
    const relays = Array.from({ length: count }, forkRelay)
    try {
      const addresses: RelayAddress[] = []
      // One after the other: the first makes the tables.
      for (const relay of relays) {
        const { port } = await relay.call('serve', { directory, database })
        addresses.push({ host: '127.0.0.1', port, keyHash })
      }
      const [first, ...others] = addresses
      if (!first) throw new Error('there is no relay')
      return await withLoads((load) => act({ relays, addresses: [first, ...others], load }))
    } finally {
      await Promise.all(relays.map((relay) => relay.end()))
    }
  })
