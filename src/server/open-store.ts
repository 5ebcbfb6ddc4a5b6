import { existsSync } from 'node:fs'
import type { Logger } from '../config/log.ts'
import type { Paths } from '../config/paths.ts'
import type { Settings } from '../config/settings.ts'
import { openLmdbStore } from '../store/lmdb.ts'
import { openMemoryStore } from '../store/memory.ts'
import { DEFAULT_QUOTA, type Store, type StoreError } from '../store/store.ts'
import { importUpstream, retireUpstreamFiles } from '../store/upstream/import.ts'
import { holdsNothing, leaveNotice } from '../store/upstream/notice.ts'

export interface OpenStoreOptions {
  readonly settings: Settings['store']
  readonly paths: Paths
  readonly log: Logger
  /** Go on after damage in another server's files that can be skipped. */
  readonly skipWarnings?: boolean
  readonly now: () => Date
}

/**
 * Opens the store that the settings ask for. What another SMP server left in the state directory is taken over first;
 * its files are renamed after that, as that server itself does, and can still be gone back to.
 */
export async function openStore(options: OpenStoreOptions, onRollback: () => void): Promise<Store> {
  const { settings, paths, log } = options
  const storeOptions = {
    quota: DEFAULT_QUOTA,
    onRollback: (error: StoreError) => {
      log.error('the store could not keep what it was given and went back to its last durable state', { error })
      onRollback()
    },
  }
  if (!settings.persistent) return openMemoryStore(storeOptions)
  const store = openLmdbStore(paths.store, storeOptions)
  try {
    await takeOver(store, options)
    await leaveNotice(paths.stateDir)
    return store
  } catch (error) {
    await store.close()
    throw error
  }
}

async function takeOver(store: Store, { settings, paths, log, skipWarnings, now }: OpenStoreOptions): Promise<void> {
  const { storeLog, messagesLog, notificationsLog, stateDir } = paths
  const present = [storeLog, `${storeLog}.start`, messagesLog, notificationsLog].filter((file) => existsSync(file))
  const empty = await Promise.all(present.map(holdsNothing))
  if (empty.every(Boolean) && !existsSync(paths.journal)) return
  log.note(`restoring queues and messages from ${storeLog} and the files beside it`)
  const time = now()
  const seconds = Math.floor(time.getTime() / 1000)
  const { logLines, queues, messages, notifications } = await importUpstream(store, stateDir, {
    messagesBefore: seconds - settings.messageTtl,
    notificationsBefore: seconds - settings.notificationTtl,
    skipWarnings: skipWarnings === true,
    onWarning: ({ file, line, text }) => log.warn(`${file}, line ${line}: ${text}`),
  })
  await retireUpstreamFiles(stateDir, time)
  log.note(`Processed: ${logLines} log lines`)
  log.note(`messages stored: ${messages.stored}, expired: ${messages.expired}, queues: ${queues}`)
  log.note(`notifications stored: ${notifications.stored}, expired: ${notifications.expired}`)
  log.note(`they are in ${paths.store} from now on; \`smp-server store export\` writes them back into such files`)
}
