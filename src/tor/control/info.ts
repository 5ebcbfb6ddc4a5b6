import type { ControlMessage } from './reply.ts'

/*
 * GETINFO, GETCONF, SETCONF, RESETCONF (Tor control-spec §3.1, §3.2, §3.3, §3.9). Both kinds of answer are lines
 * `key=value`; a GETINFO ends with `OK`, a GETCONF with its last value.
 */

/** `key=value` lines and data blocks of a GETINFO. */
export function parseInfo(reply: ControlMessage): Map<string, string> {
  const values = new Map<string, string>()
  for (const { text, data } of reply.lines.slice(0, -1)) {
    const [key, value] = splitPair(text)
    values.set(key, data ?? value ?? '')
  }
  return values
}

/** Values of a GETCONF by option in lower case; no value = the option is at its default or not set. */
export function parseConfiguration(reply: ControlMessage): Map<string, string[]> {
  const values = new Map<string, string[]>()
  for (const { text } of reply.lines) {
    const [key, value] = splitPair(text)
    const name = key.toLowerCase()
    const before = values.get(name) ?? []
    values.set(name, value === undefined ? before : [...before, value])
  }
  return values
}

/** Splits at the first `=`: values may contain more of them, e.g. the padding of base64. */
export function splitPair(text: string): readonly [string, string | undefined] {
  const at = text.indexOf('=')
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)]
}

/** Names of options and of GETINFO keys are sent as they are, so they must not contain separators. */
export function plainWord(word: string): string {
  if (!/^[\x21\x23-\x7e]+$/.test(word)) throw new TypeError('a control command holds an unexpected character')
  return word
}
