import { execFile } from 'node:child_process'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { projectRoot } from '../project-root.ts'

/** A private Tor network on loopback, shared by all tests of a run; see the head of the program beside this file. */
export interface TorNetwork {
  readonly socksHost: string
  readonly socksPort: number
  /** torrc lines with which a further tor becomes part of this network. */
  readonly joinTorrc: readonly string[]
  /** An ordinary tor with a SOCKS port, and a single-hop tor without services. */
  readonly client: NetworkTor
  readonly onion: NetworkTor
}

export interface NetworkTor {
  readonly pid: number
  readonly controlHost: string
  readonly controlPort: number
  readonly cookiePath: string
}

/** Run with node. */
export const torNetworkProgram = join(projectRoot, 'test/tor-network/tor-network')

export async function runTorNetwork(args: readonly string[]): Promise<string> {
  return (await promisify(execFile)(process.execPath, [torNetworkProgram, ...args])).stdout
}

/**
 * The network of this run, started by the first test file that asks; takes 15 to 25 s then, and nothing later.
 *
 * @param place `inject('torNetwork')`
 */
export async function torNetwork(place: { directory: string; owner: number }): Promise<TorNetwork> {
  const result = join(place.directory, 'network.json')
  if (await isFirst(join(place.directory, 'started'))) {
    const network = join(place.directory, 'network')
    const outcome = await runTorNetwork(['up', network, '--owner', String(place.owner)]).catch((error: unknown) =>
      JSON.stringify({ failed: String(error) }),
    )
    await writeFile(`${result}.new`, outcome)
    await rename(`${result}.new`, result)
  }
  for (;;) {
    const text = await readFile(result, 'utf8').catch(() => undefined)
    if (text === undefined) {
      await sleep(100)
      continue
    }
    const network = JSON.parse(text) as TorNetwork | { failed: string }
    if ('failed' in network) throw new Error(network.failed)
    return network
  }
}

async function isFirst(path: string): Promise<boolean> {
  try {
    await mkdir(path)
    return true
  } catch {
    return false
  }
}
