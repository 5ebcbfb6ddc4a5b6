import { confirm as ask, isCancel } from '@clack/prompts'
import { Refusal } from '../errors/refusal.ts'
import { isOnTerminal } from './passphrase.ts'

/**
 * Asks on a terminal; elsewhere only `-y` confirms.
 *
 * @throws Refusal when the answer is no, or nobody can be asked
 */
export async function confirm(message: string, yes: boolean, initialValue = true, signal?: AbortSignal): Promise<void> {
  if (yes) return
  if (!isOnTerminal()) throw new Refusal('Nothing was changed. Not a terminal; pass `-y` to confirm.')
  const answer = await ask({ message, initialValue, ...(signal && { signal }) })
  if (isCancel(answer) || !answer) throw new Refusal('Nothing was changed.')
}
