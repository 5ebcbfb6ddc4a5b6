import type { Codec } from '../codec.ts'
import { readNotifierIds, writeNotifierIds, type NotifierIds } from './queue.ts'

/** The queue has a notifier now. */
export interface NidReply extends NotifierIds {
  readonly type: 'NID'
}

/** A message arrived. */
export interface NmsgReply {
  readonly type: 'NMSG'
  /** 24 bytes. */
  readonly nonce: Buffer
  /** Encrypted, 144 bytes. */
  readonly encMeta: Buffer
}

/** `NID = "NID" SP short(notifierId) dhKey` */
export const nidCodec: Codec<NidReply> = {
  parse(r) {
    r.space()
    return { type: 'NID', ...readNotifierIds(r) }
  },
  encode: (w, reply) => writeNotifierIds(w.space(), reply),
}

/** `NMSG = "NMSG" SP nonce(24) short(encMeta)` */
export const nmsgCodec: Codec<NmsgReply> = {
  parse(r) {
    r.space()
    return { type: 'NMSG', nonce: r.nonce(), encMeta: r.shortCopy() }
  },
  encode: (w, { nonce, encMeta }) => void w.space().bytes(nonce).short(encMeta),
}
