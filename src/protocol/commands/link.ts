import type { AuthKey } from '../../crypto/keys.ts'
import type { Codec } from '../codec.ts'
import { readAuthKey, readLinkData, writeKey, writeLinkData, type LinkData } from '../fields.ts'
import type { LinkId } from '../ids.ts'

/** The recipient stores or updates what the queue's short link resolves to. */
export interface LsetCommand {
  readonly type: 'LSET'
  readonly linkId: LinkId
  readonly link: LinkData
}

/** The sender resolves a one-time link and secures its queue with its own key. */
export interface LkeyCommand {
  readonly type: 'LKEY'
  readonly key: AuthKey
}

/** `LSET = "LSET" SP short(linkId) large(fixedData) large(userData)` */
export const lsetCodec: Codec<LsetCommand> = {
  parse(r) {
    r.space()
    return { type: 'LSET', linkId: r.id(), link: readLinkData(r) }
  },
  encode: (w, { linkId, link }) => writeLinkData(w.space().shortLatin1(linkId), link),
}

/** `LKEY = "LKEY" SP authKey` */
export const lkeyCodec: Codec<LkeyCommand> = {
  parse(r) {
    r.space()
    return { type: 'LKEY', key: readAuthKey(r) }
  },
  encode: (w, { key }) => writeKey(w.space(), key),
}
