import { timingSafeEqual } from 'node:crypto'
import { sha256 } from '../crypto/hash.ts'

/** Whether a client may do what the operator protects with a password; everybody may when there is none. */
export function samePassword(required: string | undefined, given: string | undefined): boolean {
  if (required === undefined) return true
  return timingSafeEqual(sha256(Buffer.from(required)), sha256(Buffer.from(given ?? ''))) && given !== undefined
}
