import { decodeSpki, encodeSpki, isAuthKey, type AuthKey } from '../../crypto/keys.ts'
import { formatBlockingInfo, parseBlockingInfo } from '../../protocol/blocking-info.ts'
import {
  idFromBytes,
  type LinkId,
  type NotifierId,
  type RcvId,
  type ServiceId,
  type SndId,
} from '../../protocol/ids.ts'
import type { NotifierRec, QueueRec, QueueStatus } from '../store.ts'
import { bytesArray, idArray, int8Array, textArray } from './values.ts'

/** A row of upstream's `msg_queues`, without the data of its link and the counters of its messages. */
export interface QueueRow {
  readonly recipient_id: Buffer
  /** count u8, then for each key: length u8 and SubjectPublicKeyInfo */
  readonly recipient_keys: Buffer
  readonly rcv_dh_secret: Buffer
  readonly sender_id: Buffer
  /** SubjectPublicKeyInfo, as `notifier_key` */
  readonly sender_key: Buffer | null
  readonly queue_mode: string | null
  readonly notifier_id: Buffer | null
  readonly notifier_key: Buffer | null
  readonly rcv_ntf_dh_secret: Buffer | null
  readonly ntf_service_id: Buffer | null
  readonly status: string
  readonly updated_at: number | null
  readonly link_id: Buffer | null
  readonly rcv_service_id: Buffer | null
}

/** The columns with their types, in the order of {@link encodeQueueColumns}. */
export const QUEUE_COLUMNS = {
  recipient_id: 'bytea',
  recipient_keys: 'bytea',
  rcv_dh_secret: 'bytea',
  sender_id: 'bytea',
  sender_key: 'bytea',
  queue_mode: 'text',
  notifier_id: 'bytea',
  notifier_key: 'bytea',
  rcv_ntf_dh_secret: 'bytea',
  ntf_service_id: 'bytea',
  status: 'text',
  updated_at: 'int8',
  link_id: 'bytea',
  rcv_service_id: 'bytea',
} as const satisfies Record<keyof QueueRow, string>

/** The queue of a row; undefined when something in the row cannot be read. */
export function decodeQueueRow(row: QueueRow): QueueRec | undefined {
  const recipientKeys = decodeKeys(row.recipient_keys)
  const senderKey = row.sender_key === null ? undefined : decodeKey(row.sender_key)
  const status = parseStatus(row.status)
  const notifier = decodeNotifier(row)
  const { queue_mode: mode } = row
  if (recipientKeys === undefined || row.rcv_dh_secret.length !== 32 || status === undefined) return undefined
  if (senderKey === 'unreadable' || notifier === 'unreadable') return undefined
  if (mode !== null && mode !== 'M' && mode !== 'C') return undefined
  return {
    rcvId: idFromBytes<RcvId>(row.recipient_id),
    sndId: idFromBytes<SndId>(row.sender_id),
    recipientKeys,
    rcvDhSecret: row.rcv_dh_secret,
    status,
    ...(senderKey && { senderKey }),
    ...(mode !== null && { queueMode: mode }),
    ...(row.link_id && { linkId: idFromBytes<LinkId>(row.link_id) }),
    ...(notifier && { notifier }),
    ...(row.updated_at !== null && { updatedAt: row.updated_at }),
    ...(row.rcv_service_id && { rcvServiceId: idFromBytes<ServiceId>(row.rcv_service_id) }),
  }
}

/** As upstream: a notifier with a part missing is none. */
function decodeNotifier(row: QueueRow): NotifierRec | 'unreadable' | undefined {
  const { notifier_id: id, notifier_key: encodedKey, rcv_ntf_dh_secret: dhSecret, ntf_service_id: serviceId } = row
  if (id === null || encodedKey === null || dhSecret === null) return undefined
  const key = decodeKey(encodedKey)
  if (key === 'unreadable' || dhSecret.length !== 32) return 'unreadable'
  const notifierId = idFromBytes<NotifierId>(id)
  return { notifierId, key, dhSecret, ...(serviceId && { serviceId: idFromBytes<ServiceId>(serviceId) }) }
}

function decodeKey(der: Buffer): AuthKey | 'unreadable' {
  const key = decodeSpki(der)
  return key !== undefined && isAuthKey(key) ? key : 'unreadable'
}

function decodeKeys(bytes: Buffer): AuthKey[] | undefined {
  const keys: AuthKey[] = []
  let at = 1
  while (at < bytes.length) {
    const end = at + 1 + (bytes[at] ?? 0)
    const key = decodeKey(bytes.subarray(at + 1, end))
    if (key === 'unreadable') return undefined
    keys.push(key)
    at = end
  }
  return keys.length > 0 && keys.length === bytes[0] ? keys : undefined
}

function encodeKeys(keys: readonly AuthKey[]): Buffer {
  const parts = keys.map(encodeSpki).flatMap((der) => [Buffer.of(der.length), der])
  return Buffer.concat([Buffer.of(keys.length), ...parts])
}

/** Each column of {@link QUEUE_COLUMNS} as an array. */
export function encodeQueueColumns(queues: readonly QueueRec[]): Buffer[] {
  return [
    idArray(queues.map(({ rcvId }) => rcvId)),
    bytesArray(queues.map(({ recipientKeys }) => encodeKeys(recipientKeys))),
    bytesArray(queues.map(({ rcvDhSecret }) => rcvDhSecret)),
    idArray(queues.map(({ sndId }) => sndId)),
    bytesArray(queues.map(({ senderKey }) => senderKey && encodeSpki(senderKey))),
    textArray(queues.map(({ queueMode }) => queueMode)),
    idArray(queues.map(({ notifier }) => notifier?.notifierId)),
    bytesArray(queues.map(({ notifier }) => notifier && encodeSpki(notifier.key))),
    bytesArray(queues.map(({ notifier }) => notifier?.dhSecret)),
    idArray(queues.map(({ notifier }) => notifier?.serviceId)),
    textArray(queues.map(({ status }) => formatStatus(status))),
    int8Array(queues.map(({ updatedAt }) => updatedAt)),
    idArray(queues.map(({ linkId }) => linkId)),
    idArray(queues.map(({ rcvServiceId }) => rcvServiceId)),
  ]
}

/** `active` / `off` / `blocked,reason=…[,notice={…}]` */
function formatStatus(status: QueueStatus): string {
  return status.type === 'blocked' ? `blocked,${formatBlockingInfo(status)}` : status.type
}

function parseStatus(text: string): QueueStatus | undefined {
  if (text === 'active' || text === 'off') return { type: text }
  // Upstream's import loses the quotes of the notice: notice={ttl:3600}
  const info = text.startsWith('blocked,')
    ? parseBlockingInfo(text.slice('blocked,'.length).replace(/\{ttl:/, '{"ttl":'))
    : undefined
  return info && { type: 'blocked', ...info }
}
