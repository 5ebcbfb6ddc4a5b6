import { resolve } from 'node:path'
import { isCancel, password } from '@clack/prompts'
import type { Option } from 'commander'
import { AppError } from '../errors/app-error.ts'
import { readSmallFile } from '../system/small-file.ts'
import { valueOption } from './options.ts'
import { Refusal } from '../errors/refusal.ts'

/** A passphrase comes from a file, else the environment, else the terminal; never from an argument, which others can see. */
export interface PassphraseSource {
  readonly file: string | undefined
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly onTerminal: boolean
}

export interface PassphraseOptions {
  readonly passphraseFile?: string
}

/** The option of every command that encrypts or decrypts something. */
export function passphraseFile(): Option {
  const path = (file: string): string => resolve(file)
  return valueOption('--passphrase-file <FILE>', 'File whose only line is the passphrase', path)
}

export function passphraseSource({ passphraseFile: file }: PassphraseOptions): PassphraseSource {
  return { file, environment: process.env, onTerminal: isOnTerminal() }
}

export function isOnTerminal(): boolean {
  return process.stdin.isTTY && process.stdout.isTTY
}

const VARIABLE = 'SMP_ONION_PASSPHRASE'
const SHORTEST = 8

/**
 * A passphrase to encrypt with; asked for twice on a terminal.
 *
 * @throws AppError `PASSPHRASE_SHORT`, `PASSPHRASE_DIFFERENT`, and whatever `presentPassphrase` throws
 */
export async function newPassphrase(source: PassphraseSource): Promise<string> {
  const given = await givenPassphrase(source)
  const passphrase = given ?? (await ask('Passphrase for the backup'))
  if (passphrase.length < SHORTEST) {
    const message = `A passphrase needs at least ${SHORTEST} characters.`
    throw new AppError('PASSPHRASE_SHORT', message, 'Use a longer one, for example four random words.')
  }
  if (given === undefined && (await ask('Repeat the passphrase')) !== passphrase) {
    throw new AppError('PASSPHRASE_DIFFERENT', 'The two passphrases are different.', 'Run the command again.')
  }
  return passphrase
}

/**
 * The passphrase to decrypt with.
 *
 * @throws AppError `PASSPHRASE_MISSING`, `PASSPHRASE_FILE`, and whatever `readSmallFile` throws
 */
export async function presentPassphrase(source: PassphraseSource): Promise<string> {
  return (await givenPassphrase(source)) ?? (await ask('Passphrase of the backup'))
}

/** `undefined`: ask on the terminal. */
async function givenPassphrase({ file, environment, onTerminal }: PassphraseSource): Promise<string | undefined> {
  if (file !== undefined) return await fromFile(file)
  const value = environment[VARIABLE]
  if (value !== undefined && value !== '') return value
  if (onTerminal) return undefined
  throw new AppError(
    'PASSPHRASE_MISSING',
    'A passphrase is needed, and there is no terminal to ask for it.',
    `Pass --passphrase-file FILE, or set it in the environment as ${VARIABLE}.`,
  )
}

/** One line; its line break does not count. */
async function fromFile(path: string): Promise<string> {
  const remedy = 'Pass a file whose only line is the passphrase.'
  const text = (await readSmallFile(path, remedy)).toString('utf8').replace(/\r?\n$/, '')
  if (text !== '' && !/[\r\n]/.test(text)) return text
  throw new AppError('PASSPHRASE_FILE', `${path} does not contain exactly one line.`, remedy)
}

async function ask(message: string): Promise<string> {
  const answer = await password({ message, mask: '' })
  if (isCancel(answer)) throw new Refusal('Nothing was changed.')
  // An empty answer is none at all.
  return typeof answer === 'string' ? answer : ''
}
