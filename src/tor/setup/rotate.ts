import { AppError } from '../../errors/app-error.ts'
import { deleteKey } from './adopt-key.ts'
import { renameDurably } from '../../system/durable-file.ts'
import { type IniChange, IniEditor, undoIniChange } from '../../config/ini-edit.ts'
import { hostsOf, iniHosts, withHosts } from '../../config/ini-hosts.ts'
import { readIni, replaceIni } from '../../config/ini-file.ts'
import { generateOnionKey, type OnionKey } from '../../crypto/onion-key.ts'
import { keepOnionKey, nextKeyFile, readOnionKey } from '../onion/key.ts'
import { modeOfIni, recordFile, requireOwnKey, writeOnionRecord } from '../onion/record.ts'
import { changeIni, SetupJournal } from './journal.ts'

/*
 * A new onion name in place of the old one, with a time in between in which both are published and both are in the
 * address: onion-next.key beside onion.key. Every step can be cut off; the next run goes on from there.
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
  /** It was under way already. */
  readonly wasBegun: boolean
}

/**
 * Makes the next key, and puts its name behind the present one in `[TRANSPORT] host`.
 *
 * @throws AppError `ONION_KEY_ELSEWHERE`, `ONION_KEY_MISSING`, `ROTATION_HOST`, and as of `readOnionKey`, `keepOnionKey` and `changeIni`
 */
export async function beginRotation({ ini: path, keyFile }: RotationFiles): Promise<BegunRotation> {
  const ini = await readIni(path)
  requireOwnKey(ini.text)
  const present = await presentKey(keyFile)
  const { onion } = iniHosts(ini.text)
  if (onion?.toLowerCase() !== present.hostname) {
    const message = `[TRANSPORT] host does not name ${present.hostname}, which ${keyFile} is the key of.`
    throw new AppError('ROTATION_HOST', message, 'Run `smp-server tor setup` first.')
  }
  const journal = await SetupJournal.open(keyFile)
  const nextFile = nextKeyFile(keyFile)
  const kept = await readOnionKey(nextFile)
  const next = kept ?? generateOnionKey()
  if (!kept) await keepOnionKey(nextFile, next)
  await writeOnionRecord(nextFile, next, modeOfIni(ini.text))
  const editor = new IniEditor(ini.text)
  const both = withHosts(ini.text, (hosts) =>
    has(hosts, next) ? hosts : hosts.flatMap((host) => (host === onion ? [host, next.hostname] : [host])),
  )
  editor.take('TRANSPORT', 'host', both)
  const changed = await changeIni(path, ini, editor, journal)
  return { present, next, wasBegun: kept !== undefined && !changed }
}

/**
 * The rotation that is under way.
 *
 * @throws AppError `ROTATION_NONE`, `ONION_KEY_MISSING`, and as of `readOnionKey`
 */
export async function rotationUnderWay(keyFile: string): Promise<Rotation> {
  const next = await readOnionKey(nextKeyFile(keyFile))
  if (next) return { present: await presentKey(keyFile), next }
  const remedy = 'Begin one with `smp-server tor rotate`.'
  throw new AppError('ROTATION_NONE', 'There is no second onion name that could take the place of the first.', remedy)
}

/**
 * Takes the old name out of `[TRANSPORT] host`, and puts the next key in the place of the old one, which is gone then.
 *
 * @throws AppError as of `rotationUnderWay`, `readIni` and `changeIni`
 */
export async function finishRotation({ ini: path, keyFile }: RotationFiles): Promise<Rotation> {
  const rotation = await rotationUnderWay(keyFile)
  const { present, next } = rotation
  const ini = await readIni(path)
  const editor = new IniEditor(ini.text)
  const only = withHosts(ini.text, (hosts) =>
    has(hosts, next)
      ? hosts.filter((host) => !isName(host, present))
      : hosts.map((host) => (isName(host, present) ? next.hostname : host)),
  )
  editor.take('TRANSPORT', 'host', only)
  // As long as the next key is beside the old one, a run that was cut off can be run again.
  await changeIni(path, ini, editor, await SetupJournal.open(keyFile))
  await renameDurably(recordFile(nextKeyFile(keyFile)), recordFile(keyFile)).catch(() => undefined)
  await renameDurably(nextKeyFile(keyFile), keyFile)
  return rotation
}

/**
 * Takes the next name out of `[TRANSPORT] host` again, and deletes its key.
 *
 * @throws AppError as of `rotationUnderWay`, `readIni` and `replaceIni`
 */
export async function abortRotation({ ini: path, keyFile }: RotationFiles): Promise<Rotation> {
  const rotation = await rotationUnderWay(keyFile)
  const { next } = rotation
  const ini = await readIni(path)
  const journal = await SetupJournal.open(keyFile)
  const begun = journal.changes.findLast((change) => change.type === 'ini' && hasAdded(change, next))
  const undone = begun?.type === 'ini' ? undoIniChange(ini.text, begun).text : ini.text
  const text = withHosts(undone, (hosts) => hosts.filter((host) => !isName(host, next)))
  if (text !== ini.text) await replaceIni(path, ini, text)
  if (begun) await journal.strike(begun)
  await deleteKey(nextKeyFile(keyFile))
  return rotation
}

async function presentKey(keyFile: string): Promise<OnionKey> {
  const key = await readOnionKey(keyFile)
  if (key) return key
  const remedy = 'Run `smp-server tor setup`, or bring the key back with `smp-server tor key restore`.'
  throw new AppError('ONION_KEY_MISSING', `There is no onion key ${keyFile}.`, remedy)
}

function hasAdded({ edits }: IniChange, key: OnionKey): boolean {
  return edits.some(({ before, after }) => has(hostsOf(after), key) && !has(hostsOf(before ?? ''), key))
}

function has(hosts: readonly string[], key: OnionKey): boolean {
  return hosts.some((host) => isName(host, key))
}

function isName(host: string, key: OnionKey): boolean {
  return host.toLowerCase() === key.hostname
}
