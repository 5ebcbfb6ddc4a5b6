import { rm } from 'node:fs/promises'
import { AppError } from '../errors/app-error.ts'
import { copyStore, type Copied } from './copy-store.ts'
import { openLmdbStore } from './lmdb.ts'
import { DEFAULT_QUOTA, StoreError } from './store.ts'
import type { CopySource } from './walks.ts'

/** Nothing that was copied is read again, but for the state of a queue whose messages follow. */
const MAX_CACHED = 1000

/**
 * Copies everything into an embedded store of its own in a directory that does not exist yet, counts it, and closes it.
 * After a failure the directory is gone.
 *
 * @throws AppError `DATABASE_COPY`, `DISK_FULL`, and what reading throws
 */
export async function copyToDirectory(
  source: CopySource,
  directory: string,
  onProgress: (copied: Copied) => void,
): Promise<Copied> {
  try {
    const target = openLmdbStore(directory, { quota: DEFAULT_QUOTA, maxCached: MAX_CACHED })
    try {
      const copied = await copyStore(source, target, onProgress)
      await target.flushed()
      requireComplete(copied, target.counts())
      return copied
    } finally {
      await target.close()
    }
  } catch (error) {
    await rm(directory, { recursive: true, force: true })
    if (!(error instanceof StoreError)) throw error
    throw new AppError(
      'DATABASE_COPY',
      `The copy of the database in ${directory} could not be written: ${error.reason}.`,
      `Make room on that disk: df ${directory}`,
      { cause: error },
    )
  }
}

/** @throws AppError `DATABASE_COPY` */
export function requireComplete(copied: Copied, held: Pick<Copied, 'queues' | 'messages' | 'notifications'>): void {
  const { queues, messages, notifications } = held
  if (queues === copied.queues && messages === copied.messages && notifications === copied.notifications) return
  throw new AppError(
    'DATABASE_COPY',
    `The copy is not complete: ${queues} of ${copied.queues} queues, ${messages} of ${copied.messages} messages, ${notifications} of ${copied.notifications} notifications.`,
    'Remove it, and run the command again.',
  )
}
