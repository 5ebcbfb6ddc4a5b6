import { mkdir, readFile, statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import { AppError } from '../errors/app-error.ts'
import { iniValue, setIniValue } from '../config/ini.ts'
import type { Paths } from '../config/paths.ts'
import { readSettings } from '../config/read-settings.ts'
import type { Settings } from '../config/settings.ts'
import { type AgeKey, type AgeLock, beginningOf, openStream } from '../crypto/age-file.ts'
import { exists } from '../store/upstream/files.ts'
import { writeDurably } from '../system/durable-file.ts'
import { asOwnerOf } from '../system/owner.ts'
import { checkRelay, type CheckedRelay } from './check-relay.ts'
import { decodeLabel, type Label, labelName, type RelayFile, relayFiles, storeName } from './contents.ts'
import type { BackupSource } from './source.ts'
import { isTarStart, readTar, TAR_HEADER, TarError, type TarEntry } from './tar.ts'
import { untilAborted } from './until-aborted.ts'

/** Asked when the backup says what it is encrypted with. */
export type KeyFor = (type: AgeLock['type']) => Promise<AgeKey>

export interface UnpackOptions {
  readonly source: BackupSource
  readonly keyFor: KeyFor
  /** Where the files go; the directories exist. */
  readonly staged: Paths
  /** The directories that paths in the INI file are to lead to. */
  readonly final: Paths
  /** What to do where the disk is too small. */
  readonly roomRemedy: string
  /** Ends it with its reason. */
  readonly signal: AbortSignal
}

export interface Unpacked extends CheckedRelay {
  readonly settings: Settings
  readonly madeAt: Date
}

const MiB = 1 << 20
/** LMDB needs some room to open a store, and a relay to run. */
export const ROOM_RESERVE = 16 * MiB

/**
 * Unpacks a backup, and checks that it is complete, that nothing else is in it, and that its files belong together. The
 * store is not opened.
 *
 * @throws AppError `BACKUP_CONTENT`, `DISK_FULL`, and whatever the source, `keyFor`, `openStream`, `readSettings` and
 *   `checkRelay` throw; the system's error with the path
 */
export async function unpackBackup(options: UnpackOptions): Promise<Unpacked> {
  const { source, staged, final, signal } = options
  const label = await source.read(async (chunks) =>
    unpack(untilAborted(await archiveOf(chunks, options), signal), options),
  )
  const names = new Map(relayFiles(staged).map(({ path, name }) => [path, `${name} of ${source.name}`]))
  return await asOwnerOf(staged.configDir, async () => {
    await moveIniPaths(staged.ini, label, final)
    const { settings } = readSettings(await readFile(staged.ini, 'utf8'), final.ini)
    const checked = await checkRelay(staged, settings, (path) => names.get(path) ?? path)
    signal.throwIfAborted()
    return { settings, ...checked, madeAt: new Date(label.madeAt) }
  })
}

/** What is in a backup; one that `age` has decrypted already is taken as it is. */
async function archiveOf(
  chunks: AsyncIterable<Uint8Array>,
  { source, keyFor }: UnpackOptions,
): Promise<AsyncIterable<Uint8Array>> {
  const { head, rest } = await beginningOf(chunks, TAR_HEADER)
  const whole = (async function* (): AsyncGenerator<Uint8Array, void, undefined> {
    yield head
    yield* rest
  })()
  if (isTarStart(head, labelName)) return whole
  return openStream(whole, keyFor, { path: source.name, madeBy: 'smp-server backup' })
}

async function unpack(
  archive: AsyncIterable<Uint8Array>,
  { source, staged, roomRemedy }: UnpackOptions,
): Promise<Label> {
  const left = new Map(relayFiles(staged).map((one) => [one.name, one]))
  let label: Label | undefined
  try {
    for await (const entry of readTar(archive)) {
      if (!label) {
        label = await readLabel(entry, source.name)
        continue
      }
      const target = left.get(entry.name)
      if (!target || entry.size > target.limit) {
        throw badContent(
          source.name,
          `holds ${JSON.stringify(entry.name)} of ${entry.size} bytes, which is no part of a relay`,
        )
      }
      left.delete(entry.name)
      await write(target, entry, roomRemedy)
    }
  } catch (error) {
    throw error instanceof TarError ? badContent(source.name, error.message) : error
  }
  const missing = [...left.values()].filter(({ isNeeded }) => isNeeded).map(({ name }) => name)
  if (!label) throw badContent(source.name, 'is empty')
  if (missing.length > 0) throw badContent(source.name, `lacks ${missing.join(', ')}`)
  return label
}

async function readLabel({ name, size, content: chunks }: TarEntry, source: string): Promise<Label> {
  if (name !== labelName || size > 65_536) throw badContent(source, `does not begin with ${labelName}`)
  const parts: Uint8Array[] = []
  for await (const chunk of chunks) parts.push(chunk)
  const label = decodeLabel(Buffer.concat(parts))
  if (label === 'newer') {
    const message = `${source} was made by a newer version of smp-server.`
    throw new AppError('BACKUP_CONTENT', message, 'Install that version or a later one, and run the command again.')
  }
  return label ?? Promise.reject(badContent(source, `has no readable ${labelName}`))
}

async function write({ path, mode, name }: RelayFile, { size, content }: TarEntry, roomRemedy: string): Promise<void> {
  const directory = dirname(path)
  if (!(await exists(directory))) await asOwnerOf(dirname(directory), () => mkdir(directory, { mode: 0o700 }))
  if (name === storeName) await requireRoom(directory, size + ROOM_RESERVE, roomRemedy)
  await writeDurably(path, content, { mode, ifExists: 'fail' })
}

/** @throws AppError `DISK_FULL` */
export async function requireRoom(directory: string, needed: number, remedy: string): Promise<void> {
  const { bavail, bsize } = await statfs(directory)
  const free = bavail * bsize
  if (free >= needed) return
  const message = `The disk of ${dirname(directory)} has ${Math.floor(free / MiB)} MiB free; ${Math.ceil(needed / MiB)} MiB are needed.`
  throw new AppError('DISK_FULL', message, remedy)
}

const PATH_KEYS = [
  ['WEB', 'static_path'],
  ['WEB', 'cert'],
  ['WEB', 'key'],
  ['TOR', 'torrc_extra'],
  ['TOR', 'control_password_file'],
  ['BACKUP', 'directory'],
  ['BACKUP', 'passphrase_file'],
] as const

/** Paths below the directories of the backed-up relay lead below those of this one. */
async function moveIniPaths(ini: string, label: Label, { configDir, stateDir }: Paths): Promise<void> {
  const text = await readFile(ini, 'utf8')
  let moved = text
  for (const [section, key] of PATH_KEYS) {
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

/** @param what a predicate: `lacks config/ca.crt` */
export function badContent(source: string, what: string): AppError {
  const remedy = 'Pass a file that `smp-server backup` has written.'
  return new AppError('BACKUP_CONTENT', `${source} can be decrypted, but its content ${what}.`, remedy)
}
