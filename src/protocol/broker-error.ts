import { refuse, type Reader } from './reader.ts'
import { readTransportError, writeTransportError, type TransportError } from './transport-error.ts'
import type { Writer } from './writer.ts'

/** What went wrong between a proxy and the relay (SMP commands §7.3). */
export type BrokerError =
  | { readonly type: 'NETWORK' | 'TIMEOUT' | 'HOST' | 'NO_SERVICE' }
  | { readonly type: 'RESPONSE' | 'UNEXPECTED'; readonly message: string }
  | { readonly type: 'TRANSPORT'; readonly error: TransportError }

const NETWORK_WORDS = ['UNKNOWNCA', 'FAILED', 'TIMEOUT']
const NETWORK_WORDS_WITH_TEXT = ['CONNECT', 'TLS', 'SUBSCRIBE']

/**
 *     brokerError  = "TIMEOUT" / "HOST" / "NO_SERVICE" / "NETWORK" [ SP networkError ]
 *                  / ( "RESPONSE" / "UNEXPECTED" ) SP short(text) / "TRANSPORT" SP transportError
 *     networkError = "UNKNOWNCA" / "FAILED" / "TIMEOUT" / ( "CONNECT" / "TLS" / "SUBSCRIBE" ) SP short(text)
 *
 * The detail of NETWORK is accepted and dropped: relays of this generation do not send it.
 */
export function readBrokerError(r: Reader): BrokerError {
  const word = r.word()
  switch (word) {
    case 'TIMEOUT':
    case 'HOST':
    case 'NO_SERVICE':
      return { type: word }
    case 'NETWORK':
      if (r.remaining > 0) skipNetworkError(r)
      return { type: word }
    case 'RESPONSE':
    case 'UNEXPECTED':
      r.space()
      return { type: word, message: r.shortText() }
    case 'TRANSPORT':
      r.space()
      return { type: word, error: readTransportError(r) }
    default:
      return refuse()
  }
}

export function writeBrokerError(w: Writer, error: BrokerError): void {
  w.ascii(error.type)
  if (error.type === 'RESPONSE' || error.type === 'UNEXPECTED') w.space().short(shortened(error.message))
  if (error.type === 'TRANSPORT') writeTransportError(w.space(), error.error)
}

function skipNetworkError(r: Reader): void {
  r.space()
  const word = r.word()
  if (NETWORK_WORDS.includes(word)) return
  if (!NETWORK_WORDS_WITH_TEXT.includes(word)) refuse()
  r.space()
  r.shortText()
}

/** At most 255 bytes of UTF-8, cut between characters: the text may be another relay's. */
function shortened(text: string): Buffer {
  const bytes = Buffer.from(text, 'utf8')
  if (bytes.length <= 255) return bytes
  let end = 255
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end--
  return bytes.subarray(0, end)
}
