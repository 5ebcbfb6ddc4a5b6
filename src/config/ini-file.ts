import { isUtf8 } from 'node:buffer'
import { readFile, stat } from 'node:fs/promises'
import { AppError } from '../errors/app-error.ts'
import { writeDurably } from '../system/durable-file.ts'
import { errorCode } from '../system/error-code.ts'

/** Text that can be turned back into the same bytes, whatever the operator's editor wrote. */
export interface IniFile {
  readonly text: string
  readonly encoding: 'utf8' | 'latin1'
  /** Who owns it. */
  readonly uid: number
}

/** @throws AppError `INI_UNREADABLE` */
export async function readIni(path: string): Promise<IniFile> {
  try {
    const bytes = await readFile(path)
    const encoding = isUtf8(bytes) ? 'utf8' : 'latin1'
    return { text: bytes.toString(encoding), encoding, uid: (await stat(path)).uid }
  } catch (error) {
    const missing = errorCode(error) === 'ENOENT'
    const message = `${path} ${missing ? 'does not exist' : 'cannot be read'}.`
    const remedy = missing ? 'Run `smp-server init` first.' : 'Run the command as the user that owns it.'
    throw new AppError('INI_UNREADABLE', message, remedy, { cause: error })
  }
}

/**
 * Replaces the text, if the file is still what was read.
 *
 * @throws AppError `INI_CHANGED`, and the system's error
 */
export async function replaceIni(path: string, before: IniFile, text: string): Promise<void> {
  await requireUnchanged(path, before)
  await writeDurably(path, Buffer.from(text, before.encoding), { mode: 0o600, ifExists: 'replace' })
}

/** @throws AppError `INI_CHANGED` */
export async function requireUnchanged(path: string, before: IniFile): Promise<void> {
  if ((await readIni(path)).text === before.text) return
  throw new AppError('INI_CHANGED', `${path} was changed by another program in the meantime.`, 'Run the command again.')
}
