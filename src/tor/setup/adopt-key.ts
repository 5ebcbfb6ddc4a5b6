import { existsSync } from 'node:fs'
import { chmod, readFile, rm } from 'node:fs/promises'
import { AppError } from '../../errors/app-error.ts'
import { writeDurably } from '../../system/durable-file.ts'
import { IniEditor } from '../../config/ini-edit.ts'
import { iniHosts, withHosts } from '../../config/ini-hosts.ts'
import { isOnion } from '../../protocol/host.ts'
import { readIni } from '../../config/ini-file.ts'
import { encodeOnionKey, type OnionKey } from '../../crypto/onion-key.ts'
import { keepOnionKey, nextKeyFile, readOnionKey } from '../onion/key.ts'
import { deleteOnionRecord, modeOfIni, recordFile, requireOwnKey, writeOnionRecord } from '../onion/record.ts'
import { changeIni, SetupJournal } from './journal.ts'

export interface Adopt {
  readonly ini: string
  readonly keyFile: string
  readonly key: OnionKey
  /** Put another key that is there aside, and its name in the INI file out. */
  readonly force: boolean
}

export interface Adopted {
  /** The key was there already. */
  readonly wasThere: boolean
  /** Where the other key is now. */
  readonly aside: string | undefined
  /** `[TRANSPORT] host` has the name of the key. */
  readonly isNamed: boolean
}

/**
 * Makes a key that was kept elsewhere the relay's own.
 *
 * @throws AppError `ONION_KEY_ELSEWHERE`, `ROTATION_UNDER_WAY`, `ONION_KEY_OTHER`, `HOST_OTHER_ONION`, and as of `readIni` and `keepOnionKey`
 */
export async function adoptKey({ ini: path, keyFile, key, force }: Adopt): Promise<Adopted> {
  const ini = await readIni(path)
  requireOwnKey(ini.text)
  refuseDuringRotation(keyFile)
  const present = await readOnionKey(keyFile).catch((error: unknown) => {
    if (error instanceof AppError && error.code === 'ONION_KEY_DAMAGED') return 'damaged' as const
    throw error
  })
  const isThere = typeof present === 'object' && present.serviceId === key.serviceId
  const { onion } = iniHosts(ini.text)
  if (!force) refuseOther(keyFile, isThere ? undefined : present, onion, key)
  const journal = await SetupJournal.open(keyFile)
  const aside = present === undefined || isThere ? undefined : await copyAside(keyFile)
  if (aside === undefined) {
    if (!isThere) await keepOnionKey(keyFile, key)
  } else {
    await writeDurably(keyFile, encodeOnionKey(key), { mode: 0o600, ifExists: 'replace' })
    await chmod(keyFile, 0o600)
  }
  await writeOnionRecord(keyFile, key, modeOfIni(ini.text))
  const editor = new IniEditor(ini.text)
  const renamed = withHosts(ini.text, (hosts) => hosts.map((host) => (host === onion ? key.hostname : host)))
  if (onion !== undefined && onion.toLowerCase() !== key.hostname) editor.take('TRANSPORT', 'host', renamed)
  await changeIni(path, ini, editor, journal)
  return { wasThere: isThere, aside, isNamed: iniHosts(editor.text).hosts.some((host) => isOnion(host)) }
}

/** @throws AppError `ROTATION_UNDER_WAY` */
export function refuseDuringRotation(keyFile: string): void {
  if (!existsSync(nextKeyFile(keyFile))) return
  throw new AppError(
    'ROTATION_UNDER_WAY',
    'The onion name is being replaced by another one at the moment.',
    'End that first with `smp-server tor rotate --finish` or `--abort`.',
  )
}

function refuseOther(
  keyFile: string,
  present: OnionKey | 'damaged' | undefined,
  onion: string | undefined,
  key: OnionKey,
): void {
  const remedy = 'With --force this one takes its place, and the other one is kept beside it.'
  if (present === 'damaged') throw new AppError('ONION_KEY_OTHER', `${keyFile} holds something else.`, remedy)
  if (present) {
    throw new AppError('ONION_KEY_OTHER', `${keyFile} holds another key, that of ${present.hostname}.`, remedy)
  }
  if (onion === undefined || onion.toLowerCase() === key.hostname) return
  const message = `[TRANSPORT] host names ${onion}, but this key is that of ${key.hostname}.`
  throw new AppError('HOST_OTHER_ONION', message, 'With --force the name of this one takes its place.')
}

/**
 * Copies a key and its record to a name with the time in it, e.g. `onion-2025-01-31T12-00-00Z.key`.
 *
 * @returns the copy's path
 */
export async function copyAside(keyFile: string): Promise<string> {
  const time = new Date()
    .toISOString()
    .replace(/\.\d+Z$/, 'Z')
    .replaceAll(':', '-')
  const name = (suffix: string): string => `${keyFile.replace(/\.key$/, '')}-${time}${suffix}.key`
  let copy = name('')
  for (let count = 2; existsSync(copy); count += 1) copy = name(`-${count}`)
  await writeDurably(copy, await readFile(keyFile), { mode: 0o600, ifExists: 'fail' })
  const record = await readFile(recordFile(keyFile)).catch(() => undefined)
  if (record) await writeDurably(recordFile(copy), record, { mode: 0o600, ifExists: 'fail' })
  return copy
}

/** Deletes a key and its record. */
export async function deleteKey(keyFile: string): Promise<void> {
  await rm(keyFile, { force: true })
  await deleteOnionRecord(keyFile)
}
