import type { DhKey } from '../crypto/keys.ts'
import { readCertChainKey, readDhKey, writeCertChainKey, writeKey, type CertChainKey } from './fields.ts'
import type { ServiceId } from './ids.ts'
import { ED25519_SIGNATURE_SIZE, ED448_SIGNATURE_SIZE } from './limits.ts'
import { parsePrefix, refuse, type Reader } from './reader.ts'
import { readTransportError, writeTransportError, type TransportError } from './transport-error.ts'
import { since, type VersionRange } from './versions.ts'
import { Writer } from './writer.ts'

// Handshake messages (SMP wire format §4), without their padding. The receiver ignores what follows a message.

export interface ServerHello {
  readonly range: VersionRange
  /** The relay's tls-unique: 12, 32 or 48 bytes. */
  readonly sessionId: Buffer
  /** The relay's certificates and its X25519 session key; present when the range reaches v7. */
  readonly certKey?: CertChainKey
  /**
   * For WebSocket clients, when the range reaches v19: the relay's signature over their challenge and the session id,
   * 64 or 114 bytes.
   */
  readonly identityProof?: Buffer
}

/** M: messaging client, N: notification server, P: proxy. */
export type ServiceRole = 'M' | 'N' | 'P'

export interface ClientHello {
  readonly version: number
  /** The identity that the client expects of the relay, 32 bytes. */
  readonly keyHash: Buffer
  readonly key?: DhKey
  readonly proxy: boolean
  readonly service?: ClientServiceHello
}

/** The client's certificates and its Ed25519 session key. */
export interface ClientServiceHello extends CertChainKey {
  readonly role: ServiceRole
}

export type ServiceResponse =
  { readonly type: 'R'; readonly serviceId: ServiceId } | { readonly type: 'E'; readonly error: TransportError }

/**
 *     serverHello = versionRange short(sessionId)
 *                   [ certChainKey ]                     ; when max is 7 or more
 *                   [ short(identityProof) ]             ; since v19, to WebSocket clients that asked for it
 */
export function encodeServerHello({ range, sessionId, certKey, identityProof }: ServerHello): Buffer {
  const w = new Writer().versionRange(range).short(sessionId)
  if (certKey) writeCertChainKey(w, certKey)
  if (identityProof && range.max >= since.identityProof) w.short(identityProof)
  return w.done()
}

export function parseServerHello(bytes: Buffer): ServerHello | undefined {
  return parsePrefix(bytes, (r) => {
    const range = r.versionRange()
    const sessionId = r.shortCopy()
    const certKey = range.max >= since.impliedSessionId ? readCertChainKey(r) : undefined
    const identityProof = range.max >= since.identityProof ? r.attempt(readSignature) : undefined
    return { range, sessionId, ...(certKey && { certKey }), ...(identityProof && { identityProof }) }
  })
}

/**
 *     clientHello   = word16(version) short(keyHash)
 *                     [ dhKey ]                            ; since v7, present or absent without a tag
 *                     bool(proxy)                          ; since v14
 *                     maybe(clientService)                 ; since v16
 *     clientService = ( "M" / "N" / "P" ) certChainKey
 */
export function encodeClientHello({ version, keyHash, key, proxy, service }: ClientHello): Buffer {
  const w = new Writer().word16(version).short(keyHash)
  if (version >= since.impliedSessionId && key) writeKey(w, key)
  if (version >= since.proxyFlag) w.bool(proxy)
  if (version >= since.services) {
    w.maybe(service, ({ role, ...certKey }) => writeCertChainKey(w.ascii(role), certKey))
  }
  return w.done()
}

export function parseClientHello(bytes: Buffer): ClientHello | undefined {
  return parsePrefix(bytes, (r) => {
    const version = r.word16()
    const keyHash = r.shortCopy()
    const key = version >= since.impliedSessionId ? r.attempt(readDhKey) : undefined
    const proxy = version >= since.proxyFlag && r.bool()
    const service = version >= since.services ? r.maybe(readClientService) : undefined
    return { version, keyHash, ...(key && { key }), proxy, ...(service && { service }) }
  })
}

/** `serviceResponse = "R" short(serviceId) / "E" transportError` */
export function encodeServiceResponse(response: ServiceResponse): Buffer {
  const w = new Writer().ascii(response.type)
  if (response.type === 'R') w.shortLatin1(response.serviceId)
  else writeTransportError(w, response.error)
  return w.done()
}

export function parseServiceResponse(bytes: Buffer): ServiceResponse | undefined {
  return parsePrefix(bytes, (r) => {
    const type = r.letter(['R', 'E'])
    return type === 'R' ? { type, serviceId: r.id() } : { type, error: readTransportError(r) }
  })
}

function readSignature(r: Reader): Buffer {
  const signature = r.shortCopy()
  return signature.length === ED25519_SIGNATURE_SIZE || signature.length === ED448_SIGNATURE_SIZE ? signature : refuse()
}

function readClientService(r: Reader): ClientServiceHello {
  const role = r.letter(['M', 'N', 'P'])
  return { role, ...readCertChainKey(r) }
}
