import { existsSync } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import type { Logger } from '../config/log.ts'
import type { Paths } from '../config/paths.ts'
import type { Settings } from '../config/settings.ts'
import { AppError } from '../errors/app-error.ts'
import { copyStore, type Copied } from '../store/copy-store.ts'
import { copyToDirectory, requireComplete } from '../store/copy-to-directory.ts'
import { openDatabase } from '../store/open-database.ts'
import { openStore } from '../store/open-store.ts'
import { hasStore } from '../store/lmdb/stored-queues.ts'
import { hasNotice, leaveNotice } from '../store/upstream/notice.ts'
import { StoreError } from '../store/store.ts'
import { type CopySource, embeddedWalks } from '../store/walks.ts'
import type { EmbeddedStore, LoadingStore } from '../store/work.ts'
import { renameDurably } from '../system/durable-file.ts'
import { readFingerprint } from './identity.ts'
import { heldElsewhere, unfinishedExport } from './storage-check.ts'

export interface MoveOptions {
  readonly settings: Settings
  readonly database: NonNullable<Settings['store']['database']>
  readonly paths: Paths
  readonly log: Logger
  readonly onProgress: (copied: Copied) => void
}

/**
 * Moves everything from the state directory into an empty schema, which is created, and renames the store.
 *
 * @returns what was moved, and the new name of the store
 * @throws AppError `DATABASE_…`, `STORE_…`; nothing is renamed then
 */
export async function importIntoDatabase(options: MoveOptions): Promise<{ copied: Copied; renamed: string }> {
  const { paths } = options
  if (![paths.store, paths.storeLog, paths.messagesLog, paths.journal].some((path) => existsSync(path))) {
    throw new AppError('STORE_EMPTY', `There is no store in ${paths.stateDir}: nothing to import.`)
  }
  const source = await openEmbedded(options)
  try {
    const target = await openIn(options)
    try {
      await requireEmpty(target, `The schema "${options.database.schema}"`)
      const copied = await copyInto(target, embeddedWalks(source), options)
      requireComplete(copied, await target.counts())
      await source.close()
      const renamed = `${paths.store}.${new Date().toISOString()}`
      await rename(paths.store, renamed)
      return { copied, renamed }
    } finally {
      await target.close()
    }
  } finally {
    await source.close()
  }
}

/** @throws AppError `DATABASE_COPY`; what was copied before that stays */
async function copyInto(
  target: LoadingStore,
  source: CopySource,
  { database, onProgress }: MoveOptions,
): Promise<Copied> {
  try {
    const copied = await copyStore(source, target, onProgress)
    await target.flushed()
    return copied
  } catch (error) {
    if (!(error instanceof StoreError)) throw error
    throw new AppError(
      'DATABASE_COPY',
      `The copy into schema "${database.schema}" could not be written: ${error.reason}. The state directory is as it was.`,
      'Drop the schema, as `smp-server database delete` says, and run the command again.',
      { cause: error },
    )
  }
}

/**
 * Copies everything from the database into a new store in the state directory, which appears there when it is complete.
 *
 * @throws AppError `DATABASE_…`, `STORE_…`
 */
export async function exportFromDatabase(options: MoveOptions): Promise<Copied> {
  const { database, paths, log, onProgress } = options
  const { openDatabaseSnapshot } = await import('../store/postgres.ts')
  const snapshot = await openDatabaseSnapshot({
    connection: database.connection,
    schema: database.schema,
    fingerprint: await readFingerprint(paths),
    onWarning: log.warn,
  })
  try {
    if (snapshot.relays > 0) {
      throw new AppError(
        'DATABASE_IN_USE',
        'A relay is running on this database, or was until a moment ago.',
        'Stop all relays on it, wait half a minute, and run the command again.',
      )
    }
    await requireNoStore(paths)
    return await intoPlace(paths, (directory) => copyToDirectory(snapshot.source, directory, onProgress))
  } finally {
    await snapshot.close()
  }
}

/** Queues of anybody would be overwritten, or doubled. @throws AppError `DATABASE_NOT_EMPTY` */
async function requireNoStore(paths: Paths): Promise<void> {
  const found = await heldElsewhere(paths)
  if (found === undefined) return
  throw new AppError(
    'DATABASE_NOT_EMPTY',
    `There are queues in ${paths.stateDir} already: ${found.path}${found.held}.`,
    `If they are of no more use, move them away: mv ${found.path} ${found.path}.unused`,
  )
}

/** Makes a store beside the place where the relay looks for it, and moves it there when it is complete. */
async function intoPlace<T>(paths: Paths, make: (directory: string) => Promise<T>): Promise<T> {
  const { store, stateDir } = paths
  const unfinished = unfinishedExport(paths)
  await rm(unfinished, { recursive: true, force: true })
  const made = await make(unfinished)
  await forgetMoved(paths)
  // Without queues.
  await rm(store, { recursive: true, force: true })
  await renameDurably(unfinished, store)
  await leaveNotice(stateDir)
  return made
}

/** The notice of a store that was moved into a database would keep a new one from being made in its place. */
async function forgetMoved({ store, stateDir, storeLog }: Paths): Promise<void> {
  if (!hasStore(store) && (await hasNotice(stateDir))) await rm(storeLog)
}

async function openIn({ database, paths, log }: MoveOptions): Promise<LoadingStore> {
  const fingerprint = await readFingerprint(paths)
  return await openDatabase({ settings: database, fingerprint, migrate: 'up', onRollback: () => undefined, log })
}

/** What upstream has left is imported by this. */
async function openEmbedded({ settings, paths, log }: MoveOptions): Promise<EmbeddedStore> {
  const embedded = { persistent: true, queues: 'memory', messages: 'memory', database: undefined } as const
  const store = await openStore(
    {
      settings: { ...settings.store, ...embedded, restoreMessages: true },
      paths,
      log,
      fingerprint: '',
      now: () => new Date(),
    },
    () => undefined,
  )
  if (store.loads) throw new Error('this is not an embedded store')
  return store
}

async function requireEmpty(store: EmbeddedStore | LoadingStore, what: string): Promise<void> {
  const { queues, messages } = await store.counts()
  if (queues + messages === 0) return
  throw new AppError(
    'DATABASE_NOT_EMPTY',
    `${what} is not empty: it holds ${queues} queues and ${messages} messages.`,
    'Choose another one, or remove it: `smp-server database delete` says how for a schema.',
  )
}
