import type { Codec } from '../codec.ts'
import type { ServiceId } from '../ids.ts'
import { readServiceQueues, writeServiceQueues, type ServiceQueues } from '../service-queues.ts'

/** Subscribed to a queue or a notifier. */
export interface SokReply {
  readonly type: 'SOK'
  readonly serviceId?: ServiceId
}

/** The queues to which a service is subscribed. */
export interface SoksReply extends ServiceQueues {
  readonly type: 'SOKS'
}

/** The queues that another connection of the service receives from now on. */
export interface EndsReply extends ServiceQueues {
  readonly type: 'ENDS'
}

/** `SOK = "SOK" SP maybe(short(serviceId))` */
export const sokCodec: Codec<SokReply> = {
  parse(r) {
    r.space()
    const serviceId = r.maybe((id) => id.id<ServiceId>())
    return { type: 'SOK', ...(serviceId !== undefined && { serviceId }) }
  },
  encode: (w, { serviceId }) => void w.space().maybe(serviceId, (id) => w.shortLatin1(id)),
}

/**
 *     v6..18:  SOKS = "SOKS" SP int64(count)
 *     v19:     SOKS = "SOKS" SP int64(count) short(idsHash)
 */
export const soksCodec: Codec<SoksReply> = {
  parse: (r, version) => ({ type: 'SOKS', ...readServiceQueues(r, version) }),
  encode: writeServiceQueues,
}

/** `ENDS` is formed as `SOKS`. */
export const endsCodec: Codec<EndsReply> = {
  parse: (r, version) => ({ type: 'ENDS', ...readServiceQueues(r, version) }),
  encode: writeServiceQueues,
}
