import type { Codec } from '../codec.ts'
import { parseName } from '../names.ts'
import { refuse } from '../reader.ts'

/** Asks for the addresses behind a public name. */
export interface RslvCommand {
  readonly type: 'RSLV'
  /** In lower case. */
  readonly name: string
}

const WHITE_SPACE = /[\t-\r ]/u

/** `RSLV = "RSLV" SP name [ whitespace *byte ]`; what follows the name is ignored. */
export const rslvCodec: Codec<RslvCommand> = {
  parse(r) {
    r.space()
    const text = r.tail().toString('latin1')
    const end = text.search(WHITE_SPACE)
    const name = parseName(end < 0 ? text : text.slice(0, end))
    return name === undefined ? refuse() : { type: 'RSLV', name: name.text }
  },
  encode: (w, { name }) => void w.space().ascii(name),
}
