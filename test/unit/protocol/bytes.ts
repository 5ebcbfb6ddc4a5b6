import { decodeSpki, isAuthKey, isDhKey, type AuthKey, type DhKey } from '../../../src/crypto/keys.ts'
import { idFromBytes, type EntityId, type MsgId } from '../../../src/protocol/ids.ts'

// Wire bytes are put together here without the code under test.

export const hex = (text: string): Buffer => Buffer.from(text, 'hex')

export const ascii = (text: string): Buffer => Buffer.from(text, 'latin1')

export const concat = (...parts: (Buffer | string)[]): Buffer =>
  Buffer.concat(parts.map((part) => (typeof part === 'string' ? ascii(part) : part)))

export const short = (part: Buffer | string): Buffer => concat(Buffer.from([part.length]), part)

export const large = (part: Buffer | string): Buffer =>
  concat(Buffer.from([part.length >> 8, part.length & 0xff]), part)

// eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- the test says which kind of id it means
export const id = <T extends EntityId | MsgId>(text: string): T => idFromBytes<T>(hex(text))

export function authKey(spki: string): AuthKey {
  const key = decodeSpki(hex(spki))
  if (key === undefined || !isAuthKey(key)) throw new Error('not a key of a queue')
  return key
}

export function dhKey(spki: string): DhKey {
  const key = decodeSpki(hex(spki))
  if (key === undefined || !isDhKey(key)) throw new Error('not a key to agree on a secret')
  return key
}
