import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe } from 'vitest'
import { openLmdbStore } from '../../../src/store/lmdb.ts'
import { openMemoryStore } from '../../../src/store/memory.ts'
import type { Store, StoreOptions } from '../../../src/store/store.ts'

/** Opens an empty store that is closed and removed after the test. */
export type OpenStore = (options?: Partial<StoreOptions>) => Store

/** A suite that every engine has to pass. */
export function contract(title: string, define: (open: OpenStore) => void): void {
  describe.each(['memory', 'lmdb'] as const)(`${title} (%s)`, (engine) => {
    const open: Store[] = []
    const directories: string[] = []

    afterEach(async () => {
      for (const store of open.splice(0)) await store.close()
      for (const directory of directories.splice(0)) rmSync(directory, { recursive: true })
    })

    define((options = {}) => {
      const all = { quota: 128, ...options }
      let store: Store
      if (engine === 'memory') store = openMemoryStore(all)
      else {
        const directory = temporaryDirectory()
        directories.push(directory)
        store = openLmdbStore(directory, all)
      }
      open.push(store)
      return store
    })
  })
}

export function temporaryDirectory(): string {
  return mkdtempSync(join(tmpdir(), 'smp-store-'))
}
