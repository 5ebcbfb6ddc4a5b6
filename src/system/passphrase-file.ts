import { AppError } from '../errors/app-error.ts'
import { readSmallFile } from './small-file.ts'

const SHORTEST = 8

/**
 * The passphrase in a file: one line, without its line break.
 *
 * @throws AppError `PASSPHRASE_FILE`, and whatever `readSmallFile` throws
 */
export async function readPassphrase(path: string): Promise<string> {
  const remedy = 'Pass a file whose only line is the passphrase.'
  const text = (await readSmallFile(path, remedy)).toString('utf8').replace(/\r?\n$/, '')
  if (text !== '' && !/[\r\n]/.test(text)) return text
  throw new AppError('PASSPHRASE_FILE', `${path} does not contain exactly one line.`, remedy)
}

/**
 * Of a passphrase to encrypt with.
 *
 * @throws AppError `PASSPHRASE_SHORT`
 */
export function requireLong(passphrase: string): void {
  if (passphrase.length >= SHORTEST) return
  const message = `A passphrase needs at least ${SHORTEST} characters.`
  throw new AppError('PASSPHRASE_SHORT', message, 'Use a longer one, for example five random words.')
}
