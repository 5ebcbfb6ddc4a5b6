import { refuse, type Reader } from './reader.ts'

/**
 * Passwords are byte strings, held as latin1 like ids. Each byte is a printable latin1 character other than white space
 * (no-break space is one), `@`, `:` and `/`.
 */
const PASSWORD = /^[\x21-\x2e\x30-\x39\x3b-\x3f\x41-\x7e\xa1-\xac\xae-\xff]*$/u

/** @param password a latin1 byte string. */
export function isPassword(password: string): boolean {
  return PASSWORD.test(password)
}

/** `password = short(1*printable)`. */
export function readPassword(r: Reader): string {
  const password = r.shortLatin1()
  return isPassword(password) ? password : refuse()
}
