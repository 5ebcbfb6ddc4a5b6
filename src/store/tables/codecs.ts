import type { LinkId, MsgId, ServiceId } from '../../protocol/ids.ts'
import type { LinkData, Message, Notification, ServiceRec, ServiceSubscriptions, StoreCounts } from '../store.ts'
import type { Codec } from './codec.ts'

/** An id (or another byte string) as it is. */
export function textCodec<T extends string>(): Codec<T> {
  return {
    encode: (value, out) => out.begin(value.length).text(value).end(),
    decode: (record) => record.restText() as T,
  }
}

export const linkIdCodec = textCodec<LinkId>()

const quotaMarker = 0
const ordinary = 1
const notifying = 3

/** A message: kind u8 ‖ u48 timestamp ‖ short(msgId) ‖ body */
export const messageCodec: Codec<Message> = {
  encode(message, out) {
    if (message.type === 'quota') {
      return out.begin(512).u8(quotaMarker).u48(message.timestamp).shortText(message.id).end()
    }
    out.begin(512 + message.body.length).u8(message.notify ? notifying : ordinary)
    return out.u48(message.timestamp).shortText(message.id).bytes(message.body).end()
  },
  decode(record) {
    const kind = record.u8()
    const timestamp = record.u48()
    const id = record.shortText() as MsgId
    if (kind === quotaMarker) return { type: 'quota', id, timestamp }
    if (kind !== ordinary && kind !== notifying) throw new Error('a message record of the store has an unknown format')
    return { type: 'message', id, timestamp, notify: kind === notifying, body: record.rest() }
  },
}

/** A pending notification: u48 timestamp ‖ short(msgId) ‖ short(nonce) ‖ encMeta */
export const notificationCodec: Codec<Notification> = {
  encode({ timestamp, msgId, nonce, encMeta }, out) {
    out.begin(1024 + encMeta.length).u48(timestamp)
    return out.shortText(msgId).short(nonce).bytes(encMeta).end()
  },
  decode(record) {
    const timestamp = record.u48()
    const msgId = record.shortText() as MsgId
    const nonce = record.short()
    return { timestamp, msgId, nonce, encMeta: record.rest() }
  },
}

/** Data of a link: u32 length ‖ fixedData ‖ userData */
export const linkDataCodec: Codec<LinkData> = {
  encode({ fixedData, userData }, out) {
    out.begin(4 + fixedData.length + userData.length)
    return out.u32(fixedData.length).bytes(fixedData).bytes(userData).end()
  },
  decode(record) {
    const fixedData = record.bytes(record.u32())
    return { fixedData, userData: record.rest() }
  },
}

const roles = ['M', 'N', 'P'] as const

/** A service under its id: format u8 ‖ role u8 ‖ u48 createdAt ‖ short(certHash) ‖ u16 n ‖ n·(u32 length ‖ DER) */
export const serviceCodec: Codec<ServiceRec> = {
  encode(service, out) {
    out.begin(512 + service.certificates.reduce((sum, der) => sum + 4 + der.length, 0))
    out.u8(1).u8(roles.indexOf(service.role)).u48(service.createdAt).short(service.certHash)
    out.u16(service.certificates.length)
    for (const der of service.certificates) out.u32(der.length).bytes(der)
    return out.end()
  },
  decode(record, key) {
    if (record.u8() !== 1) throw new Error('a service record of the store has an unknown format')
    const role = roles[record.u8()]
    if (role === undefined) throw new Error('a service record of the store has an unknown role')
    const createdAt = record.u48()
    const certHash = record.short()
    const certificates = Array.from({ length: record.u16() }, () => record.bytes(record.u32()))
    return { serviceId: key as ServiceId, role, certificates, certHash, createdAt }
  },
}

/** u48 count ‖ 16 bytes of hash */
export const subscriptionsCodec: Codec<ServiceSubscriptions> = {
  encode: ({ count, idsHash }, out) => out.begin(22).u48(count).bytes(idsHash).end(),
  decode: (record) => ({ count: record.u48(), idsHash: record.rest() }),
}

/** A member of a set: the key says it all. */
export const memberCodec: Codec<true> = {
  encode: (_value, out) => out.begin(1).u8(1).end(),
  decode: (record) => {
    if (record.u8() !== 1) throw new Error('a member record of the store has an unknown format')
    return true
  },
}

/** The entries of one queue, as numbers of the first and of the one after the last; canWrite as in the quota rule. */
export interface FifoState {
  readonly first: number
  readonly next: number
  readonly canWrite: boolean
}

/** u48 first ‖ u48 next ‖ canWrite u8 */
export const fifoStateCodec: Codec<FifoState> = {
  encode: ({ first, next, canWrite }, out) => out.begin(13).u48(first).u48(next).u8(Number(canWrite)).end(),
  decode: (record) => ({ first: record.u48(), next: record.u48(), canWrite: record.u8() === 1 }),
}

const counted = [
  'queues',
  'messages',
  'notifications',
  'notifiers',
  'rcvServices',
  'ntfServices',
  'rcvServiceQueues',
  'ntfServiceQueues',
] as const satisfies readonly (keyof StoreCounts)[]

export const NOTHING_COUNTED: StoreCounts = {
  queues: 0,
  messages: 0,
  notifications: 0,
  notifiers: 0,
  rcvServices: 0,
  ntfServices: 0,
  rcvServiceQueues: 0,
  ntfServiceQueues: 0,
}

/** A u48 for each count. */
export const countsCodec: Codec<StoreCounts> = {
  encode(counts, out) {
    out.begin(6 * counted.length)
    for (const name of counted) out.u48(counts[name])
    return out.end()
  },
  decode(record) {
    const counts = { ...NOTHING_COUNTED }
    for (const name of counted) (counts as Record<string, number>)[name] = record.u48()
    return counts
  },
}
