import { decodeSpki, encodeSpki, isAuthKey, type AuthKey } from '../../crypto/keys.ts'
import { idFromBytes, idToBase64url, type EntityId, type MsgId } from '../../protocol/ids.ts'

// The values of upstream's text files: base64url (written with padding, read without it too), integers and words,
// separated by single spaces; nothing is escaped. A value that cannot be read is undefined.

/** Ids have one length byte on the wire. */
const MAX_ID = 255
/** Seconds; far beyond any clock, and within what stores keep. */
const MAX_SECONDS = 2 ** 47

export function parseBase64url(text: string): Buffer | undefined {
  const [, digits = '', padding = ''] = /^([A-Za-z0-9_-]*)(={0,2})$/.exec(text) ?? ['', '!']
  if (digits.length % 4 === 1 || (padding !== '' && (digits.length + padding.length) % 4 !== 0)) return undefined
  if (digits === '!') return undefined
  return Buffer.from(digits, 'base64url')
}

export function formatBase64url(bytes: Uint8Array): string {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64url')
  return text.padEnd(Math.ceil(text.length / 4) * 4, '=')
}

/** Bytes that must not be none. */
export function parseBytes(text: string): Buffer | undefined {
  const bytes = parseBase64url(text)
  return bytes === undefined || bytes.length === 0 ? undefined : bytes
}

// eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- the caller says which kind of id it reads
export function parseId<T extends EntityId | MsgId>(text: string): T | undefined {
  const bytes = parseBytes(text)
  return bytes === undefined || bytes.length > MAX_ID ? undefined : idFromBytes<T>(bytes)
}

export const formatId: (id: EntityId | MsgId) => string = idToBase64url

/** A shared secret of 32 bytes. */
export function parseSecret(text: string): Buffer | undefined {
  const bytes = parseBase64url(text)
  return bytes?.length === 32 ? bytes : undefined
}

export function parseKey(text: string): AuthKey | undefined {
  const der = parseBase64url(text)
  const key = der && decodeSpki(der)
  return key !== undefined && isAuthKey(key) ? key : undefined
}

export function formatKey(key: AuthKey): string {
  return formatBase64url(encodeSpki(key))
}

export function parseList<T>(text: string, parse: (item: string) => T | undefined): T[] | undefined {
  const items: T[] = []
  for (const item of text.split(',')) {
    const value = parse(item)
    if (value === undefined) return undefined
    items.push(value)
  }
  return items
}

export function parseSeconds(text: string): number | undefined {
  if (!/^\d{1,16}$/.test(text)) return undefined
  const seconds = Number(text)
  return seconds <= MAX_SECONDS ? seconds : undefined
}
