import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe } from 'vitest'
import { openLmdbStore } from '../../../src/store/lmdb.ts'
import { openMemoryStore } from '../../../src/store/memory.ts'
import type { StoreOptions } from '../../../src/store/store.ts'
import { embeddedWalks } from '../../../src/store/walks.ts'
import type { EmbeddedStore } from '../../../src/store/work.ts'
import { openTestDatabase } from '../../postgres/store.ts'
import { ContractStore, type Engine } from './contract-store.ts'

const DEFAULTS: StoreOptions = { quota: 128 }

/** A suite that every engine has to pass; `open` opens an empty store that is closed and removed after the test. */
export function contract(title: string, define: (open: OpenStore) => void): void {
  describe.each(['memory', 'lmdb', 'postgres 5', 'postgres 6'] as const)(`${title} (%s)`, (engine) => {
    const opened = closedAfterwards<Engine>()
    define(async (options = {}) => {
      const store = await openEngine(engine, { ...DEFAULTS, ...options })
      opened.push(store)
      return new ContractStore(store)
    })
  })
}

export type OpenStore = (options?: Partial<StoreOptions>) => Promise<ContractStore>

/** A suite for the engines of one process, in which everything is at hand at any time. */
export function embedded(
  title: string,
  define: (open: (options?: Partial<StoreOptions>) => EmbeddedStore) => void,
): void {
  describe.each(['memory', 'lmdb'] as const)(`${title} (%s)`, (engine) => {
    const opened = closedAfterwards<Embedded>()
    define((options = {}) => {
      const store = openEmbedded(engine, { ...DEFAULTS, ...options })
      opened.push(store)
      return store.store
    })
  })
}

export function temporaryDirectory(): string {
  return mkdtempSync(join(tmpdir(), 'smp-store-'))
}

interface Embedded extends Engine {
  readonly store: EmbeddedStore
}

async function openEngine(
  engine: 'memory' | 'lmdb' | 'postgres 5' | 'postgres 6',
  options: StoreOptions,
): Promise<Engine> {
  if (engine === 'memory' || engine === 'lmdb') return openEmbedded(engine, options)
  const { store } = await openTestDatabase({ ...options, migrations: engine === 'postgres 5' ? 5 : 6 })
  return {
    store,
    walks: store.walks(),
    settled: () => store.idle(),
    flushed: () => store.idle(),
    close: () => store.close(),
  }
}

function openEmbedded(engine: 'memory' | 'lmdb', options: StoreOptions): Embedded {
  const directory = temporaryDirectory()
  const store = engine === 'memory' ? openMemoryStore(options) : openLmdbStore(directory, options)
  return {
    store,
    walks: embeddedWalks(store),
    settled: () => undefined,
    flushed: () => store.flushed(),
    close: async () => {
      await store.close()
      rmSync(directory, { recursive: true })
    },
  }
}

function closedAfterwards<T extends Engine>(): T[] {
  const opened: T[] = []
  afterEach(async () => {
    for (const engine of opened.splice(0)) await engine.close()
  })
  return opened
}
