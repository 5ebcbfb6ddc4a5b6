import { idFromBytes, type MsgId } from '../../protocol/ids.ts'
import type { Message } from '../store.ts'

/** A row of upstream's `messages`. */
export interface MessageRow {
  /** Grows within a queue; larger than those of all earlier messages of it. */
  readonly message_id: number
  readonly msg_id: Buffer
  readonly msg_ts: number
  readonly msg_quota: boolean
  readonly msg_ntf_flag: boolean
  readonly msg_body: Buffer
}

export const MESSAGE_COLUMNS = ['message_id', 'msg_id', 'msg_ts', 'msg_quota', 'msg_ntf_flag', 'msg_body'] as const

export function decodeMessageRow(row: MessageRow): Message {
  const id = idFromBytes<MsgId>(row.msg_id)
  if (row.msg_quota) return { type: 'quota', id, timestamp: row.msg_ts }
  return { type: 'message', id, timestamp: row.msg_ts, notify: row.msg_ntf_flag, body: row.msg_body }
}
