import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { runTorNetwork } from './fixture.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** Where the private Tor network of this run is, once a test has asked for it, and whose end ends it. */
    torNetwork: { readonly directory: string; readonly owner: number }
  }
}

/** Names the place of the network; it is only started when a test asks for it. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const directory = await mkdtemp(join(tmpdir(), 'smp-net-'))
  project.provide('torNetwork', { directory, owner: process.pid })
  return async () => {
    const network = join(directory, 'network')
    if (existsSync(join(network, 'tor-network.json'))) await runTorNetwork(['down', network])
    await rm(directory, { recursive: true, force: true })
  }
}
