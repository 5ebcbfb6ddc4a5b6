import { timingSafeEqual } from 'node:crypto'
import { sha256 } from '../crypto/hash.ts'

/**
 * Whether a client may do what the operator protects with a password; everybody may when there is none.
 *
 * @param required text of the INI file
 * @param given a latin1 byte string, as it came in a command
 */
export function samePassword(required: string | undefined, given: string | undefined): boolean {
  if (required === undefined) return true
  const same = timingSafeEqual(sha256(Buffer.from(required, 'utf8')), sha256(Buffer.from(given ?? '', 'latin1')))
  return same && given !== undefined
}
