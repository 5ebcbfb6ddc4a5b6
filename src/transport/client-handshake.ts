import { timingSafeEqual } from 'node:crypto'
import { dh } from '../crypto/box.ts'
import { clientBlockCipher } from '../crypto/chain.ts'
import { certificateFingerprint } from '../crypto/fingerprint.ts'
import { generateDhKeyPair, generateSigningKey, type DhKey, type SigningKey } from '../crypto/keys.ts'
import { pad, unpad } from '../crypto/pad.ts'
import { decodeSignedKey, encodeSignedKey } from '../crypto/signed-key.ts'
import { certificateKey, identityCertificate, verifyChain } from '../crypto/x509.ts'
import type { CertChainKey } from '../protocol/fields.ts'
import {
  encodeClientHello,
  parseServerHello,
  parseServiceResponse,
  type ServerHello,
  type ServiceRole,
} from '../protocol/hello.ts'
import type { ServiceId } from '../protocol/ids.ts'
import { BLOCK_SIZE } from '../protocol/limits.ts'
import { FULL_RANGE, intersectRanges, since, type VersionRange } from '../protocol/versions.ts'
import type { BlockChannel } from './channel.ts'
import { failConnect } from './failure.ts'
import { receiveBlock } from './receive-block.ts'
import { SmpLink } from './smp-link.ts'
import type { ServiceCredentials } from './tls-client.ts'

export interface ClientHandshakeOptions {
  /** Versions that this side speaks; all when absent. */
  readonly range?: VersionRange
  /** This side is a relay that forwards the commands of others: no block encryption. */
  readonly proxy?: boolean
  readonly service?: ServiceCredentials
  readonly now?: () => Date
}

/** What a client learned in its handshake. */
export interface RelaySession {
  readonly link: SmpLink
  /** Versions that both sides speak. */
  readonly range: VersionRange
  /** The relay's X25519 session key; undefined when its hello had none. */
  readonly relayKey: DhKey | undefined
  /** Certificates and signed session key exactly as the relay sent them. */
  readonly certKey: CertChainKey | undefined
  readonly service: { readonly serviceId: ServiceId; readonly sessionKey: SigningKey } | undefined
}

/** Proxies speak no more than this where there is no proxy flag, so that blocks stay unencrypted. */
const MAX_WITHOUT_PROXY_FLAG = 10

/**
 * Checks the chain that a relay sent in TLS (wire format §11): 2..4 certificates, the identity of the address, valid.
 * ConnectError otherwise.
 */
export function checkRelayChain(chain: readonly Buffer[], keyHash: Buffer, now: Date): void {
  if (chain.length < 2) {
    failConnect('tls', 'identity', `The relay sent ${chain.length} certificates instead of its chain of 2 to 4.`)
  }
  if (!isIdentity(chain, keyHash)) {
    failConnect('tls', 'identity', 'The certificates are not those of the relay in the address (other fingerprint).')
  }
  const error = verifyChain(chain, now)
  if (error !== undefined) failConnect('tls', 'identity', `The certificates of the relay are not valid (${error}).`)
}

/** The client's side of the SMP handshake (wire format §4). ConnectError when it fails. */
export async function joinRelay(
  channel: BlockChannel,
  keyHash: Buffer,
  deadline: number,
  options: ClientHandshakeOptions,
): Promise<RelaySession> {
  const hello = parseServerHello(await handshakeBlock(channel, deadline))
  if (hello === undefined) return failConnect('handshake', 'protocol', 'The relay did not send an SMP hello.')
  if (!sameBytes(hello.sessionId, channel.sessionId)) {
    failConnect('handshake', 'session', 'Relay and client are not in one TLS session: something stands between them.')
  }
  const range = commonRange(hello.range, options)
  const version = range.max
  const relayKey = hello.certKey && sessionKeyOf(hello.certKey, channel.peerCertificates, keyHash)
  const agreesSecret = relayKey !== undefined && version >= since.impliedSessionId

  const sessionKeys = generateDhKeyPair()
  const secret = agreesSecret ? dh(sessionKeys.privateKey, relayKey) : undefined
  if (agreesSecret && secret === undefined) {
    failConnect('handshake', 'protocol', 'The session key of the relay is not a usable one.')
  }
  const proxy = options.proxy === true
  const service = serviceHello(options.service, version)
  channel.write(
    pad(
      encodeClientHello({
        version,
        keyHash,
        proxy,
        ...(agreesSecret && { key: sessionKeys.publicKey }),
        ...(service && { service: service.hello }),
      }),
      BLOCK_SIZE,
    ),
  )
  const serviceId = service && (await acceptedService(channel, deadline))
  const encrypted = version >= since.blockEncryption && !proxy
  const link = new SmpLink(channel, {
    version,
    range,
    sessionKeys,
    proxy,
    ...(secret && { sessionSecret: secret }),
    ...(secret && encrypted && { cipher: clientBlockCipher(channel.sessionId, secret) }),
  })
  return {
    link,
    range,
    relayKey,
    certKey: hello.certKey,
    service: service && serviceId !== undefined ? { serviceId, sessionKey: service.sessionKey } : undefined,
  }
}

async function handshakeBlock(channel: BlockChannel, deadline: number): Promise<Buffer> {
  const block = await receiveBlock(channel, deadline)
  if (block === 'timeout') return failConnect('handshake', 'timeout', 'The relay did not answer in the handshake.')
  if (block === 'closed') return failConnect('handshake', 'closed', 'The relay closed the connection in the handshake.')
  return unpad(block) ?? failConnect('handshake', 'protocol', 'The relay sent something that is no SMP block.')
}

function commonRange(
  offered: ServerHello['range'],
  { range = FULL_RANGE, proxy }: ClientHandshakeOptions,
): VersionRange {
  const lowered = proxy === true && Math.min(offered.max, range.max) < since.proxyFlag
  const own = lowered
    ? { min: range.min, max: Math.max(range.min, Math.min(range.max, MAX_WITHOUT_PROXY_FLAG)) }
    : range
  return (
    intersectRanges(offered, own) ??
    failConnect('handshake', 'version', `The relay speaks SMP ${offered.min} to ${offered.max}, this side does not.`)
  )
}

function sessionKeyOf({ chain, signedKey }: CertChainKey, tlsChain: readonly Buffer[], keyHash: Buffer): DhKey {
  if (chain.length < 2 || !isIdentity(chain, keyHash)) {
    failConnect('handshake', 'identity', 'The certificates in the hello are not those of the relay in the address.')
  }
  const [leaf] = tlsChain
  const leafKey = leaf && certificateKey(leaf)
  const signed = decodeSignedKey(signedKey)
  if (leafKey === undefined || signed?.key.alg !== 'x25519' || !signed.verify(leafKey)) {
    return failConnect('handshake', 'identity', 'The session key is not signed by the certificate of the relay.')
  }
  return { alg: signed.key.alg, raw: signed.key.raw }
}

interface OwnServiceHello {
  readonly hello: CertChainKey & { readonly role: ServiceRole }
  readonly sessionKey: SigningKey
}

/** Services of messaging clients exist since v19, the others since v16. */
function serviceHello(service: ServiceCredentials | undefined, version: number): OwnServiceHello | undefined {
  if (service === undefined) return undefined
  if (version < (service.role === 'M' ? since.serviceHash : since.services)) return undefined
  const sessionKey = generateSigningKey('ed25519')
  if (sessionKey.publicKey.alg !== 'ed25519') throw new Error('an Ed25519 key of another algorithm')
  const key = { alg: sessionKey.publicKey.alg, raw: sessionKey.publicKey.raw }
  const signedKey = encodeSignedKey(key, service.signingKey)
  return { hello: { role: service.role, chain: service.chain, signedKey }, sessionKey }
}

async function acceptedService(channel: BlockChannel, deadline: number): Promise<ServiceId> {
  const response = parseServiceResponse(await handshakeBlock(channel, deadline))
  if (response === undefined) return failConnect('handshake', 'protocol', 'The relay gave no answer to the service.')
  if (response.type === 'R') return response.serviceId
  const { error } = response
  const text = error.type === 'HANDSHAKE' ? error.error : error.type
  return failConnect('handshake', 'service', `The relay does not accept this service (${text}).`)
}

function isIdentity(chain: readonly Buffer[], keyHash: Buffer): boolean {
  const identity = identityCertificate(chain)
  return identity !== undefined && sameBytes(certificateFingerprint(identity), keyHash)
}

function sameBytes(a: Buffer, b: Buffer): boolean {
  return a.length === b.length && timingSafeEqual(a, b)
}
