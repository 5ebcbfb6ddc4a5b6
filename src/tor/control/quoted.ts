/*
 * Strings and arguments inside control lines (Tor control-spec §2.1.1).
 *
 *   QuotedString = DQUOTE *qcontent DQUOTE       qcontent = any but "\" and DQUOTE, or "\" and a C escape
 *   arguments    = *(SP (keyword "=" value / value))          value = QuotedString or anything without SP
 */

const escapes: Readonly<Record<string, number>> = { n: 10, r: 13, t: 9 }

/** `text` as a QuotedString within one line. */
export function quote(text: string): string {
  const bytes = Buffer.from(text, 'utf8')
  let quoted = '"'
  for (const byte of bytes) {
    const char = String.fromCharCode(byte)
    if (char === '"' || char === '\\') quoted += `\\${char}`
    else if (byte < 0x20 || byte >= 0x7f) quoted += `\\${byte.toString(8).padStart(3, '0')}`
    else quoted += char
  }
  return `${quoted}"`
}

/**
 * Reads the QuotedString at `from`. `undefined` when there is none, or when it does not end.
 */
export function readQuoted(text: string, from: number): { value: string; end: number } | undefined {
  if (text[from] !== '"') return undefined
  const parts: Buffer[] = []
  let plainFrom = from + 1
  for (let at = from + 1; at < text.length; at += 1) {
    const char = text[at]
    if (char !== '"' && char !== '\\') continue
    parts.push(Buffer.from(text.slice(plainFrom, at), 'utf8'))
    if (char === '"') return { value: Buffer.concat(parts).toString('utf8'), end: at + 1 }
    const escape = readEscape(text, at + 1)
    if (!escape) return undefined
    parts.push(Buffer.from([escape.byte]))
    at = escape.end - 1
    plainFrom = escape.end
  }
  return undefined
}

function readEscape(text: string, from: number): { byte: number; end: number } | undefined {
  const octal = /^[0-3]?[0-7]{1,2}/.exec(text.slice(from, from + 3))?.[0]
  if (octal !== undefined) return { byte: Number.parseInt(octal, 8), end: from + octal.length }
  const char = text[from]
  if (char === undefined || char.charCodeAt(0) > 0x7e) return undefined
  return { byte: escapes[char] ?? char.charCodeAt(0), end: from + 1 }
}

export interface Arguments {
  readonly positional: readonly string[]
  readonly keywords: ReadonlyMap<string, string>
}

/** Splits a line into positional and `KEY=value` arguments. An unterminated string ends with the line. */
export function parseArguments(text: string): Arguments {
  const positional: string[] = []
  const keywords = new Map<string, string>()
  let at = 0
  while (at < text.length) {
    if (text[at] === ' ') {
      at += 1
      continue
    }
    const keyword = /^([A-Za-z0-9_-]+)=/.exec(text.slice(at, wordEnd(text, at)))
    const valueAt = keyword ? at + keyword[0].length : at
    const quoted = readQuoted(text, valueAt)
    const end = quoted?.end ?? wordEnd(text, valueAt)
    const value = quoted?.value ?? text.slice(valueAt, end)
    if (keyword?.[1] === undefined) positional.push(value)
    else keywords.set(keyword[1], value)
    at = end
  }
  return { positional, keywords }
}

function wordEnd(text: string, from: number): number {
  const space = text.indexOf(' ', from)
  return space < 0 ? text.length : space
}
