import { resolve } from 'node:path'
import { isCancel, password } from '@clack/prompts'
import type { Option } from 'commander'
import { AppError } from '../errors/app-error.ts'
import { readPassphrase, requireLong } from '../system/passphrase-file.ts'
import { valueOption } from './options.ts'
import { Refusal } from '../errors/refusal.ts'

/** A passphrase comes from a file, else the environment, else the terminal; never from an argument, which others can see. */
export interface PassphraseSource {
  readonly file: string | undefined
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly onTerminal: boolean
  /** What the question is written to; stdout by default. */
  readonly output?: NodeJS.WriteStream
}

export interface PassphraseOptions {
  readonly passphraseFile?: string
}

/** The option of every command that encrypts or decrypts something. */
export function passphraseFile(): Option {
  const path = (file: string): string => resolve(file)
  return valueOption('--passphrase-file <FILE>', 'File whose only line is the passphrase', path)
}

/** @param output stderr while stdout carries data */
export function passphraseSource(
  { passphraseFile: file }: PassphraseOptions,
  output: NodeJS.WriteStream = process.stdout,
): PassphraseSource {
  return { file, environment: process.env, onTerminal: isOnTerminal(output), output }
}

export function isOnTerminal(output: NodeJS.WriteStream = process.stdout): boolean {
  return process.stdin.isTTY && output.isTTY
}

const VARIABLE = 'SMP_ONION_PASSPHRASE'

/**
 * A passphrase to encrypt with; asked for twice on a terminal.
 *
 * @throws AppError `PASSPHRASE_SHORT`, `PASSPHRASE_DIFFERENT`, and whatever `presentPassphrase` throws
 */
export async function newPassphrase(source: PassphraseSource): Promise<string> {
  const given = await givenPassphrase(source)
  const passphrase = given ?? (await ask('Passphrase for the backup', source))
  requireLong(passphrase)
  if (given === undefined && (await ask('Repeat the passphrase', source)) !== passphrase) {
    throw new AppError('PASSPHRASE_DIFFERENT', 'The two passphrases are different.', 'Run the command again.')
  }
  return passphrase
}

/**
 * The passphrase to decrypt with.
 *
 * @throws AppError `PASSPHRASE_MISSING`, and whatever `readPassphrase` throws
 */
export async function presentPassphrase(source: PassphraseSource): Promise<string> {
  return (await givenPassphrase(source)) ?? (await ask('Passphrase of the backup', source))
}

/** Whether a passphrase is given without a question. */
export function hasPassphrase({ file, environment }: PassphraseSource): boolean {
  return file !== undefined || (environment[VARIABLE] ?? '') !== ''
}

/** `undefined`: ask on the terminal. */
async function givenPassphrase({ file, environment, onTerminal }: PassphraseSource): Promise<string | undefined> {
  if (file !== undefined) return await readPassphrase(file)
  const value = environment[VARIABLE]
  if (value !== undefined && value !== '') return value
  if (onTerminal) return undefined
  throw new AppError(
    'PASSPHRASE_MISSING',
    'A passphrase is needed, and there is no terminal to ask for it.',
    `Pass \`--passphrase-file FILE\`, or set it in the environment as ${VARIABLE}.`,
  )
}

async function ask(message: string, { output }: PassphraseSource): Promise<string> {
  const answer = await password({ message, mask: '', ...(output && { output }) })
  if (isCancel(answer)) throw new Refusal('Nothing was changed.')
  // An empty answer is none at all.
  return typeof answer === 'string' ? answer : ''
}
