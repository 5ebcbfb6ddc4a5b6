import { readFile, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { AppError } from '../errors/app-error.ts'
import type { Paths } from '../config/paths.ts'
import { sealStream } from '../crypto/age-file.ts'
import { hasStore, requireStore, Snapshot } from '../store/lmdb.ts'
import type { StoreCounts } from '../store/store.ts'
import { exists } from '../store/upstream/files.ts'
import { hasNotice, holdsNothing } from '../store/upstream/notice.ts'
import { writeDurably } from '../system/durable-file.ts'
import { errorCode } from '../system/error-code.ts'
import { encodeLabel, labelName, relayFiles, storeName } from './contents.ts'
import { type TarFile, writeTar } from './tar.ts'
import { untilAborted } from './until-aborted.ts'

export interface BackupOptions {
  readonly paths: Paths
  readonly file: string
  readonly passphrase: string
  readonly now: Date
  /** `[STORE_LOG] enable`: queues and messages are stored on disk. */
  readonly persistent: boolean
  /** Ends it with its reason. */
  readonly signal: AbortSignal
}

export interface Backup {
  /** What the store holds; undefined when there is none. */
  readonly counts: StoreCounts | undefined
  /** Names in the backup. */
  readonly names: readonly string[]
  /** Bytes of the file. */
  readonly size: number
}

/**
 * Writes everything that makes a relay into a new file (0600) that only a passphrase opens. The relay may run
 * meanwhile. The file appears when it is whole and durable, or not at all.
 *
 * @throws AppError `FILE_EXISTS`, `FILE_MISSING`, `BACKUP_TAKE_OVER`, `BACKUP_LIMIT`, whatever `Snapshot.open`
 *   throws; the system's error with the path
 */
export async function makeBackup({ paths, file, passphrase, now, persistent, signal }: BackupOptions): Promise<Backup> {
  await requireNew(file)
  if (persistent) await requireImported(paths)
  const snapshot = persistent ? await snapshotOf(paths) : undefined
  try {
    const counts = snapshot?.counts()
    const names: string[] = []
    const files = tarFiles(paths, snapshot, now, (name) => names.push(name))
    await write(file, untilAborted(await sealStream(writeTar(files), passphrase), signal))
    return { counts, names, size: (await stat(file)).size }
  } finally {
    await snapshot?.close()
  }
}

/**
 * The store as it is now; undefined where there has never been one.
 *
 * @throws AppError `STORE_MISSING` when there is none, and the notice beside it says that queues are in it
 */
async function snapshotOf({ store, stateDir }: Paths): Promise<Snapshot | undefined> {
  if (await hasNotice(stateDir)) requireStore(store)
  return hasStore(store) ? await Snapshot.open(store) : undefined
}

/** @throws AppError `FILE_EXISTS`, `FILE_MISSING` without a directory for it */
export async function requireNew(file: string): Promise<void> {
  if (await exists(file)) throw taken(file)
  if (await exists(dirname(file))) return
  throw new AppError('FILE_MISSING', `The directory for ${file} does not exist.`, 'Make it, or name another file.')
}

async function* tarFiles(
  paths: Paths,
  snapshot: Snapshot | undefined,
  now: Date,
  onFile: (name: string) => void,
): AsyncGenerator<TarFile, void, undefined> {
  const { configDir, stateDir } = paths
  const label = encodeLabel({ format: 1, madeAt: now.toISOString(), configDir, stateDir })
  yield { name: labelName, mode: 0o600, modifiedAt: now, size: label.length, content: [label] }
  for (const { name, path, mode, isNeeded, limit } of relayFiles(paths)) {
    if (name === storeName) continue
    // Read as a whole, so that a relay that writes it meanwhile does not change its size.
    const found = await stat(path).catch((error: unknown) => {
      if (errorCode(error) === 'ENOENT' && !isNeeded) return undefined
      throw error
    })
    if (!found) continue
    if (!found.isFile() || found.size > limit) {
      const message = `${path} is not what a relay has under this name: no file, or one of ${found.size} bytes.`
      throw new AppError('BACKUP_LIMIT', message, 'Move it away and run the command again.')
    }
    const content = await readFile(path)
    yield { name, mode, modifiedAt: found.mtime, size: content.length, content: [content] }
    onFile(name)
  }
  if (!snapshot) return
  const { size, content } = snapshot.compacted()
  yield { name: storeName, mode: 0o600, modifiedAt: now, size, content }
  onFile(storeName)
}

/** Queues that upstream's server left are not in the store until a start imports them. */
async function requireImported({ storeLog, messagesLog, notificationsLog, journal }: Paths): Promise<void> {
  for (const path of [storeLog, `${storeLog}.start`, messagesLog, notificationsLog, journal]) {
    if (!(await exists(path)) || (path !== journal && (await holdsNothing(path)))) continue
    const remedy = 'Import it first: smp-server start --maintenance'
    throw new AppError('BACKUP_TAKE_OVER', `${path} has not been imported yet.`, remedy)
  }
}

async function write(file: string, content: AsyncIterable<Uint8Array>): Promise<void> {
  try {
    await writeDurably(file, content, { mode: 0o600, ifExists: 'fail' })
  } catch (error) {
    if (errorCode(error) === 'EEXIST') throw taken(file)
    throw error
  }
}

function taken(file: string): AppError {
  return new AppError('FILE_EXISTS', `${file} exists already.`, 'Name another file.')
}
