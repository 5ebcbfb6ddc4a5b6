import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { AppError } from '../errors/app-error.ts'
import { type Paths, resolvePaths } from '../config/paths.ts'
import { openLmdbStore, requireStopped } from '../store/lmdb.ts'
import { DEFAULT_QUOTA, type StoreCounts } from '../store/store.ts'
import { exists } from '../store/upstream/files.ts'
import { asOwnerOf } from '../system/owner.ts'
import { storeName } from './contents.ts'
import { EmptyTarget } from './empty-target.ts'
import type { BackupSource } from './source.ts'
import { type KeyFor, requireRoom, ROOM_RESERVE, unpackBackup, type Unpacked } from './unpack.ts'

export interface RestoreOptions {
  readonly paths: Paths
  readonly source: BackupSource
  /** Asked when everything else is known to be possible. */
  readonly keyFor: KeyFor
  /** Ends it with its reason. */
  readonly signal: AbortSignal
}

export interface Restored extends Unpacked {
  readonly counts: StoreCounts | undefined
}

const ROOM_REMEDY = 'Free some space and run the command again.'

/**
 * Restores a relay from a backup into directories without one. Everything is unpacked and checked before anything is put
 * in its place; after a failure everything is as it was.
 *
 * @throws AppError `STORE_IN_USE` while a relay runs, `RESTORE_NOT_EMPTY`, `BACKUP_CONTENT`, and whatever `unpackBackup`
 *   and `openLmdbStore` throw; the system's error with the path
 */
export async function restoreBackup({ paths, source, keyFor, signal }: RestoreOptions): Promise<Restored> {
  const { configDir, stateDir } = paths
  requireStopped(paths.store)
  const others = [configDir, stateDir]
  const config = await EmptyTarget.open({ directory: configDir, staging: 'restore-unfinished-config', others })
  try {
    const state = await EmptyTarget.open({ directory: stateDir, staging: 'restore-unfinished-state', others })
    try {
      const staged = resolvePaths({ SMP_SERVER_CFG_PATH: config.staging, SMP_SERVER_LOG_PATH: state.staging })
      const options = { source, keyFor, staged, final: paths, roomRemedy: ROOM_REMEDY, signal }
      const unpacked = await unpackBackup(options)
      const counts = await asOwnerOf(staged.stateDir, () => checkStore(staged.store, source.name))
      signal.throwIfAborted()
      await state.moveIn()
      await config.moveIn('smp-server.ini')
      return { ...unpacked, counts }
    } catch (error) {
      await state.undo()
      throw error
    }
  } catch (error) {
    await config.undo()
    throw error
  }
}

async function checkStore(path: string, source: string): Promise<StoreCounts | undefined> {
  if (!(await exists(path))) return undefined
  // LMDB takes the process down when there is no room for its table of readers.
  await requireRoom(path, ROOM_RESERVE, ROOM_REMEDY)
  try {
    const store = openLmdbStore(path, { quota: DEFAULT_QUOTA, mustExist: true })
    const counts = store.counts()
    await store.close()
    return counts
  } catch (error) {
    const isDamaged = error instanceof AppError && ['STORE_DAMAGED', 'STORE_COPY', 'STORE_MISSING'].includes(error.code)
    if (!isDamaged) throw error
    throw new AppError('BACKUP_CONTENT', `${storeName} of ${source} is damaged.`, 'Restore an older backup.')
  } finally {
    // A store that nobody has open has none.
    for (const name of ['lock.mdb', 'closed']) await rm(join(path, name), { force: true })
  }
}
