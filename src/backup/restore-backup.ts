import { mkdir, readFile, rm, statfs } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { AppError } from '../errors/app-error.ts'
import { iniValue, setIniValue } from '../config/ini.ts'
import { type Paths, resolvePaths } from '../config/paths.ts'
import { readSettings, type Settings } from '../config/settings.ts'
import { openStream } from '../crypto/age-file.ts'
import { openLmdbStore } from '../store/lmdb.ts'
import { DEFAULT_QUOTA, type StoreCounts } from '../store/store.ts'
import { exists } from '../store/upstream/files.ts'
import { writeDurably } from '../system/durable-file.ts'
import { withRegularFile } from '../system/small-file.ts'
import { checkRelay, type CheckedRelay } from './check-relay.ts'
import { decodeLabel, type Label, labelName, type RelayFile, relayFiles, storeName } from './contents.ts'
import { EmptyTarget, giveTo } from './empty-target.ts'
import { readTar, TarError, type TarEntry } from './tar.ts'
import { untilAborted } from './until-aborted.ts'

export interface RestoreOptions {
  readonly paths: Paths
  readonly file: string
  /** Asked for when the rest is known to be possible. */
  readonly passphrase: () => Promise<string>
  /** Ends it with its reason. */
  readonly signal: AbortSignal
}

export interface Restored extends CheckedRelay {
  readonly settings: Settings
  readonly madeAt: Date
  readonly counts: StoreCounts | undefined
}

/**
 * Brings back what `makeBackup` has written, where no relay is. Everything is unpacked and checked before anything gets
 * into its place; after a fault everything is as it was.
 *
 * @throws AppError `RESTORE_NOT_EMPTY`, `BACKUP_CONTENT`, `DISK_FULL`, and whatever `openStream`,
 *   `withRegularFile`, `checkRelay`, `readSettings` and `openLmdbStore` throw; the system's error with the path
 */
export async function restoreBackup({ paths, file, passphrase, signal }: RestoreOptions): Promise<Restored> {
  return await withRegularFile(file, 'Name a file that `smp-server backup` has made.', async (opened) => {
    const { configDir, stateDir } = paths
    const others = [configDir, stateDir]
    const config = await EmptyTarget.open({ directory: configDir, staging: 'restore-unfinished-config', others })
    try {
      const state = await EmptyTarget.open({ directory: stateDir, staging: 'restore-unfinished-state', others })
      try {
        const staged = resolvePaths({ SMP_SERVER_CFG_PATH: config.staging, SMP_SERVER_LOG_PATH: state.staging })
        const archive = openStream(opened.createReadStream({ autoClose: false }), await passphrase(), {
          path: file,
          madeBy: 'smp-server backup',
          otherRecipient: 'Encrypt it anew with age -p.',
        })
        const label = await unpack(untilAborted(archive, signal), relayFiles(staged), file)
        await moveIniPaths(staged.ini, label, paths)
        const checked = await check(staged, paths, file)
        signal.throwIfAborted()
        await state.moveIn()
        await config.moveIn('smp-server.ini')
        return { ...checked, madeAt: new Date(label.madeAt) }
      } catch (error) {
        await state.undo()
        throw error
      }
    } catch (error) {
      await config.undo()
      throw error
    }
  })
}

async function unpack(archive: AsyncIterable<Uint8Array>, files: readonly RelayFile[], file: string): Promise<Label> {
  const left = new Map(files.map((one) => [one.name, one]))
  let label: Label | undefined
  try {
    for await (const entry of readTar(archive)) {
      if (!label) {
        label = await readLabel(entry, file)
        continue
      }
      const target = left.get(entry.name)
      if (!target || entry.size > target.limit) {
        throw content(file, `holds ${JSON.stringify(entry.name)} of ${entry.size} bytes, which is no part of a relay`)
      }
      left.delete(entry.name)
      await write(target, entry)
    }
  } catch (error) {
    throw error instanceof TarError ? content(file, error.message) : error
  }
  const missing = [...left.values()].filter(({ isNeeded }) => isNeeded).map(({ name }) => name)
  if (!label) throw content(file, 'is empty')
  if (missing.length > 0) throw content(file, `lacks ${missing.join(', ')}`)
  return label
}

async function readLabel({ name, size, content: chunks }: TarEntry, file: string): Promise<Label> {
  if (name !== labelName || size > 65_536) throw content(file, `does not begin with ${labelName}`)
  const parts: Uint8Array[] = []
  for await (const chunk of chunks) parts.push(chunk)
  const label = decodeLabel(Buffer.concat(parts))
  if (label === 'newer') {
    const message = `${file} was made by a newer version of this program.`
    throw new AppError('BACKUP_CONTENT', message, 'Install that version, or a later one, and run the command again.')
  }
  return label ?? Promise.reject(content(file, `has no readable ${labelName}`))
}

async function write({ path, mode }: RelayFile, { content: chunks }: TarEntry): Promise<void> {
  const directory = dirname(path)
  if (!(await exists(directory))) {
    await mkdir(directory, { mode: 0o700 })
    await giveTo(directory, dirname(directory))
  }
  await writeDurably(path, chunks, { mode, ifExists: 'fail' })
}

const pathKeys = [
  ['WEB', 'static_path'],
  ['WEB', 'cert'],
  ['WEB', 'key'],
  ['TOR', 'torrc_extra'],
] as const

/** Paths below the directories of the relay that the backup is of lead below those of this one. */
async function moveIniPaths(ini: string, label: Label, { configDir, stateDir }: Paths): Promise<void> {
  const text = await readFile(ini, 'utf8')
  let moved = text
  for (const [section, key] of pathKeys) {
    const value = iniValue(moved, section, key)
    for (const [from, to] of [
      [label.configDir, configDir],
      [label.stateDir, stateDir],
    ] as const) {
      if (from === to || value?.startsWith(`${from}/`) !== true) continue
      moved = setIniValue(moved, section, key, `${to}${value.slice(from.length)}`)
      break
    }
  }
  if (moved !== text) await writeDurably(ini, moved, { mode: 0o600, ifExists: 'replace' })
}

async function check(staged: Paths, paths: Paths, file: string): Promise<Omit<Restored, 'madeAt'>> {
  const { settings } = readSettings(await readFile(staged.ini, 'utf8'), paths.ini)
  const names = new Map(relayFiles(staged).map(({ path, name }) => [path, `${name} of ${file}`]))
  const relay = await checkRelay(staged, settings, (path) => names.get(path) ?? path)
  return { settings, ...relay, counts: await checkStore(staged.store, file) }
}

const MiB = 1 << 20
const OLDER_BACKUP = 'Restore an older backup.'
/** LMDB takes the process down when there is no room for its table of readers, and a relay needs some anyway. */
const RESERVE = 16 * MiB

async function checkStore(path: string, file: string): Promise<StoreCounts | undefined> {
  if (!(await exists(path))) return undefined
  const { bavail, bsize } = await statfs(path)
  if (bavail * bsize < RESERVE) {
    const message = `Less than ${RESERVE / MiB} MiB would be left on the disk of ${dirname(dirname(path))}.`
    throw new AppError('DISK_FULL', message, 'Free some space and try again.')
  }
  try {
    const store = openLmdbStore(path, { quota: DEFAULT_QUOTA, mustExist: true })
    const counts = store.counts()
    await store.close()
    return counts
  } catch (error) {
    const isDamaged = error instanceof AppError && ['STORE_DAMAGED', 'STORE_COPY', 'STORE_MISSING'].includes(error.code)
    throw isDamaged ? new AppError('BACKUP_CONTENT', `${storeName} of ${file} is damaged.`, OLDER_BACKUP) : error
  } finally {
    // They may be another user's than that of the relay.
    for (const name of ['lock.mdb', 'closed']) await rm(join(path, name), { force: true })
  }
}

function content(file: string, what: string): AppError {
  const remedy = 'Name a file that `smp-server backup` has made.'
  return new AppError('BACKUP_CONTENT', `${file} can be opened, but what is in it ${what}.`, remedy)
}
