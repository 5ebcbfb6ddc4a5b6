import { readFile, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { AppError } from '../errors/app-error.ts'
import type { Paths } from '../config/paths.ts'
import { readSettings } from '../config/read-settings.ts'
import type { Settings } from '../config/settings.ts'
import { type AgeLock, sealStream } from '../crypto/age-file.ts'
import type { OnionHostname } from '../crypto/onion-address.ts'
import { hasStore, requireStore, Snapshot } from '../store/lmdb.ts'
import type { Copied } from '../store/copy-store.ts'
import type { StoreCounts } from '../store/store.ts'
import { exists } from '../store/upstream/files.ts'
import { hasNotice, holdsNothing } from '../store/upstream/notice.ts'
import { errorCode } from '../system/error-code.ts'
import { asOwnerOf } from '../system/owner.ts'
import { checkRelay } from './check-relay.ts'
import { copyDatabase } from './database-copy.ts'
import { encodeLabel, labelName, relayFiles, storeName } from './contents.ts'
import type { BackupTarget } from './target.ts'
import { type TarFile, writeTar } from './tar.ts'
import { untilAborted } from './until-aborted.ts'

export interface BackupOptions {
  readonly paths: Paths
  readonly target: BackupTarget
  /** Asked when everything else is known to be possible. */
  readonly lock: () => Promise<AgeLock>
  readonly now: Date
  /** What has been copied so far of a database, which is copied before anything is written to the target. */
  readonly onProgress?: (copied: Copied) => void
  /** A sentence for the operator. */
  readonly onWarning?: (sentence: string) => void
  /** Ends it with its reason. */
  readonly signal: AbortSignal
}

export interface Backup {
  /** As the INI file has them. */
  readonly settings: Settings
  /** The address whose key is in the backup. */
  readonly onion: OnionHostname | undefined
  /** What the store holds; undefined without a store. */
  readonly counts: StoreCounts | undefined
  /** Names in the backup. */
  readonly names: readonly string[]
  /** Bytes that were written. */
  readonly size: number
}

/**
 * Writes everything that makes up a relay to a target, encrypted, also while the relay runs. What is in PostgreSQL is
 * first copied into an embedded store, so that every backup is of one kind.
 *
 * @throws AppError `BACKUP_IMPORT`, `BACKUP_LIMIT`, and whatever `checkRelay`, `readSettings`, `lock`,
 *   `copyDatabase`, `Snapshot.open` and the target throw; the system's error with the path
 */
export async function makeBackup(options: BackupOptions): Promise<Backup> {
  const { paths, target, lock, now, signal } = options
  const { configDir, stateDir } = paths
  const { settings, onion, fingerprint } = await asOwnerOf(configDir, async () => {
    const { settings } = readSettings(await readFile(paths.ini, 'utf8'), paths.ini)
    return { settings, ...(await checkRelay(paths, settings)) }
  })
  const { persistent, database } = settings.store
  if (database === undefined && persistent) await asOwnerOf(stateDir, () => requireImported(paths))
  await target.prepare()
  const ageLock = await lock()
  const copy = database && (await asOwnerOf(stateDir, () => copyDatabase({ ...options, database, fingerprint })))
  const find = async (): Promise<Snapshot | undefined> => {
    if (copy) return await Snapshot.open(copy.store)
    return persistent ? await snapshotOf(paths) : undefined
  }
  const snapshot = await asOwnerOf(stateDir, find).catch(async (error: unknown) => {
    await copy?.remove()
    throw error
  })
  try {
    const counts = snapshot?.counts()
    const store = snapshot?.compacted()
    await target.expect(store?.size ?? 0)
    const files = await smallFiles(paths)
    if (store) files.push({ name: storeName, mode: 0o600, modifiedAt: now, ...store })
    const archive = writeTar([labelFile(paths, now), ...files])
    const size = await target.write(untilAborted(await sealStream(archive, ageLock), signal))
    return { settings, onion: onion?.hostname, counts, names: files.map(({ name }) => name), size }
  } finally {
    await asOwnerOf(stateDir, async () => {
      await snapshot?.close()
      await copy?.remove()
    })
  }
}

/**
 * The store as it is now; undefined where there has never been one.
 *
 * @throws AppError `STORE_MISSING` when there is none although the notice beside it says that it holds queues
 */
async function snapshotOf({ store, stateDir }: Paths): Promise<Snapshot | undefined> {
  if (await hasNotice(stateDir)) requireStore(store)
  return hasStore(store) ? await Snapshot.open(store) : undefined
}

function labelFile({ configDir, stateDir }: Paths, now: Date): TarFile {
  const label = encodeLabel({ format: 1, madeAt: now.toISOString(), configDir, stateDir })
  return { name: labelName, mode: 0o600, modifiedAt: now, size: label.length, content: [label] }
}

/** Every file but the store. Read before anything is written: root reads each with the rights of the relay's user. */
async function smallFiles(paths: Paths): Promise<TarFile[]> {
  const files: TarFile[] = []
  for (const { name, path, mode, isNeeded, limit } of relayFiles(paths)) {
    if (name === storeName) continue
    // Read as a whole: a running relay may change its size meanwhile.
    const found = await asOwnerOf(dirname(path), () => readWhole(path, limit))
    if (!found && isNeeded) throw new AppError('FILE_MISSING', `${path} does not exist.`, 'Restore it from a backup.')
    if (!found) continue
    files.push({ name, mode, modifiedAt: found.mtime, size: found.content.length, content: [found.content] })
  }
  return files
}

/** @throws AppError `BACKUP_LIMIT`; the system's error */
async function readWhole(path: string, limit: number): Promise<{ mtime: Date; content: Buffer } | undefined> {
  const found = await stat(path).catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return undefined
    throw error
  })
  if (!found) return undefined
  if (!found.isFile() || found.size > limit) {
    const what = found.isFile() ? `has ${found.size} bytes, more than a backup can hold` : 'is not a regular file'
    throw new AppError('BACKUP_LIMIT', `${path} ${what}.`, `Move it away: \`mv ${path} ${path}.old\``)
  }
  return { mtime: found.mtime, content: await readFile(path) }
}

/** Queues of upstream's server are not in the store until `start` has imported them. */
async function requireImported({ storeLog, messagesLog, notificationsLog, journal }: Paths): Promise<void> {
  for (const path of [storeLog, `${storeLog}.start`, messagesLog, notificationsLog, journal]) {
    if (!(await exists(path)) || (path !== journal && (await holdsNothing(path)))) continue
    const remedy = 'Import it first: `smp-server start --maintenance`'
    throw new AppError('BACKUP_IMPORT', `${path} has not been imported yet.`, remedy)
  }
}
