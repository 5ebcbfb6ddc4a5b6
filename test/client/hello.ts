import { bool, large, list, maybe, Reader, short, word16, ascii } from './encoding.ts'

export interface ServerHello {
  readonly minVersion: number
  readonly maxVersion: number
  readonly sessionId: Buffer
  readonly certificateKey: { readonly chain: readonly Buffer[]; readonly signedKey: Buffer } | undefined
  /** A signature over the challenge of a WebSocket client and the session id. */
  readonly proof: Buffer | undefined
}

/** VersionRange ‖ short(sessionId) ‖ [chain ‖ signed key] ‖ [short(proof)], the last two from version 7 and 19 on. */
export const parseServerHello = (bytes: Buffer): ServerHello => {
  const reader = new Reader(bytes)
  const minVersion = reader.word16()
  const maxVersion = reader.word16()
  const sessionId = Buffer.from(reader.short())
  const certificateKey =
    maxVersion >= 7
      ? { chain: reader.list(() => Buffer.from(reader.large())), signedKey: Buffer.from(reader.large()) }
      : undefined
  const proof = maxVersion >= 19 && reader.left > 0 ? Buffer.from(reader.short()) : undefined
  reader.end()
  return { minVersion, maxVersion, sessionId, certificateKey, proof }
}

export type ServiceRole = 'messaging' | 'notifier' | 'proxy'

export interface ServiceHello {
  readonly role: ServiceRole
  readonly chain: readonly Buffer[]
  readonly signedKey: Buffer
}

export interface ClientHello {
  readonly version: number
  readonly keyHash: Buffer
  readonly keySpki?: Buffer | undefined
  readonly proxyServer?: boolean | undefined
  readonly service?: ServiceHello | undefined
}

const roleLetter = { messaging: 'M', notifier: 'N', proxy: 'P' } as const

const encodeService = (service: ServiceHello): Buffer =>
  Buffer.concat([ascii(roleLetter[service.role]), list(service.chain.map(large)), large(service.signedKey)])

/** The optional key has no tag of its own; the proxy flag exists from v14 on, the service from v16 on. */
export const encodeClientHello = (hello: ClientHello): Buffer => {
  const parts = [word16(hello.version), short(hello.keyHash)]
  if (hello.version >= 7 && hello.keySpki) parts.push(short(hello.keySpki))
  if (hello.version >= 14) parts.push(bool(hello.proxyServer ?? false))
  if (hello.version >= 16) parts.push(maybe(hello.service && encodeService(hello.service)))
  return Buffer.concat(parts)
}

/** `R` ‖ short(serviceId), or an error text. */
export const parseServiceResponse = (bytes: Buffer): { serviceId: Buffer } | { error: string } => {
  const reader = new Reader(bytes)
  const tag = String.fromCharCode(reader.byte())
  if (tag === 'E') return { error: reader.tail().toString('latin1') }
  if (tag !== 'R') throw new Error(`service response: ${tag}`)
  const serviceId = Buffer.from(reader.short())
  reader.end()
  return { serviceId }
}
