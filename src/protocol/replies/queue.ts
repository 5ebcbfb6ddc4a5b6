import type { DhKey } from '../../crypto/keys.ts'
import type { Codec } from '../codec.ts'
import { readSmpError, writeSmpError, type SmpError } from '../errors.ts'
import { readDhKey, writeKey } from '../fields.ts'
import type { LinkId, MsgId, NotifierId, RcvId, ServiceId, SndId } from '../ids.ts'
import type { Reader } from '../reader.ts'
import { since } from '../versions.ts'
import type { Writer } from '../writer.ts'

/** The queue was created. */
export interface IdsReply {
  readonly type: 'IDS'
  readonly rcvId: RcvId
  readonly sndId: SndId
  /** The relay's share of the secret that encrypts messages. */
  readonly srvDhKey: DhKey
  readonly queueMode?: 'M' | 'C'
  readonly linkId?: LinkId
  readonly serviceId?: ServiceId
  readonly notifier?: NotifierIds
}

export interface NotifierIds {
  readonly notifierId: NotifierId
  /** The relay's share of the secret that encrypts notifications. */
  readonly srvNtfDhKey: DhKey
}

export interface MsgReply {
  readonly type: 'MSG'
  readonly msgId: MsgId
  /** Encrypted, 16122 bytes; a view when parsed. */
  readonly body: Buffer
}

/** What the relay knows about a queue. */
export interface InfoReply {
  readonly type: 'INFO'
  readonly json: string
}

export interface ErrReply {
  readonly type: 'ERR'
  readonly error: SmpError
}

/**
 *     v6..8:   IDS = "IDS" SP short(rcvId) short(sndId) dhKey
 *     v9..14:  IDS = … bool                                     ; T: messaging, F: contact
 *     v15:     IDS = … maybe(mode) maybe(short(linkId))         ; mode = "M" / "C"
 *     v16:     IDS = … maybe(mode) maybe(short(linkId)) maybe(short(serviceId))
 *     v17:     IDS = … maybe(mode) maybe(short(linkId)) maybe(short(serviceId)) maybe( short(notifierId) dhKey )
 */
export const idsCodec: Codec<IdsReply> = {
  parse(r, version) {
    r.space()
    const rcvId = r.id<RcvId>()
    const sndId = r.id<SndId>()
    const srvDhKey = readDhKey(r)
    const queueMode = readMode(r, version)
    const linkId = version >= since.shortLinks ? r.maybe((link) => link.id<LinkId>()) : undefined
    const serviceId = version >= since.services ? r.maybe((service) => service.id<ServiceId>()) : undefined
    const notifier = version >= since.newNotifier ? r.maybe(readNotifierIds) : undefined
    return {
      type: 'IDS',
      rcvId,
      sndId,
      srvDhKey,
      ...(queueMode && { queueMode }),
      ...(linkId !== undefined && { linkId }),
      ...(serviceId !== undefined && { serviceId }),
      ...(notifier && { notifier }),
    }
  },

  encode(w, { rcvId, sndId, srvDhKey, queueMode, linkId, serviceId, notifier }, version) {
    writeKey(w.space().shortLatin1(rcvId).shortLatin1(sndId), srvDhKey)
    if (version < since.senderKey) return
    if (version < since.shortLinks) {
      w.bool(queueMode === 'M')
      return
    }
    w.maybe(queueMode, (mode) => w.ascii(mode)).maybe(linkId, (id) => w.shortLatin1(id))
    if (version >= since.services) w.maybe(serviceId, (id) => w.shortLatin1(id))
    if (version >= since.newNotifier) w.maybe(notifier, (ids) => writeNotifierIds(w, ids))
  },
}

/** `MSG = "MSG" SP short(msgId) *byte` */
export const msgCodec: Codec<MsgReply> = {
  parse(r) {
    r.space()
    return { type: 'MSG', msgId: r.id(), body: r.tail() }
  },
  encode: (w, { msgId, body }) => void w.space().shortLatin1(msgId).bytes(body),
}

/** `INFO = "INFO" SP json` */
export const infoCodec: Codec<InfoReply> = {
  parse(r) {
    r.space()
    return { type: 'INFO', json: r.tailText() }
  },
  encode: (w, { json }) => void w.space().text(json),
}

/** `ERR = "ERR" SP error` */
export const errCodec: Codec<ErrReply> = {
  parse(r) {
    r.space()
    return { type: 'ERR', error: readSmpError(r) }
  },
  encode: (w, { error }, version) => writeSmpError(w.space(), error, version),
}

/** `short(notifierId) dhKey` */
export function readNotifierIds(r: Reader): NotifierIds {
  return { notifierId: r.id(), srvNtfDhKey: readDhKey(r) }
}

export function writeNotifierIds(w: Writer, { notifierId, srvNtfDhKey }: NotifierIds): void {
  writeKey(w.shortLatin1(notifierId), srvNtfDhKey)
}

function readMode(r: Reader, version: number): 'M' | 'C' | undefined {
  if (version < since.senderKey) return undefined
  if (version < since.shortLinks) return r.bool() ? 'M' : 'C'
  return r.maybe((mode) => mode.letter(['M', 'C']))
}
