import { mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Paths } from '../config/paths.ts'
import type { Settings } from '../config/settings.ts'
import type { Copied } from '../store/copy-store.ts'
import { copyToDirectory } from '../store/copy-to-directory.ts'
import { isRunning } from '../system/process-mark.ts'

/** In the state directory, with the id of the process that makes the copy. */
const PREFIX = 'backup-unfinished-'

export interface DatabaseCopyOptions {
  readonly database: NonNullable<Settings['store']['database']>
  readonly fingerprint: string
  readonly paths: Paths
  readonly onProgress?: (copied: Copied) => void
  readonly onWarning?: (sentence: string) => void
  readonly signal: AbortSignal
}

/** The database of one moment as an embedded store, which a backup can hold. */
export interface DatabaseCopy {
  /** Directory of the store. */
  readonly store: string
  remove(): Promise<void>
}

/**
 * Reads the database as it is at one moment, and writes it into a store below the state directory: page by page, so that
 * neither side needs memory for all of it.
 *
 * @throws AppError `DATABASE_…`; nothing is left then
 */
export async function copyDatabase(options: DatabaseCopyOptions): Promise<DatabaseCopy> {
  const { database, fingerprint, paths, onProgress, onWarning, signal } = options
  const { openDatabaseSnapshot } = await import('../store/postgres.ts')
  const snapshot = await openDatabaseSnapshot({
    connection: database.connection,
    schema: database.schema,
    fingerprint,
    onWarning: (sentence) => onWarning?.(sentence),
  })
  const directory = join(paths.stateDir, `${PREFIX}${process.pid}`)
  const remove = async (): Promise<void> => rm(directory, { recursive: true, force: true })
  try {
    await removeAbandoned(paths.stateDir)
    await mkdir(directory, { mode: 0o700 })
    const store = join(directory, 'store')
    await copyToDirectory(snapshot.source, store, (copied) => {
      signal.throwIfAborted()
      onProgress?.(copied)
    })
    return { store, remove }
  } catch (error) {
    await remove()
    throw error
  } finally {
    await snapshot.close()
  }
}

/** Those of processes that were killed. */
async function removeAbandoned(stateDir: string): Promise<void> {
  for (const name of await readdir(stateDir)) {
    if (!name.startsWith(PREFIX)) continue
    const pid = Number(name.slice(PREFIX.length))
    if (pid === process.pid || !isRunning({ pid })) await rm(join(stateDir, name), { recursive: true, force: true })
  }
}
