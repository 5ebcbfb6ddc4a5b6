import type { Codec } from '../codec.ts'
import { readLinkData, writeLinkData, type LinkData } from '../fields.ts'
import type { SndId } from '../ids.ts'

/** What a short link resolves to. */
export interface LnkReply extends LinkData {
  readonly type: 'LNK'
  readonly sndId: SndId
}

/** `LNK = "LNK" SP short(sndId) large(fixedData) large(userData)` */
export const lnkCodec: Codec<LnkReply> = {
  parse(r) {
    r.space()
    return { type: 'LNK', sndId: r.id(), ...readLinkData(r) }
  },
  encode: (w, reply) => writeLinkData(w.space().shortLatin1(reply.sndId), reply),
}
