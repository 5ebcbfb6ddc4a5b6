import { existsSync } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import type { Logger } from '../config/log.ts'
import type { Paths } from '../config/paths.ts'
import type { Settings } from '../config/settings.ts'
import { AppError } from '../errors/app-error.ts'
import { copyStore, type Copied } from '../store/copy-store.ts'
import { openDatabase } from '../store/open-database.ts'
import { openStore } from '../store/open-store.ts'
import { hasStore } from '../store/lmdb/stored-queues.ts'
import { hasNotice } from '../store/upstream/notice.ts'
import { embeddedWalks } from '../store/walks.ts'
import type { EmbeddedStore, LoadingStore } from '../store/work.ts'
import { readFingerprint } from './identity.ts'

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
    const target = await openIn(options, 'up')
    try {
      await requireEmpty(target, `The schema "${options.database.schema}"`)
      const copied = await copyStore(embeddedWalks(source), target, options.onProgress)
      await verify(copied, target)
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

/**
 * Copies everything from the database into an empty store in the state directory.
 *
 * @throws AppError `DATABASE_…`, `STORE_…`
 */
export async function exportFromDatabase(options: MoveOptions): Promise<Copied> {
  const source = await openIn(options)
  try {
    if ((await source.others()) > 0) {
      throw new AppError(
        'DATABASE_IN_USE',
        'A relay is running on this database, or was until a moment ago.',
        'Stop all relays on it, wait half a minute, and run the command again.',
      )
    }
    await forgetMoved(options.paths)
    const target = await openEmbedded(options)
    try {
      await requireEmpty(target, `The store ${options.paths.store}`)
      const copied = await copyStore(source.walks(), target, options.onProgress)
      await verify(copied, target)
      return copied
    } finally {
      await target.close()
    }
  } finally {
    await source.close()
  }
}

/** The notice of a store that was moved into a database would keep a new one from being made in its place. */
async function forgetMoved({ store, stateDir, storeLog }: Paths): Promise<void> {
  if (!hasStore(store) && (await hasNotice(stateDir))) await rm(storeLog)
}

async function openIn({ database, paths, log }: MoveOptions, migrate?: 'up'): Promise<LoadingStore> {
  const fingerprint = await readFingerprint(paths)
  return await openDatabase({ settings: database, fingerprint, migrate, onRollback: () => undefined, log })
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

async function verify(copied: Copied, target: EmbeddedStore | LoadingStore): Promise<void> {
  await target.flushed()
  const { queues, messages, notifications } = await target.counts()
  if (queues === copied.queues && messages === copied.messages && notifications === copied.notifications) return
  throw new AppError(
    'DATABASE_COPY',
    `The copy is not complete: ${queues} of ${copied.queues} queues, ${messages} of ${copied.messages} messages, ${notifications} of ${copied.notifications} notifications.`,
    'Remove it, and run the command again.',
  )
}
