import { AppError } from '../../errors/app-error.ts'
import { deleteKey } from './key-copies.ts'
import { renameDurably } from '../../system/durable-file.ts'
import { type IniChange, IniEditor, undoIniChange } from '../../config/ini-edit.ts'
import { hostsOf, iniHosts, withHosts } from '../../config/ini-hosts.ts'
import { readIni, replaceIni } from '../../config/ini-file.ts'
import { generateOnionKey, type OnionKey } from '../../crypto/onion-key.ts'
import { nextKeyFile, readOnionKey, saveOnionKey } from '../onion/key.ts'
import { deleteOnionRecord, readOnionRecord, writeOnionRecord } from '../onion/record.ts'
import { modeOfIni, requireOwnKey, serviceTypeOf, torModeOf } from '../onion/tor-mode.ts'
import { SetupJournal } from './journal.ts'
import { changeIni } from './steps/ini.ts'

/*
 * A new onion address in place of the old one, with a time in between in which both are published and both are in the
 * server address: onion-next.key beside onion.key. Every step can be interrupted; the next run continues from there.
 */

export interface RotationFiles {
  readonly ini: string
  readonly keyFile: string
}

export interface Rotation {
  readonly present: OnionKey
  readonly next: OnionKey
}

export interface BegunRotation extends Rotation {
  /** It was in progress already. */
  readonly wasBegun: boolean
}

/**
 * Creates the next key, and puts its address after the present one in `[TRANSPORT] host`.
 *
 * @throws AppError `ONION_KEY_ELSEWHERE`, `ONION_KEY_MISSING`, `ROTATION_HOST`, and whatever `readOnionKey`, `saveOnionKey` and `changeIni` throw
 */
export async function beginRotation({ ini: path, keyFile }: RotationFiles): Promise<BegunRotation> {
  const ini = await readIni(path)
  const record = await readOnionRecord(keyFile)
  requireOwnKey(torModeOf(modeOfIni(ini.text), record, true))
  const present = await presentKey(keyFile)
  const { onion } = iniHosts(ini.text)
  if (onion?.toLowerCase() !== present.hostname) {
    const message = `[TRANSPORT] host does not contain ${present.hostname}, the address of ${keyFile}.`
    throw new AppError('ROTATION_HOST', message, 'Run `smp-server tor setup` first.')
  }
  const journal = await SetupJournal.open(keyFile)
  const nextFile = nextKeyFile(keyFile)
  const kept = await readOnionKey(nextFile)
  const next = kept ?? generateOnionKey()
  if (!kept) await saveOnionKey(nextFile, next)
  await writeOnionRecord(nextFile, next, serviceTypeOf(ini.text, record))
  const editor = new IniEditor(ini.text)
  const both = withHosts(ini.text, (hosts) =>
    has(hosts, next) ? hosts : hosts.flatMap((host) => (host === onion ? [host, next.hostname] : [host])),
  )
  editor.take('TRANSPORT', 'host', both)
  const changed = await changeIni(path, ini, editor, journal)
  return { present, next, wasBegun: kept !== undefined && !changed }
}

/**
 * The rotation that is in progress.
 *
 * @throws AppError `ROTATION_NONE`, `ONION_KEY_MISSING`, and whatever `readOnionKey` throws
 */
export async function rotationInProgress(keyFile: string): Promise<Rotation> {
  const next = await readOnionKey(nextKeyFile(keyFile))
  if (next) return { present: await presentKey(keyFile), next }
  throw new AppError('ROTATION_NONE', 'No rotation is in progress.', 'Start one with `smp-server tor rotate`.')
}

/**
 * Removes the old address from `[TRANSPORT] host`, and replaces the old key with the next one.
 *
 * @throws AppError whatever `rotationInProgress`, `readIni` and `changeIni` throw
 */
export async function finishRotation({ ini: path, keyFile }: RotationFiles): Promise<Rotation> {
  const rotation = await rotationInProgress(keyFile)
  const { present, next } = rotation
  const ini = await readIni(path)
  const editor = new IniEditor(ini.text)
  const only = withHosts(ini.text, (hosts) =>
    has(hosts, next)
      ? hosts.filter((host) => !isAddress(host, present))
      : hosts.map((host) => (isAddress(host, present) ? next.hostname : host)),
  )
  editor.take('TRANSPORT', 'host', only)
  // While the next key is beside the old one, an interrupted run can be run again.
  await changeIni(path, ini, editor, await SetupJournal.open(keyFile))
  await renameDurably(nextKeyFile(keyFile), keyFile)
  await writeOnionRecord(keyFile, next, serviceTypeOf(ini.text, await readOnionRecord(keyFile)))
  await deleteOnionRecord(nextKeyFile(keyFile))
  return rotation
}

/**
 * Removes the next address from `[TRANSPORT] host` again, and deletes its key.
 *
 * @throws AppError whatever `rotationInProgress`, `readIni` and `replaceIni` throw
 */
export async function abortRotation({ ini: path, keyFile }: RotationFiles): Promise<Rotation> {
  const rotation = await rotationInProgress(keyFile)
  const { next } = rotation
  const ini = await readIni(path)
  const journal = await SetupJournal.open(keyFile)
  const begun = journal.entries.findLast((change) => change.type === 'ini' && hasAdded(change, next))
  const undone = begun?.type === 'ini' ? undoIniChange(ini.text, begun).text : ini.text
  const text = withHosts(undone, (hosts) => hosts.filter((host) => !isAddress(host, next)))
  if (text !== ini.text) await replaceIni(path, ini, text)
  if (begun) await journal.strike(begun)
  await deleteKey(nextKeyFile(keyFile))
  return rotation
}

async function presentKey(keyFile: string): Promise<OnionKey> {
  const key = await readOnionKey(keyFile)
  if (key) return key
  const remedy = 'Run `smp-server tor setup`, or restore the key: `smp-server tor key restore FILE`.'
  throw new AppError('ONION_KEY_MISSING', `There is no onion key ${keyFile}.`, remedy)
}

function hasAdded({ edits }: IniChange, key: OnionKey): boolean {
  return edits.some(({ before, after }) => has(hostsOf(after), key) && !has(hostsOf(before ?? ''), key))
}

function has(hosts: readonly string[], key: OnionKey): boolean {
  return hosts.some((host) => isAddress(host, key))
}

function isAddress(host: string, key: OnionKey): boolean {
  return host.toLowerCase() === key.hostname
}
