import { boxKey, nonceOf, open, type BoxKey } from './box.ts'
import { Reader, unpad } from './encoding.ts'
import { agree, type AuthKey } from './keys.ts'
import type { Ids, Msg, ReplyOf } from './replies.ts'

/** A queue as its recipient knows it. */
export interface Queue {
  readonly rcvId: Buffer
  readonly sndId: Buffer
  /** Authorises the recipient's commands. */
  readonly key: AuthKey
  /** Opens what the relay sealed for the recipient. */
  readonly box: BoxKey
  readonly ids: Ids
  readonly notifier?: { readonly notifierId: Buffer; readonly key: AuthKey; readonly box: BoxKey } | undefined
}

export type Message =
  | {
      readonly type: 'message'
      readonly id: Buffer
      readonly timestamp: number
      readonly notify: boolean
      readonly body: Buffer
    }
  | { readonly type: 'quota'; readonly id: Buffer; readonly timestamp: number }

export const sharedBox = (own: AuthKey<'x25519'>, serverSpki: Buffer): BoxKey => boxKey(agree(own, serverSpki))

const quotaTag = Buffer.from('QUOTA ')

/** What the relay encrypted for the recipient: 16,106 bytes under the message id as nonce. */
export const decryptMessage = (box: BoxKey, { messageId, encrypted }: Msg): Message => {
  const plain = open(box, nonceOf(messageId), encrypted)
  if (plain.length !== 16106) throw new Error(`a message body of ${plain.length} bytes`)
  const reader = new Reader(unpad(plain))
  const id = Buffer.from(messageId)
  if (reader.peek(quotaTag.length).equals(quotaTag)) {
    reader.take(quotaTag.length)
    const timestamp = reader.int64()
    reader.end()
    return { type: 'quota', id, timestamp }
  }
  const timestamp = reader.int64()
  const notify = reader.bool()
  reader.literal(' ')
  return { type: 'message', id, timestamp, notify, body: reader.tail() }
}

/** Message id and time for the holder of the notifier key. */
export const decryptNotification = (box: BoxKey, event: ReplyOf<'NMSG'>): { messageId: Buffer; timestamp: number } => {
  const plain = open(box, event.nonce, event.encrypted)
  if (plain.length !== 128) throw new Error(`a notification of ${plain.length} bytes`)
  const reader = new Reader(unpad(plain))
  const messageId = Buffer.from(reader.short())
  const timestamp = reader.int64()
  reader.end()
  return { messageId, timestamp }
}
