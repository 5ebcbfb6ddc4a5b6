import type { Codec } from '../codec.ts'
import { readCertChainKey, writeCertChainKey, type CertChainKey } from '../fields.ts'
import type { RelayId } from '../ids.ts'
import type { VersionRange } from '../versions.ts'

/** The proxy is connected with the relay. */
export interface PkeyReply {
  readonly type: 'PKEY'
  /** The session of proxy and relay: the entity id of PFWD. */
  readonly relayId: RelayId
  readonly range: VersionRange
  /** As the relay sent it in its hello. */
  readonly certKey: CertChainKey
}

/** The relay's answer to RFWD. */
export interface RresReply {
  readonly type: 'RRES'
  /** A view when parsed. */
  readonly encFwdResponse: Buffer
}

/** The proxy's answer to PFWD. */
export interface PresReply {
  readonly type: 'PRES'
  /** A view when parsed. */
  readonly encResponse: Buffer
}

/** `PKEY = "PKEY" SP short(sessionId) versionRange certChainKey` */
export const pkeyCodec: Codec<PkeyReply> = {
  parse(r) {
    r.space()
    return { type: 'PKEY', relayId: r.id(), range: r.versionRange(), certKey: readCertChainKey(r) }
  },
  encode: (w, { relayId, range, certKey }) =>
    writeCertChainKey(w.space().shortLatin1(relayId).versionRange(range), certKey),
}

/** `RRES = "RRES" SP *byte` */
export const rresCodec: Codec<RresReply> = {
  parse(r) {
    r.space()
    return { type: 'RRES', encFwdResponse: r.tail() }
  },
  encode: (w, { encFwdResponse }) => void w.space().bytes(encFwdResponse),
}

/** `PRES = "PRES" SP *byte` */
export const presCodec: Codec<PresReply> = {
  parse(r) {
    r.space()
    return { type: 'PRES', encResponse: r.tail() }
  },
  encode: (w, { encResponse }) => void w.space().bytes(encResponse),
}
