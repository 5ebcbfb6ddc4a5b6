import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { PostgresServer } from './server.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** Where the PostgreSQL of this run is, once a test has asked for it, and whose end ends it. */
    postgres: { readonly directory: string; readonly owner: number }
  }
}

/** Names the place of the server; it is only started when a test asks for it. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const place = { directory: await mkdtemp(join(tmpdir(), 'smp-pg-')), owner: process.pid }
  project.provide('postgres', place)
  return () => PostgresServer.at(place).remove()
}
