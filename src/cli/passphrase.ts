import { resolve } from 'node:path'
import { isCancel, password } from '@clack/prompts'
import type { Option } from 'commander'
import { AppError } from '../errors/app-error.ts'
import { readSmallFile } from '../system/small-file.ts'
import { valueOption } from './options.ts'
import { Refusal } from '../errors/refusal.ts'

/** Where a passphrase comes from: a file, else the environment, else the terminal. Never an argument, which others see. */
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
  return valueOption('--passphrase-file <FILE>', 'A file whose only line is the passphrase', path)
}

export function passphraseSource({ passphraseFile: file }: PassphraseOptions): PassphraseSource {
  return { file, environment: process.env, onTerminal: isOnTerminal() }
}

export function isOnTerminal(): boolean {
  return process.stdin.isTTY && process.stdout.isTTY
}

const variable = 'SMP_ONION_PASSPHRASE'
const shortest = 8

/**
 * A passphrase for something that is going to be encrypted; asked twice on a terminal, because nobody sees what is typed.
 *
 * @throws AppError `PASSPHRASE_SHORT`, and as of `presentPassphrase`
 */
export async function newPassphrase(source: PassphraseSource): Promise<string> {
  const given = await givenPassphrase(source)
  const passphrase = given ?? (await ask('Passphrase for the backup'))
  if (passphrase.length < shortest) {
    const message = `A passphrase of fewer than ${shortest} characters is guessed too soon.`
    throw new AppError('PASSPHRASE_SHORT', message, 'Take a longer one, for example four words at random.')
  }
  if (given === undefined && (await ask('The same again')) !== passphrase) {
    throw new AppError('PASSPHRASE_DIFFERENT', 'These were two different passphrases.', 'Run the command again.')
  }
  return passphrase
}

/**
 * The passphrase of something that is encrypted.
 *
 * @throws AppError `PASSPHRASE_MISSING`, `PASSPHRASE_FILE`, and as of `readSmallFile`
 */
export async function presentPassphrase(source: PassphraseSource): Promise<string> {
  return (await givenPassphrase(source)) ?? (await ask('Passphrase of the backup'))
}

/** `undefined`: it can be asked for. */
async function givenPassphrase({ file, environment, onTerminal }: PassphraseSource): Promise<string | undefined> {
  if (file !== undefined) return await fromFile(file)
  const value = environment[variable]
  if (value !== undefined && value !== '') return value
  if (onTerminal) return undefined
  throw new AppError(
    'PASSPHRASE_MISSING',
    'There is no terminal to ask for the passphrase.',
    `Give it with --passphrase-file FILE, or in the environment as ${variable}.`,
  )
}

/** One line; what the line ends with does not count. */
async function fromFile(path: string): Promise<string> {
  const remedy = 'Name a file whose only line is the passphrase.'
  const text = (await readSmallFile(path, remedy)).toString('utf8').replace(/\r?\n$/, '')
  if (text !== '' && !/[\r\n]/.test(text)) return text
  throw new AppError('PASSPHRASE_FILE', `${path} does not hold one line with a passphrase.`, remedy)
}

async function ask(message: string): Promise<string> {
  const answer = await password({ message, mask: '' })
  if (isCancel(answer)) throw new Refusal('Nothing was changed.')
  // An empty answer is none at all.
  return typeof answer === 'string' ? answer : ''
}
