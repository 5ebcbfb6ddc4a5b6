import type { MsgId, NotifierId, RcvId } from '../../protocol/ids.ts'
import type { Message, Notification } from '../store.ts'
import { formatBase64url, formatId, parseBase64url, parseBytes, parseId, parseSeconds } from './fields.ts'

export interface MessageLogRecord {
  readonly rcvId: RcvId
  readonly message: Message
}

/**
 * A line of smp-server-messages.log:
 *
 *     "v3 " rid SP msgId SP sec SP ["flags=" ("T" / "F") SP] body
 *     "v3 " rid SP msgId SP sec SP "quota"
 *
 * Without flags the message does not notify. undefined when the line is not one of these.
 */
export function parseMessageLine(line: string): MessageLogRecord | undefined {
  const [version, rid = '', ...rest] = line.split(' ')
  const rcvId = version === 'v3' ? parseId<RcvId>(rid) : undefined
  const message = parseMessage(rest)
  return rcvId && message && { rcvId, message }
}

/** msgId SP sec SP (flags, body or quota), split at the spaces: also a line of a message journal. */
export function parseMessage([msgId = '', sec = '', ...rest]: readonly string[]): Message | undefined {
  const id = parseId<MsgId>(msgId)
  const timestamp = parseSeconds(sec)
  if (id === undefined || timestamp === undefined) return undefined
  const [first = '', second] = rest
  if (rest.length === 1 && first === 'quota') return { type: 'quota', id, timestamp }
  const withFlags = first === 'flags=T' || first === 'flags=F'
  if (rest.length !== (withFlags ? 2 : 1)) return undefined
  const body = parseBase64url((withFlags ? second : first) ?? '')
  return body && { type: 'message', id, timestamp, notify: first === 'flags=T', body }
}

export function formatMessageLine({ rcvId, message }: MessageLogRecord): string {
  const start = `v3 ${formatId(rcvId)} ${formatId(message.id)} ${message.timestamp}`
  if (message.type === 'quota') return `${start} quota`
  return `${start} flags=${message.notify ? 'T' : 'F'} ${formatBase64url(message.body)}`
}

export interface NotificationLogRecord {
  readonly notifierId: NotifierId
  readonly notification: Notification
}

const NONCE_BYTES = 24

/** A line of smp-server-ntfs.log: "v1 " notifierId SP msgId SP sec SP nonce SP encMeta */
export function parseNotificationLine(line: string): NotificationLogRecord | undefined {
  const [version, id = '', msg = '', sec = '', nonceText = '', meta = '', ...more] = line.split(' ')
  if (version !== 'v1' || more.length > 0) return undefined
  const notifierId = parseId<NotifierId>(id)
  const msgId = parseId<MsgId>(msg)
  const timestamp = parseSeconds(sec)
  const nonce = parseBase64url(nonceText)
  const encMeta = parseBytes(meta)
  if (notifierId === undefined || msgId === undefined || timestamp === undefined) return undefined
  if (nonce?.length !== NONCE_BYTES || encMeta === undefined) return undefined
  return { notifierId, notification: { msgId, timestamp, nonce, encMeta } }
}

export function formatNotificationLine({ notifierId, notification }: NotificationLogRecord): string {
  const { msgId, timestamp, nonce, encMeta } = notification
  const start = `v1 ${formatId(notifierId)} ${formatId(msgId)} ${timestamp}`
  return `${start} ${formatBase64url(nonce)} ${formatBase64url(encMeta)}`
}
