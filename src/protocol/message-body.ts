import type { MsgId } from './ids.ts'
import { MESSAGE_PLAINTEXT_SIZE } from './limits.ts'
import { parseWhole, type Reader } from './reader.ts'
import { Writer } from './writer.ts'

// What MSG and NMSG encrypt (SMP commands §5, §6).

export interface ReceivedMessage {
  readonly type: 'message'
  /** Seconds since the Unix epoch. */
  readonly timestamp: number
  readonly notify: boolean
  readonly body: Buffer
}

/** Marks where messages were refused because the queue was full. */
export interface QuotaMarker {
  readonly type: 'quota'
  readonly timestamp: number
}

export interface NotificationMeta {
  readonly msgId: MsgId
  /** Seconds since the Unix epoch. */
  readonly timestamp: number
}

const LENGTH_SIZE = 2
const HEADER_SIZE = 10
const PAD = 0x23
const QUOTA = 'QUOTA'

/**
 *     plaintext = word16(length) received *"#"                  ; 16106 bytes
 *     received  = int64(timestamp) bool(notify) SP body
 *
 * Throws RangeError for a body of more than 16094 bytes; SEND allows less at every version.
 *
 * @param out where to write it, 16106 bytes: the place where it will be encrypted, for instance.
 */
export function messagePlaintext(
  message: Omit<ReceivedMessage, 'type'>,
  out = Buffer.allocUnsafe(MESSAGE_PLAINTEXT_SIZE),
): Buffer {
  const { timestamp, notify, body } = message
  const w = new Writer(out).word16(HEADER_SIZE + body.length)
  return padded(w.integer(timestamp).bool(notify).space().bytes(body), LENGTH_SIZE + HEADER_SIZE + body.length)
}

/** `received = "QUOTA" SP int64(timestamp)`, padded as a message is. */
export function quotaPlaintext(timestamp: number, out = Buffer.allocUnsafe(MESSAGE_PLAINTEXT_SIZE)): Buffer {
  const length = QUOTA.length + 1 + 8
  return padded(new Writer(out).word16(length).ascii(QUOTA).space().integer(timestamp), length + 2)
}

/** Parses what MSG encrypted, padding included. The body is a view. */
export function parseMessagePlaintext(plaintext: Buffer): ReceivedMessage | QuotaMarker | undefined {
  const received = parseReceived(plaintext)
  return received && (parseWhole(received, readQuota) ?? parseWhole(received, readMessage))
}

/** `meta = short(msgId) int64(timestamp)`, without padding. */
export function encodeNotificationMeta({ msgId, timestamp }: NotificationMeta): Buffer {
  return new Writer(64).shortLatin1(msgId).integer(timestamp).done()
}

/** Parses the metadata without its padding. */
export function parseNotificationMeta(bytes: Buffer): NotificationMeta | undefined {
  return parseWhole(bytes, (r) => ({ msgId: r.id<MsgId>(), timestamp: r.integer() }))
}

function parseReceived(plaintext: Buffer): Buffer | undefined {
  return parseWhole(plaintext, (r) => {
    const received = r.large()
    r.tail()
    return received
  })
}

function readQuota(r: Reader): QuotaMarker {
  r.expect(QUOTA)
  r.space()
  return { type: 'quota', timestamp: r.integer() }
}

function readMessage(r: Reader): ReceivedMessage {
  const timestamp = r.integer()
  const notify = r.bool()
  r.skipToSpace()
  r.space()
  return { type: 'message', timestamp, notify, body: r.tail() }
}

function padded(w: Writer, length: number): Buffer {
  if (length > MESSAGE_PLAINTEXT_SIZE) throw new RangeError('a message body holds 16094 bytes')
  return w.fill(PAD, MESSAGE_PLAINTEXT_SIZE - length).done()
}
