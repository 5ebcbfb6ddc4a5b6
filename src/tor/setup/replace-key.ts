import { existsSync } from 'node:fs'
import { chmod } from 'node:fs/promises'
import { dirname } from 'node:path'
import { AppError } from '../../errors/app-error.ts'
import { asOwnerOf } from '../../system/owner.ts'
import { writeDurably } from '../../system/durable-file.ts'
import { IniEditor } from '../../config/ini-edit.ts'
import { iniHosts, withHosts } from '../../config/ini-hosts.ts'
import { isOnion } from '../../protocol/host.ts'
import { readIni } from '../../config/ini-file.ts'
import { encodeOnionKey, type OnionKey } from '../../crypto/onion-key.ts'
import { nextKeyFile, readOnionKey, saveOnionKey } from '../onion/key.ts'
import { readOnionRecord, writeOnionRecord } from '../onion/record.ts'
import { modeOfIni, requireOwnKey, serviceTypeOf, torModeOf } from '../onion/tor-mode.ts'
import { SetupJournal } from './journal.ts'
import { copyKeyAside } from './key-copies.ts'
import { changeIni } from './steps/ini.ts'

export interface ReplaceKey {
  readonly ini: string
  readonly keyFile: string
  readonly key: OnionKey
  /** Move another key that is there aside, and replace its address in the INI file. */
  readonly force: boolean
}

export interface ReplacedKey {
  /** The key was there already. */
  readonly wasThere: boolean
  /** Where the other key is now. */
  readonly aside: string | undefined
  /** `[TRANSPORT] host` contains the address of the key. */
  readonly isInHost: boolean
}

/**
 * Makes a restored or imported key the relay's onion key.
 *
 * @throws AppError `ONION_KEY_ELSEWHERE`, `ROTATION_UNDER_WAY`, `ONION_KEY_OTHER`, `HOST_OTHER_ONION`, and whatever `readIni` and `saveOnionKey` throw
 */
export async function replaceKey({ ini: path, keyFile, key, force }: ReplaceKey): Promise<ReplacedKey> {
  const ini = await readIni(path)
  const record = await readOnionRecord(keyFile)
  requireOwnKey(torModeOf(modeOfIni(ini.text), record, true))
  refuseDuringRotation(keyFile)
  const present = await readOnionKey(keyFile).catch((error: unknown) => {
    if (error instanceof AppError && error.code === 'ONION_KEY_DAMAGED') return 'damaged' as const
    throw error
  })
  const isThere = typeof present === 'object' && present.serviceId === key.serviceId
  const { onion } = iniHosts(ini.text)
  if (!force) refuseOther(keyFile, isThere ? undefined : present, onion, key)
  const journal = await SetupJournal.open(keyFile)
  const aside = present === undefined || isThere ? undefined : await copyKeyAside(keyFile)
  if (aside === undefined) {
    if (!isThere) await saveOnionKey(keyFile, key)
  } else {
    await writeDurably(keyFile, encodeOnionKey(key), { mode: 0o600, ifExists: 'replace' })
    await asOwnerOf(dirname(keyFile), () => chmod(keyFile, 0o600))
  }
  await writeOnionRecord(keyFile, key, serviceTypeOf(ini.text, record))
  const editor = new IniEditor(ini.text)
  const renamed = withHosts(ini.text, (hosts) => hosts.map((host) => (host === onion ? key.hostname : host)))
  if (onion !== undefined && onion.toLowerCase() !== key.hostname) editor.take('TRANSPORT', 'host', renamed)
  await changeIni(path, ini, editor, journal)
  return { wasThere: isThere, aside, isInHost: iniHosts(editor.text).hosts.some((host) => isOnion(host)) }
}

/** @throws AppError `ROTATION_UNDER_WAY` */
export function refuseDuringRotation(keyFile: string): void {
  if (!existsSync(nextKeyFile(keyFile))) return
  throw new AppError(
    'ROTATION_UNDER_WAY',
    'A rotation of the onion address is in progress.',
    'Run `smp-server tor rotate --finish` or `smp-server tor rotate --abort` first.',
  )
}

function refuseOther(
  keyFile: string,
  present: OnionKey | 'damaged' | undefined,
  onion: string | undefined,
  key: OnionKey,
): void {
  const remedy = 'Pass --force to replace it; it is kept beside the new one.'
  if (present === 'damaged')
    throw new AppError('ONION_KEY_OTHER', `${keyFile} holds something that is not an onion key.`, remedy)
  if (present) {
    throw new AppError('ONION_KEY_OTHER', `${keyFile} holds another key, that of ${present.hostname}.`, remedy)
  }
  if (onion === undefined || onion.toLowerCase() === key.hostname) return
  const message = `[TRANSPORT] host contains ${onion}, but this is the key of ${key.hostname}.`
  throw new AppError('HOST_OTHER_ONION', message, 'Pass --force to replace the address.')
}
