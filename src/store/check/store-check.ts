import { rmSync } from 'node:fs'
import { rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import { syncDirectory } from '../../system/durable-file.ts'
import { requireStopped, requireStore, Snapshot, storeUsers } from '../lmdb.ts'
import type { StoreCounts } from '../store.ts'
import { checkStore, type CheckReport } from './check-store.ts'
import { repairStore } from './repair-store.ts'
import { openDataFile } from './source.ts'

/**
 * Checks the store in a directory, also while a relay runs: then as it is at this moment.
 *
 * @throws AppError `STORE_MISSING`, and `STORE_DAMAGED` when not even its beginning can be read
 */
export async function checkStoreAt(path: string): Promise<CheckReport> {
  requireStore(path)
  if (storeUsers(path).length > 0) {
    const snapshot = await Snapshot.open(path)
    try {
      return checkStore(snapshot.file, snapshot.meta)
    } finally {
      await snapshot.close()
    }
  }
  const { file, meta } = openDataFile(path)
  try {
    return checkStore(file, meta)
  } finally {
    file.close()
  }
}

export interface Repaired {
  readonly saved: StoreCounts
  /** What the damaged store says that it held; undefined when that cannot be read. */
  readonly held: StoreCounts | undefined
  /** Where the damaged store is now. */
  readonly damaged: string
}

/**
 * Puts a new store with everything that can be read of a damaged one in its place.
 *
 * @throws AppError `STORE_IN_USE` while a relay runs, and as {@link checkStoreAt}
 */
export async function repairStoreAt(path: string, now: Date): Promise<Repaired> {
  requireStore(path)
  requireStopped(path)
  const { file, meta } = openDataFile(path)
  const target = `${path}.repaired`
  rmSync(target, { recursive: true, force: true })
  try {
    const { saved, held } = await repairStore(file, meta, target)
    const damaged = `${path}.damaged.${now.toISOString()}`
    await rename(path, damaged)
    await rename(target, path)
    await syncDirectory(dirname(path))
    return { saved, held, damaged }
  } catch (error) {
    rmSync(target, { recursive: true, force: true })
    throw error
  } finally {
    file.close()
  }
}
