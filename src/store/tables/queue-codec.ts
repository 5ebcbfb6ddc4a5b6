import type { AuthKey, KeyAlg } from '../../crypto/keys.ts'
import type { LinkId, NotifierId, RcvId, ServiceId, SndId } from '../../protocol/ids.ts'
import type { NotifierRec, QueueRec, QueueStatus } from '../store.ts'
import type { Codec } from './codec.ts'
import type { RecordReader, RecordWriter } from './record.ts'

const FORMAT = 1

const hasSenderKey = 1
const hasMode = 2
const isContact = 4
const hasLink = 8
const hasNotifier = 16
const hasNotifierService = 32
const hasUpdatedAt = 64
const hasRcvService = 128

/**
 * A queue under its recipient id:
 *
 *     format u8 ‖ parts u8 ‖ status ‖ short(sndId) ‖ u16 n ‖ n·key ‖ short(rcvDhSecret)
 *       ‖ [senderKey] ‖ [short(linkId)] ‖ [short(notifierId) ‖ key ‖ short(secret) ‖ [short(serviceId)]]
 *       ‖ [u48 updatedAt] ‖ [short(rcvServiceId)]
 *     key = alg u8 ‖ short(raw)
 */
export const queueCodec: Codec<QueueRec> = {
  encode(queue, out) {
    const { notifier } = queue
    out.begin(2048 + 64 * queue.recipientKeys.length)
    out.u8(FORMAT).u8(partsOf(queue))
    writeStatus(out, queue.status)
    out.shortText(queue.sndId).u16(queue.recipientKeys.length)
    for (const key of queue.recipientKeys) writeKey(out, key)
    out.short(queue.rcvDhSecret)
    if (queue.senderKey !== undefined) writeKey(out, queue.senderKey)
    if (queue.linkId !== undefined) out.shortText(queue.linkId)
    if (notifier !== undefined) {
      out.shortText(notifier.notifierId)
      writeKey(out, notifier.key)
      out.short(notifier.dhSecret)
      if (notifier.serviceId !== undefined) out.shortText(notifier.serviceId)
    }
    if (queue.updatedAt !== undefined) out.u48(queue.updatedAt)
    if (queue.rcvServiceId !== undefined) out.shortText(queue.rcvServiceId)
    return out.end()
  },

  decode(record, key): QueueRec {
    if (record.u8() !== FORMAT) throw new Error('a queue record of the store has an unknown format')
    const parts = record.u8()
    const status = readStatus(record)
    const sndId = record.shortText() as SndId
    const recipientKeys = Array.from({ length: record.u16() }, () => readKey(record))
    const rcvDhSecret = record.short()
    return {
      rcvId: key as RcvId,
      sndId,
      recipientKeys,
      rcvDhSecret,
      status,
      ...(parts & hasSenderKey && { senderKey: readKey(record) }),
      ...(parts & hasMode && { queueMode: parts & isContact ? 'C' : 'M' }),
      ...(parts & hasLink && { linkId: record.shortText() as LinkId }),
      ...(parts & hasNotifier && { notifier: readNotifier(record, (parts & hasNotifierService) !== 0) }),
      ...(parts & hasUpdatedAt && { updatedAt: record.u48() }),
      ...(parts & hasRcvService && { rcvServiceId: record.shortText() as ServiceId }),
    }
  },
}

function partsOf(queue: QueueRec): number {
  return (
    (queue.senderKey === undefined ? 0 : hasSenderKey) |
    (queue.queueMode === undefined ? 0 : hasMode) |
    (queue.queueMode === 'C' ? isContact : 0) |
    (queue.linkId === undefined ? 0 : hasLink) |
    (queue.notifier === undefined ? 0 : hasNotifier) |
    (queue.notifier?.serviceId === undefined ? 0 : hasNotifierService) |
    (queue.updatedAt === undefined ? 0 : hasUpdatedAt) |
    (queue.rcvServiceId === undefined ? 0 : hasRcvService)
  )
}

function readNotifier(record: RecordReader, withService: boolean): NotifierRec {
  const notifierId = record.shortText() as NotifierId
  const key = readKey(record)
  const dhSecret = record.short()
  return { notifierId, key, dhSecret, ...(withService && { serviceId: record.shortText() as ServiceId }) }
}

const algs: readonly KeyAlg[] = ['ed25519', 'ed448', 'x25519']

function writeKey(out: RecordWriter, key: AuthKey): void {
  out.u8(algs.indexOf(key.alg)).short(key.raw)
}

function readKey(record: RecordReader): AuthKey {
  const alg = algs[record.u8()]
  const raw = record.short()
  switch (alg) {
    case 'ed25519':
    case 'ed448':
    case 'x25519':
      return { alg, raw }
    default:
      throw new Error('a queue record of the store has an unknown kind of key')
  }
}

// status = u8: 0 active, 1 off, 2 blocked for spam, 3 blocked for content; +4 with a notice; +8 and f64 ttl in it

function writeStatus(out: RecordWriter, status: QueueStatus): void {
  if (status.type === 'active') out.u8(0)
  else if (status.type === 'off') out.u8(1)
  else {
    const { notice } = status
    const code = (status.reason === 'spam' ? 2 : 3) | (notice === undefined ? 0 : 4)
    if (notice?.ttl === undefined) out.u8(code)
    else out.u8(code | 8).f64(notice.ttl)
  }
}

function readStatus(record: RecordReader): QueueStatus {
  const code = record.u8()
  if (code === 0) return { type: 'active' }
  if (code === 1) return { type: 'off' }
  const reason = (code & 3) === 2 ? 'spam' : 'content'
  if ((code & 4) === 0) return { type: 'blocked', reason }
  return { type: 'blocked', reason, notice: code & 8 ? { ttl: record.f64() } : {} }
}
