import { readFile, stat } from 'node:fs/promises'
import { AppError } from '../errors/app-error.ts'
import type { Paths } from '../config/paths.ts'
import { readSettings, type Settings } from '../config/settings.ts'
import { type AgeLock, sealStream } from '../crypto/age-file.ts'
import type { OnionHostname } from '../crypto/onion-address.ts'
import { hasStore, requireStore, Snapshot } from '../store/lmdb.ts'
import type { StoreCounts } from '../store/store.ts'
import { exists } from '../store/upstream/files.ts'
import { hasNotice, holdsNothing } from '../store/upstream/notice.ts'
import { errorCode } from '../system/error-code.ts'
import { checkRelay } from './check-relay.ts'
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
 * Writes everything that makes up a relay to a target, encrypted, also while the relay runs.
 *
 * @throws AppError `BACKUP_IMPORT`, `BACKUP_LIMIT`, and whatever `checkRelay`, `readSettings`, `lock`, `Snapshot.open`
 *   and the target throw; the system's error with the path
 */
export async function makeBackup({ paths, target, lock, now, signal }: BackupOptions): Promise<Backup> {
  const { settings } = readSettings(await readFile(paths.ini, 'utf8'), paths.ini)
  const { onion } = await checkRelay(paths, settings)
  requireEmbedded(settings)
  const { persistent } = settings.store
  if (persistent) await requireImported(paths)
  await target.prepare()
  const ageLock = await lock()
  const snapshot = persistent ? await snapshotOf(paths) : undefined
  try {
    const counts = snapshot?.counts()
    const store = snapshot?.compacted()
    await target.expect(store?.size ?? 0)
    const names: string[] = []
    const files = tarFiles(paths, store, now, (name) => names.push(name))
    const size = await target.write(untilAborted(await sealStream(writeTar(files), ageLock), signal))
    return { settings, onion: onion?.hostname, counts, names, size }
  } finally {
    await snapshot?.close()
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

async function* tarFiles(
  paths: Paths,
  store: Pick<TarFile, 'size' | 'content'> | undefined,
  now: Date,
  onFile: (name: string) => void,
): AsyncGenerator<TarFile, void, undefined> {
  const { configDir, stateDir } = paths
  const label = encodeLabel({ format: 1, madeAt: now.toISOString(), configDir, stateDir })
  yield { name: labelName, mode: 0o600, modifiedAt: now, size: label.length, content: [label] }
  for (const { name, path, mode, isNeeded, limit } of relayFiles(paths)) {
    if (name === storeName) continue
    // Read as a whole: a running relay may change its size meanwhile.
    const found = await stat(path).catch((error: unknown) => {
      if (errorCode(error) === 'ENOENT' && !isNeeded) return undefined
      throw error
    })
    if (!found) continue
    if (!found.isFile() || found.size > limit) {
      const what = found.isFile() ? `has ${found.size} bytes, more than a backup can hold` : 'is not a regular file'
      throw new AppError('BACKUP_LIMIT', `${path} ${what}.`, `Move it away: \`mv ${path} ${path}.old\``)
    }
    const content = await readFile(path)
    yield { name, mode, modifiedAt: found.mtime, size: content.length, content: [content] }
    onFile(name)
  }
  if (!store) return
  yield { name: storeName, mode: 0o600, modifiedAt: now, ...store }
  onFile(storeName)
}

/** Queues of upstream's server are not in the store until `start` has imported them. */
async function requireImported({ storeLog, messagesLog, notificationsLog, journal }: Paths): Promise<void> {
  for (const path of [storeLog, `${storeLog}.start`, messagesLog, notificationsLog, journal]) {
    if (!(await exists(path)) || (path !== journal && (await holdsNothing(path)))) continue
    const remedy = 'Import it first: `smp-server start --maintenance`'
    throw new AppError('BACKUP_IMPORT', `${path} has not been imported yet.`, remedy)
  }
}

/** A backup without the queues would pass for one with them. */
function requireEmbedded({ store }: Settings): void {
  if (store.database === undefined) return
  throw new AppError(
    'BACKUP_DATABASE',
    `The queues and messages of this relay are in PostgreSQL (schema ${store.database.schema}), which \`smp-server backup\` does not hold yet.`,
    `Back up the database with pg_dump --schema ${store.database.schema} --schema ${store.database.schema}_relays, and the files of the configuration directory by themselves.`,
  )
}
