import { timingSafeEqual } from 'node:crypto'
import { serverBlockCipher } from '../crypto/chain.ts'
import { dh } from '../crypto/box.ts'
import { certificateFingerprint } from '../crypto/fingerprint.ts'
import { generateDhKeyPair, sign, type DhKeyPair } from '../crypto/keys.ts'
import { pad, unpad } from '../crypto/pad.ts'
import { decodeSignedKey, encodeSignedKey } from '../crypto/signed-key.ts'
import { certificateKey, identityCertificate, MAX_CHAIN_LENGTH, verifyChain } from '../crypto/x509.ts'
import {
  encodeServerHello,
  encodeServiceResponse,
  parseClientHello,
  type ClientHello,
  type ClientServiceHello,
  type ServiceResponse,
  type ServiceRole,
} from '../protocol/hello.ts'
import type { ServiceId } from '../protocol/ids.ts'
import { BLOCK_SIZE, KEY_HASH_SIZE } from '../protocol/limits.ts'
import { FULL_RANGE, includesVersion, LEGACY_RANGE, since, type VersionRange } from '../protocol/versions.ts'
import type { BlockChannel } from './channel.ts'
import type { RelayCredentials } from './credentials.ts'
import { receiveBlock } from './receive-block.ts'
import { SmpLink, type ClientService } from './smp-link.ts'

/** A service as authenticated by TLS and its hello. */
export interface ServiceHello {
  readonly role: ServiceRole
  /** DER, leaf first, 1..4. */
  readonly certificates: readonly Buffer[]
  /** SHA-256 of the identity certificate, 32 bytes. */
  readonly certHash: Buffer
}

/** Finds or creates the service; undefined (or a rejection) when that fails, as when it is registered with another role. */
export type LookupService = (hello: ServiceHello) => ServiceId | undefined | Promise<ServiceId | undefined>

export interface HandshakeOptions {
  readonly credentials: Pick<RelayCredentials, 'chain' | 'signingKey' | 'identityHash'>
  /** Versions offered to clients that negotiated ALPN; the others get only v6. */
  readonly range?: VersionRange
  /** For the whole handshake; 120 s when absent. */
  readonly timeoutMs?: number
  /** What a WebSocket client wants the relay to sign with its identity (wire format of WebSockets §5), 32 bytes. */
  readonly challenge?: Buffer
  /** Without it no service is accepted. */
  readonly lookupService?: LookupService
  readonly now?: () => Date
}

const HANDSHAKE_TIMEOUT_MS = 120_000

/**
 * The relay's side of the SMP handshake (wire format §4). undefined: the channel has been closed, because the client
 * sent no valid hello in time, expected another relay or a version that was not offered, or is not a service that it
 * claims to be.
 */
export async function acceptHandshake(channel: BlockChannel, options: HandshakeOptions): Promise<SmpLink | undefined> {
  const link = await handshake(channel, options)
  if (link === undefined) channel.close()
  return link
}

async function handshake(channel: BlockChannel, options: HandshakeOptions): Promise<SmpLink | undefined> {
  const { credentials } = options
  const offered = channel.alpn === undefined ? LEGACY_RANGE : (options.range ?? FULL_RANGE)
  const sessionKeys = generateDhKeyPair()
  channel.write(pad(serverHello(channel.sessionId, offered, sessionKeys, options), BLOCK_SIZE))

  const deadline = performance.now() + (options.timeoutMs ?? HANDSHAKE_TIMEOUT_MS)
  const block = await receiveBlock(channel, deadline)
  const bytes = typeof block === 'string' ? undefined : unpad(block)
  const hello = bytes && parseClientHello(bytes)
  if (hello === undefined || !isForThisRelay(hello, credentials.identityHash)) return undefined
  if (!includesVersion(offered, hello.version)) return undefined

  const secret = hello.key && dh(sessionKeys.privateKey, hello.key)
  if (hello.key !== undefined && secret === undefined) return undefined
  const service = hello.service && (await acceptService(channel, hello.service, options))
  if (hello.service !== undefined && service === undefined) return undefined

  const encrypted = hello.version >= since.blockEncryption && !hello.proxy
  const [privateKey, publicKey, clientKey, sessionSecret] = ownMemory([
    sessionKeys.privateKey,
    sessionKeys.publicKey.raw,
    hello.key?.raw,
    secret,
  ])
  return new SmpLink(channel, {
    version: hello.version,
    range: { min: offered.min, max: hello.version },
    sessionKeys: { privateKey, publicKey: { alg: 'x25519', raw: publicKey } },
    proxy: hello.proxy,
    ...(clientKey && { clientKey: { alg: 'x25519', raw: clientKey } }),
    ...(sessionSecret && { sessionSecret }),
    ...(sessionSecret && encrypted && { cipher: serverBlockCipher(channel.sessionId, sessionSecret) }),
    ...(service && { service }),
  })
}

/**
 * Copies what a connection keeps into memory of its own: the parts of a parsed block, and Node's small buffers, are
 * slices that would keep larger buffers alive.
 */
function ownMemory<T extends readonly (Buffer | undefined)[]>(parts: readonly [...T]): T
function ownMemory(parts: readonly (Buffer | undefined)[]): (Buffer | undefined)[] {
  const memory = Buffer.allocUnsafeSlow(parts.reduce((sum, part) => sum + (part?.length ?? 0), 0))
  let at = 0
  return parts.map((part) => part && memory.subarray(at, (at += part.copy(memory, at))))
}

function serverHello(
  sessionId: Buffer,
  range: VersionRange,
  sessionKeys: DhKeyPair,
  { credentials, challenge }: HandshakeOptions,
): Buffer {
  if (range.max < since.impliedSessionId) return encodeServerHello({ range, sessionId })
  const { chain, signingKey } = credentials
  const signedKey = encodeSignedKey(sessionKeys.publicKey, signingKey)
  return encodeServerHello({
    range,
    sessionId,
    certKey: { chain, signedKey },
    ...(challenge && { identityProof: sign(signingKey, Buffer.concat([challenge, sessionId])) }),
  })
}

function isForThisRelay({ keyHash }: ClientHello, identityHash: Buffer): boolean {
  return keyHash.length === KEY_HASH_SIZE && timingSafeEqual(keyHash, identityHash)
}

/** Answers the client's claim to be a service (wire format §4.4); undefined when it was refused. */
async function acceptService(
  channel: BlockChannel,
  hello: ClientServiceHello,
  { lookupService, now }: HandshakeOptions,
): Promise<ClientService | undefined> {
  const respond = (response: ServiceResponse): void => {
    channel.write(pad(encodeServiceResponse(response), BLOCK_SIZE))
  }
  const authenticated = authenticatedService(channel, hello, now?.() ?? new Date())
  if (authenticated === undefined) {
    respond({ type: 'E', error: { type: 'HANDSHAKE', error: 'BAD_AUTH' } })
    return undefined
  }
  const { role, chain } = hello
  const { certHash, sessionKey } = authenticated
  const serviceId = await foundService(lookupService, { role, certificates: chain, certHash })
  if (serviceId === undefined) {
    respond({ type: 'E', error: { type: 'HANDSHAKE', error: 'BAD_SERVICE' } })
    return undefined
  }
  respond({ type: 'R', serviceId })
  return { serviceId, role, certificates: chain, certHash, sessionKey }
}

/** The service's identity and session key, if its chain is that of TLS and valid, and the leaf signed the key. */
function authenticatedService(
  channel: BlockChannel,
  { chain, signedKey }: ClientServiceHello,
  now: Date,
): Pick<ClientService, 'certHash' | 'sessionKey'> | undefined {
  if (chain.length > MAX_CHAIN_LENGTH) return undefined
  const tlsChain = channel.peerCertificates
  if (chain.length !== tlsChain.length) return undefined
  if (!chain.every((certificate, index) => tlsChain[index]?.equals(certificate))) return undefined
  if (verifyChain(chain, now) !== undefined) return undefined
  const [leaf] = chain
  const leafKey = leaf && certificateKey(leaf)
  const identity = identityCertificate(chain)
  const signed = decodeSignedKey(signedKey)
  if (leafKey === undefined || identity === undefined || signed?.key.alg !== 'ed25519') return undefined
  if (!signed.verify(leafKey)) return undefined
  return { certHash: certificateFingerprint(identity), sessionKey: { alg: signed.key.alg, raw: signed.key.raw } }
}

/** When the store fails, the client gets BAD_SERVICE; the store reports the failure in the log. */
async function foundService(lookup: LookupService | undefined, hello: ServiceHello): Promise<ServiceId | undefined> {
  try {
    return await lookup?.(hello)
  } catch {
    return undefined
  }
}
