import type { AuthKey } from '../../crypto/keys.ts'
import type { Codec } from '../codec.ts'
import { readAuthKey, readLinkData, writeKey, writeLinkData, type LinkData } from '../fields.ts'
import type { LinkId } from '../ids.ts'

/** The recipient stores or updates what the queue's short link resolves to. */
export interface LsetCommand extends LinkData {
  readonly type: 'LSET'
  readonly linkId: LinkId
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
    return { type: 'LSET', linkId: r.id(), ...readLinkData(r) }
  },
  encode: (w, command) => writeLinkData(w.space().shortLatin1(command.linkId), command),
}

/** `LKEY = "LKEY" SP authKey` */
export const lkeyCodec: Codec<LkeyCommand> = {
  parse(r) {
    r.space()
    return { type: 'LKEY', key: readAuthKey(r) }
  },
  encode: (w, { key }) => writeKey(w.space(), key),
}
