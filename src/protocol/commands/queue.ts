import type { AuthKey } from '../../crypto/keys.ts'
import type { Codec } from '../codec.ts'
import { readAuthKey, writeKey } from '../fields.ts'
import type { MsgId } from '../ids.ts'

/** The recipient sets the sender's key. */
export interface KeyCommand {
  readonly type: 'KEY'
  readonly key: AuthKey
}

/** The recipient replaces the keys that may act for it: 1..255. */
export interface RkeyCommand {
  readonly type: 'RKEY'
  readonly keys: readonly AuthKey[]
}

/** The sender sets its own key. */
export interface SkeyCommand {
  readonly type: 'SKEY'
  readonly key: AuthKey
}

/** The recipient has the message. */
export interface AckCommand {
  readonly type: 'ACK'
  readonly msgId: MsgId
}

export interface SendCommand {
  readonly type: 'SEND'
  /** Tell the notifier. */
  readonly notify: boolean
  /** A view of the block. */
  readonly body: Buffer
}

/** `KEY = "KEY" SP authKey` */
export const keyCodec: Codec<KeyCommand> = {
  parse(r) {
    r.space()
    return { type: 'KEY', key: readAuthKey(r) }
  },
  encode: (w, { key }) => writeKey(w.space(), key),
}

/** `RKEY = "RKEY" SP count 1*authKey` */
export const rkeyCodec: Codec<RkeyCommand> = {
  parse(r) {
    r.space()
    return { type: 'RKEY', keys: r.nonEmpty(readAuthKey) }
  },
  encode(w, { keys }) {
    w.space().nonEmpty(keys, (key) => writeKey(w, key))
  },
}

/** `SKEY = "SKEY" SP authKey` */
export const skeyCodec: Codec<SkeyCommand> = {
  parse(r) {
    r.space()
    return { type: 'SKEY', key: readAuthKey(r) }
  },
  encode: (w, { key }) => writeKey(w.space(), key),
}

/** `ACK = "ACK" SP short(msgId)` */
export const ackCodec: Codec<AckCommand> = {
  parse(r) {
    r.space()
    return { type: 'ACK', msgId: r.id() }
  },
  encode: (w, { msgId }) => void w.space().shortLatin1(msgId),
}

/**
 *     SEND  = "SEND" SP flags SP *byte
 *     flags = bool *( any byte but SP )         ; only the first means something
 */
export const sendCodec: Codec<SendCommand> = {
  parse(r) {
    r.space()
    const notify = r.bool()
    r.skipToSpace()
    r.space()
    return { type: 'SEND', notify, body: r.tail() }
  },
  encode: (w, { notify, body }) => void w.space().bool(notify).space().bytes(body),
}
