import type { Codec } from '../codec.ts'
import { readNotifierKeys, writeNotifierKeys, type NotifierKeys } from '../fields.ts'

/** The recipient lets a notifier subscribe to the queue. */
export interface NkeyCommand {
  readonly type: 'NKEY'
  readonly keys: NotifierKeys
}

/** `NKEY = "NKEY" SP authKey dhKey` */
export const nkeyCodec: Codec<NkeyCommand> = {
  parse(r) {
    r.space()
    return { type: 'NKEY', keys: readNotifierKeys(r) }
  },
  encode: (w, { keys }) => writeNotifierKeys(w.space(), keys),
}
