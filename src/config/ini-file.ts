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

/** @throws AppError `INI_UNREADABLE`, `INI_ENCODING` */
export async function readIni(path: string): Promise<IniFile> {
  const bytes = await readFile(path).catch((cause: unknown) => {
    throw unreadable(path, cause)
  })
  refuseOtherText(path, bytes)
  const encoding = isUtf8(bytes) ? 'utf8' : 'latin1'
  return { text: bytes.toString(encoding), encoding, uid: (await stat(path)).uid }
}

function unreadable(path: string, cause: unknown): AppError {
  const missing = errorCode(cause) === 'ENOENT'
  const message = `${path} ${missing ? 'does not exist' : 'cannot be read'}.`
  const remedy = missing ? 'Run `smp-server init` first.' : 'Run the command as the user that owns it.'
  return new AppError('INI_UNREADABLE', message, remedy, { cause })
}

/** What some editors write instead of UTF-8 would read as a file without any setting. */
function refuseOtherText(path: string, bytes: Buffer): void {
  const isUtf16 = /^(?:fffe|feff)/.test(bytes.toString('hex', 0, 2)) || isAlternating(bytes)
  if (isUtf16) {
    const remedy = `Convert it: \`iconv -f UTF-16 -t UTF-8 ${path} > ${path}.new && mv ${path}.new ${path}\``
    throw new AppError('INI_ENCODING', `${path} is UTF-16 text, and must be UTF-8.`, remedy)
  }
  if (bytes.includes(0)) {
    throw new AppError('INI_ENCODING', `${path} is not a text file.`, 'Restore it from a backup.')
  }
}

/** ASCII in UTF-16 has a zero in every other byte. */
function isAlternating(bytes: Buffer): boolean {
  const sample = bytes.subarray(0, 200)
  const zeros = [0, 0]
  for (const [at, byte] of sample.entries()) if (byte === 0) zeros[at % 2] = (zeros[at % 2] ?? 0) + 1
  return zeros.some((count) => count > sample.length * 0.4) && zeros.some((count) => count === 0)
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
