import type { Codec } from '../codec.ts'

/** What is behind a public name. */
export interface RnameReply {
  readonly type: 'RNAME'
  readonly json: string
}

/** `RNAME = "RNAME" SP json` */
export const rnameCodec: Codec<RnameReply> = {
  parse(r) {
    r.space()
    return { type: 'RNAME', json: r.tailText() }
  },
  encode: (w, { json }) => void w.space().text(json),
}
