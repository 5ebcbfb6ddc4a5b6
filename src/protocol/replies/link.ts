import type { Codec } from '../codec.ts'
import { readLinkData, writeLinkData, type LinkData } from '../fields.ts'
import type { SndId } from '../ids.ts'

/** What a short link resolves to. */
export interface LnkReply {
  readonly type: 'LNK'
  readonly sndId: SndId
  readonly link: LinkData
}

/** `LNK = "LNK" SP short(sndId) large(fixedData) large(userData)` */
export const lnkCodec: Codec<LnkReply> = {
  parse(r) {
    r.space()
    return { type: 'LNK', sndId: r.id(), link: readLinkData(r) }
  },
  encode: (w, { sndId, link }) => writeLinkData(w.space().shortLatin1(sndId), link),
}
