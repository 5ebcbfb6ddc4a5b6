import { Reader } from './encoding.ts'

export interface Ids {
  readonly type: 'IDS'
  readonly rcvId: Buffer
  readonly sndId: Buffer
  readonly serverDhSpki: Buffer
  /** v9..14: the Bool sndSecure; v≥15: the mode, if the queue has one */
  readonly mode?: 'messaging' | 'contact' | undefined
  readonly linkId?: Buffer | undefined
  readonly serviceId?: Buffer | undefined
  readonly notifier?: { readonly notifierId: Buffer; readonly serverDhSpki: Buffer } | undefined
}

export interface Msg {
  readonly type: 'MSG'
  readonly messageId: Buffer
  readonly encrypted: Buffer
}

export type Reply =
  | Ids
  | Msg
  | { readonly type: 'OK' | 'PONG' | 'END' | 'DELD' | 'ALLS' }
  | { readonly type: 'ERR'; readonly error: string }
  | { readonly type: 'SOK'; readonly serviceId: Buffer | undefined }
  | { readonly type: 'SOKS' | 'ENDS'; readonly count: number; readonly idsHash: Buffer | undefined }
  | { readonly type: 'LNK'; readonly sndId: Buffer; readonly fixedData: Buffer; readonly userData: Buffer }
  | { readonly type: 'NID'; readonly notifierId: Buffer; readonly serverDhSpki: Buffer }
  | { readonly type: 'NMSG'; readonly nonce: Buffer; readonly encrypted: Buffer }
  | {
      readonly type: 'PKEY'
      readonly sessionId: Buffer
      readonly minVersion: number
      readonly maxVersion: number
      readonly chain: readonly Buffer[]
      readonly signedKey: Buffer
    }
  | { readonly type: 'RRES' | 'PRES'; readonly encrypted: Buffer }
  | { readonly type: 'INFO' | 'RNAME'; readonly json: string }

/** The replies of one type. */
export type ReplyOf<Type extends Reply['type'], Any extends Reply = Reply> = Any extends Reply
  ? Type extends Any['type']
    ? Any & { readonly type: Type }
    : never
  : never

const parseIds = (reader: Reader, version: number): Ids => {
  const rcvId = Buffer.from(reader.short())
  const sndId = Buffer.from(reader.short())
  const serverDhSpki = Buffer.from(reader.short())
  const ids = { type: 'IDS', rcvId, sndId, serverDhSpki } as const
  if (version < 9) return ids
  if (version < 15) return { ...ids, mode: reader.bool() ? 'messaging' : 'contact' }
  const mode = reader.maybe(() => {
    const letter = String.fromCharCode(reader.byte())
    if (letter !== 'M' && letter !== 'C') throw new Error(`queue mode ${letter}`)
    return letter === 'M' ? 'messaging' : 'contact'
  })
  const linkId = reader.maybe(() => Buffer.from(reader.short()))
  const serviceId = version >= 16 ? reader.maybe(() => Buffer.from(reader.short())) : undefined
  const notifier =
    version >= 17
      ? reader.maybe(() => ({ notifierId: Buffer.from(reader.short()), serverDhSpki: Buffer.from(reader.short()) }))
      : undefined
  return { ...ids, mode, linkId, serviceId, notifier }
}

const parseBody = (word: string, reader: Reader, version: number): Reply => {
  switch (word) {
    case 'OK':
    case 'PONG':
    case 'END':
    case 'DELD':
    case 'ALLS':
      return { type: word }
    case 'ERR':
      return { type: word, error: reader.tail().toString('latin1') }
    case 'IDS':
      return parseIds(reader, version)
    case 'MSG':
      return { type: word, messageId: Buffer.from(reader.short()), encrypted: reader.tail() }
    case 'SOK':
      return { type: word, serviceId: reader.maybe(() => Buffer.from(reader.short())) }
    case 'SOKS':
    case 'ENDS':
      return { type: word, count: reader.int64(), idsHash: version >= 19 ? Buffer.from(reader.short()) : undefined }
    case 'LNK':
      return { type: word, sndId: reader.short(), fixedData: reader.large(), userData: reader.large() }
    case 'NID':
      return { type: word, notifierId: Buffer.from(reader.short()), serverDhSpki: Buffer.from(reader.short()) }
    case 'NMSG':
      return { type: word, nonce: reader.take(24), encrypted: reader.short() }
    case 'PKEY':
      return {
        type: word,
        sessionId: Buffer.from(reader.short()),
        minVersion: reader.word16(),
        maxVersion: reader.word16(),
        chain: reader.list(() => reader.large()),
        signedKey: reader.large(),
      }
    case 'RRES':
    case 'PRES':
      return { type: word, encrypted: reader.tail() }
    case 'INFO':
    case 'RNAME':
      return { type: word, json: reader.tail().toString() }
    default:
      throw new Error(`unknown reply ${word}`)
  }
}

const withoutParameters = new Set(['OK', 'PONG', 'END', 'DELD', 'ALLS'])

/** A reply or an event: its word, one space when it has parameters, exactly its parameters. */
export const parseReply = (bytes: Buffer, version: number): Reply => {
  const space = bytes.indexOf(0x20)
  const word = bytes.toString('latin1', 0, space < 0 ? bytes.length : space)
  const reader = new Reader(bytes.subarray(word.length))
  if (!withoutParameters.has(word)) reader.literal(' ')
  const reply = parseBody(word, reader, version)
  reader.end()
  return reply
}

export interface Received {
  readonly corrId: Buffer
  readonly entityId: Buffer
  readonly reply: Reply
}

/** One transmission of the relay: no authorization, the session id in v6 only. */
export const parseTransmission = (bytes: Buffer, version: number, sessionId: Buffer): Received => {
  const reader = new Reader(bytes)
  if (reader.short().length !== 0) throw new Error('the relay authorises nothing')
  if (version < 7 && !reader.short().equals(sessionId)) throw new Error('a reply of another session')
  const corrId = reader.short()
  const entityId = reader.short()
  return { corrId, entityId, reply: parseReply(reader.tail(), version) }
}

/** count ‖ Large transmissions, nothing left over. */
export const parsePayload = (payload: Buffer): Buffer[] => {
  const reader = new Reader(payload)
  const transmissions = reader.list(() => reader.large())
  reader.end()
  return transmissions
}
