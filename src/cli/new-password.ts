import { randomBytes } from 'node:crypto'
import { isCancel, password } from '@clack/prompts'
import * as v from 'valibot'
import { addressPassword } from '../config/key-values.ts'
import { AppError } from '../errors/app-error.ts'
import { Refusal } from '../errors/refusal.ts'
import { isOnTerminal } from './passphrase.ts'

/** 32 random bytes: 44 characters with the padding. */
export function randomPassword(): string {
  return `${randomBytes(32).toString('base64url')}=`
}

/**
 * Asks for a password that is not shown, twice.
 *
 * @throws AppError `PASSWORD_MISSING` where nobody can be asked, `PASSWORD_DIFFERENT`
 */
export async function askPassword(): Promise<string> {
  if (!isOnTerminal()) {
    const remedy = 'Pass `--password-file FILE`, with the password in its first line.'
    throw new AppError('PASSWORD_MISSING', 'A password is needed, and there is no terminal to ask for it.', remedy)
  }
  const first = await ask('New password', fault)
  if ((await ask('Repeat the password')) === first) return first
  throw new AppError('PASSWORD_DIFFERENT', 'The two passwords are different.', 'Run the command again.')
}

function fault(value: string | undefined): string | undefined {
  const result = v.safeParse(addressPassword, value ?? '')
  return result.success ? undefined : `The password ${result.issues[0].message}.`
}

async function ask(message: string, validate?: (value: string | undefined) => string | undefined): Promise<string> {
  const answer = await password({ message, mask: '', ...(validate && { validate }) })
  if (isCancel(answer)) throw new Refusal('Nothing was changed.')
  return answer
}
