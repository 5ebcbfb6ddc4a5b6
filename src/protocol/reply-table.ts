import { bare, type Codec } from './codec.ts'
import { lnkCodec, type LnkReply } from './replies/link.ts'
import { rnameCodec, type RnameReply } from './replies/name.ts'
import { nidCodec, nmsgCodec, type NidReply, type NmsgReply } from './replies/notifier.ts'
import { pkeyCodec, presCodec, rresCodec, type PkeyReply, type PresReply, type RresReply } from './replies/proxy.ts'
import {
  errCodec,
  idsCodec,
  infoCodec,
  msgCodec,
  type ErrReply,
  type IdsReply,
  type InfoReply,
  type MsgReply,
} from './replies/queue.ts'
import { endsCodec, sokCodec, soksCodec, type EndsReply, type SokReply, type SoksReply } from './replies/service.ts'
import { SMP_MIN, since } from './versions.ts'

/** Every reply and event by its word. */
export interface ReplyMap {
  IDS: IdsReply
  LNK: LnkReply
  SOK: SokReply
  SOKS: SoksReply
  ENDS: EndsReply
  MSG: MsgReply
  ALLS: { readonly type: 'ALLS' }
  NID: NidReply
  NMSG: NmsgReply
  PKEY: PkeyReply
  RRES: RresReply
  PRES: PresReply
  END: { readonly type: 'END' }
  DELD: { readonly type: 'DELD' }
  INFO: InfoReply
  OK: { readonly type: 'OK' }
  PONG: { readonly type: 'PONG' }
  ERR: ErrReply
  RNAME: RnameReply
}

export type ReplyType = keyof ReplyMap

export interface ReplyRow<T extends ReplyType> {
  /** The version that brought the reply. */
  readonly since: number
  /** Whether clients want an entity id with it. */
  readonly entity: 'required' | 'empty' | 'any'
  readonly codec: Codec<ReplyMap[T]>
}

/** The one table of replies and events (SMP commands §3). */
export const replyTable: { readonly [T in ReplyType]: ReplyRow<T> } = {
  IDS: { since: SMP_MIN, entity: 'any', codec: idsCodec },
  LNK: { since: since.shortLinks, entity: 'required', codec: lnkCodec },
  SOK: { since: since.services, entity: 'required', codec: sokCodec },
  SOKS: { since: since.services, entity: 'required', codec: soksCodec },
  ENDS: { since: since.services, entity: 'required', codec: endsCodec },
  MSG: { since: SMP_MIN, entity: 'required', codec: msgCodec },
  ALLS: { since: since.services, entity: 'empty', codec: bare('ALLS') },
  NID: { since: SMP_MIN, entity: 'required', codec: nidCodec },
  NMSG: { since: SMP_MIN, entity: 'required', codec: nmsgCodec },
  PKEY: { since: since.proxying, entity: 'empty', codec: pkeyCodec },
  RRES: { since: since.proxying, entity: 'empty', codec: rresCodec },
  PRES: { since: since.proxying, entity: 'required', codec: presCodec },
  END: { since: SMP_MIN, entity: 'required', codec: bare('END') },
  DELD: { since: since.deletedEvent, entity: 'required', codec: bare('DELD') },
  INFO: { since: SMP_MIN, entity: 'required', codec: infoCodec },
  OK: { since: SMP_MIN, entity: 'required', codec: bare('OK') },
  PONG: { since: SMP_MIN, entity: 'empty', codec: bare('PONG') },
  ERR: { since: SMP_MIN, entity: 'any', codec: errCodec },
  RNAME: { since: since.names, entity: 'empty', codec: rnameCodec },
}
