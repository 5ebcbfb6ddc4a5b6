import { refuse, type Reader } from './reader.ts'
import type { Writer } from './writer.ts'

const PLAIN = ['BLOCK', 'VERSION', 'LARGE_MSG', 'SESSION', 'NO_AUTH'] as const
const HANDSHAKE = ['PARSE', 'IDENTITY', 'BAD_AUTH', 'BAD_SERVICE'] as const

export type HandshakeError = (typeof HANDSHAKE)[number]

export type TransportError =
  { readonly type: (typeof PLAIN)[number] } | { readonly type: 'HANDSHAKE'; readonly error: HandshakeError }

/**
 *     transportError = "BLOCK" / "VERSION" / "LARGE_MSG" / "SESSION" / "NO_AUTH"
 *                    / "HANDSHAKE" SP ( "PARSE" / "IDENTITY" / "BAD_AUTH" / "BAD_SERVICE" )
 */
export function readTransportError(r: Reader): TransportError {
  const word = r.word()
  if (word === 'HANDSHAKE') {
    r.space()
    return { type: word, error: oneOf(HANDSHAKE, r.word()) }
  }
  return { type: oneOf(PLAIN, word) }
}

export function writeTransportError(w: Writer, error: TransportError): void {
  w.ascii(error.type)
  if (error.type === 'HANDSHAKE') w.space().ascii(error.error)
}

function oneOf<T extends string>(words: readonly T[], word: string): T {
  return words.find((known) => known === word) ?? refuse()
}
