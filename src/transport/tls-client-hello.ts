import { parsePrefix, refuse, type Reader } from '../protocol/reader.ts'

/** What a TLS client asks for in its first message, before anything is encrypted or agreed. */
export interface TlsClientHello {
  /** Whether it sent a server name (SNI, RFC 6066 §3). */
  readonly hasServerName: boolean
  /** The protocols that it offered in ALPN (RFC 7301), in its order; undefined without ALPN. */
  readonly protocols: readonly string[] | undefined
}

/** More than any client needs, with keys of post-quantum groups and padding. */
const MAX_HELLO = 16_384
/** Of all records that carry it; no client splits it further. */
const MAX_RECORD_BYTES = 32_768

const RECORD_HEADER = 5
const MAX_RECORD = 16_384
const HANDSHAKE_RECORD = 22
const HANDSHAKE_HEADER = 4
const CLIENT_HELLO = 1
const SERVER_NAME = 0
const HOST_NAME = 0
const ALPN = 16

/**
 * Reads the ClientHello at the start of a connection (RFC 8446 §4.1.2, §5.1); it may be spread over records. Bytes that
 * cannot be the start of one are `other`, whatever the reason.
 */
export function parseTlsClientHello(bytes: Buffer): TlsClientHello | 'incomplete' | 'other' {
  const message = handshakeMessage(bytes)
  if (!Buffer.isBuffer(message)) return message
  return parsePrefix(message, readHello) ?? 'other'
}

/** The first handshake message without its header, out of the records that carry it. */
function handshakeMessage(bytes: Buffer): Buffer | 'incomplete' | 'other' {
  const fragments: Buffer[] = []
  let collected = 0
  let wanted: number | undefined
  for (let offset = 0; ;) {
    if (offset > MAX_RECORD_BYTES || (offset < bytes.length && bytes[offset] !== HANDSHAKE_RECORD)) return 'other'
    if (bytes.length - offset < RECORD_HEADER) return 'incomplete'
    const length = bytes.readUInt16BE(offset + 3)
    if (length === 0 || length > MAX_RECORD) return 'other'
    const start = offset + RECORD_HEADER
    offset = start + length
    fragments.push(bytes.subarray(start, offset))
    collected += Math.min(length, bytes.length - start)
    if (wanted === undefined && collected >= HANDSHAKE_HEADER) {
      const header = Buffer.concat(fragments).readUInt32BE(0)
      wanted = HANDSHAKE_HEADER + (header & 0xff_ff_ff)
      if (header >>> 24 !== CLIENT_HELLO || wanted > MAX_HELLO) return 'other'
    }
    if (wanted !== undefined && collected >= wanted) return Buffer.concat(fragments).subarray(HANDSHAKE_HEADER, wanted)
    if (offset > bytes.length) return 'incomplete'
  }
}

/**
 *     hello     = word16(version) 32random short(session) large(suites) short(compression) [ large(extensions) ]
 *     extension = word16(type) large(data)
 */
function readHello(r: Reader): TlsClientHello {
  r.take(2 + 32)
  r.short()
  r.large()
  r.short()
  let hasServerName = false
  let protocols: readonly string[] | undefined
  if (r.remaining === 0) return { hasServerName, protocols }
  for (const { type, data } of vector(r.large(), readExtension)) {
    if (type === SERVER_NAME) hasServerName = only(data, readServerNames).includes(HOST_NAME)
    if (type === ALPN) protocols = only(data, (list) => vector(list.large(), readProtocol))
  }
  return { hasServerName, protocols }
}

function readExtension(r: Reader): { type: number; data: Buffer } {
  return { type: r.word16(), data: r.large() }
}

/** The types of the names. */
function readServerNames(r: Reader): number[] {
  return vector(r.large(), (names) => {
    const type = names.byte()
    names.large()
    return type
  })
}

function readProtocol(r: Reader): string {
  return r.short().toString('latin1')
}

function vector<T>(bytes: Buffer, read: (reader: Reader) => T): T[] {
  return only(bytes, (r) => {
    const items: T[] = []
    while (r.remaining > 0) items.push(read(r))
    return items
  })
}

function only<T>(bytes: Buffer, read: (reader: Reader) => T): T {
  return parsePrefix(bytes, read) ?? refuse()
}
