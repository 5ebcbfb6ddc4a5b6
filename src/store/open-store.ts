import { existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Logger } from '../config/log.ts'
import type { Paths } from '../config/paths.ts'
import type { Settings } from '../config/settings.ts'
import { syncDirectory, writeDurably } from '../system/durable-file.ts'
import { openLmdbStore } from './lmdb.ts'
import { StoreClock } from './store-clock.ts'
import { openMemoryStore } from './memory.ts'
import { DEFAULT_QUOTA, type Store, type StoreError, type StoreOptions } from './store.ts'
import { openDatabase } from './open-database.ts'
import type { EmbeddedStore, RelayStore } from './work.ts'
import { importUpstream, retireUpstreamFiles } from './upstream/import.ts'
import { hasNotice, holdsNothing, leaveNotice } from './upstream/notice.ts'

export interface OpenStoreOptions {
  readonly settings: Settings['store']
  readonly paths: Paths
  readonly log: Logger
  /** Continue past damage in upstream's files that can be skipped. */
  readonly skipWarnings?: boolean
  /** Of the relay, which a database belongs to. */
  readonly fingerprint: string
  /** What the operator has agreed to: migrations of a database, or undoing the last one. */
  readonly migrate?: 'up' | 'down' | undefined
  readonly now: () => Date
}

/**
 * Opens the store that the settings ask for. What upstream's server left in the state directory is imported first; its
 * files are renamed after that, as that server itself does, so that it can still go back to them.
 *
 * @param onRollback called when effects that had been visible were lost
 * @throws AppError whatever `openLmdbStore` and `importUpstream` throw
 */
export async function openStore(options: OpenStoreOptions, onRollback: () => void): Promise<RelayStore> {
  const { settings, paths, log } = options
  const { database } = settings
  if (database !== undefined) {
    const { onRollback: onLost } = storeEvents(log, onRollback)
    return await openDatabase({ ...options, settings: database, onRollback: onLost ?? onRollback })
  }
  const storeOptions = { quota: DEFAULT_QUOTA, ...storeEvents(log, onRollback) }
  if (!settings.persistent) return openMemoryStore(storeOptions)
  const clock = new StoreClock(options)
  const mustExist = await hasNotice(paths.stateDir)
  if (!mustExist) dropUnfinishedImport(paths.store, log)
  const adjustExpiry = (before: number): number => clock.guard.adjust(before)
  const store: EmbeddedStore = openLmdbStore(paths.store, { ...storeOptions, mustExist, adjustExpiry })
  try {
    await importLeftFiles(store, options, clock)
    await leaveNotice(paths.stateDir)
    if (!settings.restoreMessages) await dropMessages(store, log)
    return await clock.follow(store)
  } catch (error) {
    await store.close()
    throw error
  }
}

/** What `restore_messages = off` means: messages do not survive a restart. */
async function dropMessages(store: Store, log: Logger): Promise<void> {
  const dropped = await store.dropMessages()
  await store.flushed()
  if (dropped > 0) log.note(`restore_messages is off: ${dropped} undelivered messages of the last run were dropped`)
}

const LOG_EVERY_MS = 60_000
/** How long the relay may take to stop after its store failed. */
const STOP_MS = 15_000

/** Says what happened to the store: at most one line a minute, however many commits fail. */
function storeEvents(log: Logger, onRollback: () => void): Pick<StoreOptions, 'onRollback' | 'onFailure'> {
  let loggedAt = -Infinity
  let unlogged = 0
  return {
    onRollback(error: StoreError) {
      unlogged++
      if (performance.now() - loggedAt >= LOG_EVERY_MS) {
        const times = unlogged === 1 ? '' : ` (${unlogged} times in the last minute)`
        log.error(`Message store: writing failed${times}: ${error.reason}. Nothing that was acknowledged is lost.`)
        loggedAt = performance.now()
        unlogged = 0
      }
      onRollback()
    },
    onFailure(error: StoreError) {
      log.error(`Message store: LMDB failed (${error.reason}); stopping. The next start verifies the store.`)
      // `start` stops the relay in order; what LMDB left in memory may keep it from doing so.
      setTimeout(() => process.exit(1), STOP_MS).unref()
      setImmediate(() => {
        throw error
      })
    },
  }
}

/** In the directory of a store that nothing but an import has written to, until that is complete. */
const IMPORTING = 'importing'

/** Removes what an interrupted import left, so that the next one neither counts nor reports anything twice. */
function dropUnfinishedImport(store: string, log: Logger): void {
  if (!existsSync(join(store, IMPORTING))) return
  log.note('An earlier import was interrupted; starting it again.')
  for (const name of ['data.mdb', 'closed', IMPORTING]) rmSync(join(store, name), { force: true })
}

async function importLeftFiles(
  store: Store,
  { settings, paths, log, skipWarnings, now }: OpenStoreOptions,
  clock: StoreClock,
): Promise<void> {
  const { storeLog, messagesLog, notificationsLog, stateDir } = paths
  const present = [storeLog, `${storeLog}.start`, messagesLog, notificationsLog].filter((file) => existsSync(file))
  const empty = await Promise.all(present.map(holdsNothing))
  if (empty.every(Boolean) && !existsSync(paths.journal)) return
  log.note(`Importing queues and messages from ${storeLog} and the files beside it`)
  const mark = join(paths.store, IMPORTING)
  const isNew = store.counts().queues === 0
  if (isNew) await writeDurably(mark, '', { mode: 0o600, ifExists: 'replace' })
  const time = now()
  const seconds = Math.floor(clock.guard.now())
  const { logLines, queues, messages, notifications } = await importUpstream(store, stateDir, {
    messagesBefore: seconds - settings.messageTtl,
    notificationsBefore: seconds - settings.notificationTtl,
    skipWarnings: skipWarnings === true,
    onWarning: ({ file, line, text }) => log.warn(`${file}, line ${line}: ${text}`),
  })
  if (isNew) {
    // From here on the store counts: the files are retired one by one.
    rmSync(mark)
    await syncDirectory(paths.store)
  }
  await retireUpstreamFiles(stateDir, time)
  log.note(`Processed: ${logLines} log lines`)
  log.note(`messages stored: ${messages.stored}, expired: ${messages.expired}, queues: ${queues}`)
  log.note(`notifications stored: ${notifications.stored}, expired: ${notifications.expired}`)
  log.note(`Imported into ${paths.store}; \`smp-server store export\` writes such files again.`)
}
