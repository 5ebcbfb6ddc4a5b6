import { once } from 'node:events'
import { constants, verify, X509Certificate } from 'node:crypto'
import type { Socket } from 'node:net'
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls'
import { SocksClient } from 'socks'
import {
  checkChain,
  openSignedKey,
  peerChain,
  signKey,
  fingerprint,
  identityOf,
  type ServiceCertificate,
} from './certificates.ts'
import { BlockStream, blockSize, type BlockSource } from './blocks.ts'
import { boxKey, type BoxKey } from './box.ts'
import { ClientBlockCipher } from './chain.ts'
import type { SessionAuth } from './authorization.ts'
import { pad, unpad } from './encoding.ts'
import {
  encodeClientHello,
  parseServerHello,
  parseServiceResponse,
  type ServerHello,
  type ServiceRole,
} from './hello.ts'
import { agree, generateKey, x25519PublicKey, type AuthKey } from './keys.ts'
import { openWebSocket, type WebSocketOptions } from './websocket.ts'

export { BlockStream, blockSize } from './blocks.ts'

export interface RelayAddress {
  readonly host: string
  readonly port: number
  /** SHA-256 of the identity certificate */
  readonly keyHash: Buffer
}

export interface ConnectOptions {
  /** Sent exactly as it is, whatever the relay offers. Otherwise the highest of both. */
  readonly version?: number
  readonly maxVersion?: number
  /** `false`: no ALPN extension at all. */
  readonly alpn?: readonly string[] | false
  /** Own X25519 key in the hello (v≥7); the default is to send it. */
  readonly clientKey?: boolean
  readonly proxyServer?: boolean
  readonly service?: { readonly certificate: ServiceCertificate; readonly role: ServiceRole }
  /** Another key hash in the hello than the one of the address. */
  readonly helloKeyHash?: Buffer
  readonly socks?: {
    readonly host: string
    readonly port: number
    readonly userId?: string
    readonly password?: string
  }
  readonly timeoutMs?: number
  /** Blocks in WebSocket messages; the other TLS options have no effect then. */
  readonly webSocket?: WebSocketOptions
  /** Further TLS options (versions, ciphers, curves). */
  readonly tls?: ConnectionOptions
}

const tlsOptions = ({ alpn = ['smp/1'], service, tls }: ConnectOptions): ConnectionOptions => ({
  minVersion: 'TLSv1.3',
  maxVersion: 'TLSv1.3',
  ciphers: 'TLS_CHACHA20_POLY1305_SHA256:ECDHE-ECDSA-CHACHA20-POLY1305',
  sigalgs: 'ed448:ed25519',
  ecdhCurve: 'X448:X25519',
  rejectUnauthorized: false,
  secureOptions: constants.SSL_OP_NO_TICKET,
  ...(alpn ? { ALPNProtocols: [...alpn] } : {}),
  ...(service ? { cert: service.certificate.certPem, key: service.certificate.keyPem } : {}),
  ...tls,
})

const throughSocks = async (address: RelayAddress, options: ConnectOptions): Promise<Socket | undefined> => {
  if (!options.socks) {
    if (address.host.endsWith('.onion')) throw new Error('an onion address needs a SOCKS proxy')
    return undefined
  }
  const { socket } = await SocksClient.createConnection({
    proxy: { ...options.socks, type: 5 },
    command: 'connect',
    destination: { host: address.host, port: address.port },
    timeout: options.timeoutMs ?? 60_000,
  })
  return socket
}

/** A TLS connection to a relay, nothing sent yet. */
export const openTls = async (address: RelayAddress, options: ConnectOptions = {}): Promise<TLSSocket> => {
  const tunnel = await throughSocks(address, options)
  const socket = connect({
    ...tlsOptions(options),
    ...(tunnel ? { socket: tunnel } : { host: address.host, port: address.port }),
  })
  socket.setNoDelay(true)
  const signal = AbortSignal.timeout(options.timeoutMs ?? 20_000)
  try {
    await once(socket, 'secureConnect', { signal })
  } catch (error) {
    socket.destroy()
    throw error
  }
  return socket
}

export interface Session {
  readonly stream: BlockSource
  readonly hello: ServerHello
  readonly version: number
  readonly auth: SessionAuth
  readonly cipher: ClientBlockCipher | undefined
  /** Of the keys in both hellos; proxies seal with it. */
  readonly box: BoxKey | undefined
  readonly serviceId: Buffer | undefined
}

/** Reads the server hello and checks all that an app, or a web client, checks. */
export const receiveHello = async (
  stream: BlockSource,
  keyHash: Buffer,
  timeoutMs?: number,
): Promise<{ hello: ServerHello; serverKeySpki: Buffer | undefined }> => {
  const hello = parseServerHello(unpad(await stream.nextBlock(timeoutMs)))
  const { sessionId } = stream
  if (sessionId && !hello.sessionId.equals(sessionId)) throw new Error('the session id is not the one of TLS')
  if (stream instanceof BlockStream) checkChain(peerChain(stream.socket), keyHash)
  if (!hello.certificateKey) return { hello, serverKeySpki: undefined }
  const { chain, signedKey } = hello.certificateKey
  if (stream instanceof BlockStream) checkSameChain(chain, peerChain(stream.socket))
  else checkChain(chain, keyHash)
  const [leaf] = chain
  if (!leaf) throw new Error('an empty chain')
  checkProof(stream.challenge, hello, leaf)
  return { hello, serverKeySpki: openSignedKey(signedKey, leaf) }
}

const checkSameChain = (chain: readonly Buffer[], tlsChain: readonly Buffer[]): void => {
  if (chain.length !== tlsChain.length || !chain.every((one, index) => tlsChain[index]?.equals(one)))
    throw new Error('the chain in the hello is not the one of TLS')
}

/** The leaf's signature over challenge ‖ session id, exactly when a challenge was given. */
const checkProof = (challenge: Buffer | undefined, { sessionId, proof }: ServerHello, leaf: Buffer): void => {
  if (!challenge) {
    if (proof) throw new Error('a proof of identity that nobody asked for')
    return
  }
  const { publicKey } = new X509Certificate(leaf)
  if (!proof || !verify(null, Buffer.concat([challenge, sessionId]), publicKey, proof))
    throw new Error(proof ? 'a wrong proof of identity' : 'no proof of identity')
}

const startService = ({ service }: ConnectOptions): { sessionKey: AuthKey<'ed25519'>; certHash: Buffer } | undefined =>
  service && {
    sessionKey: generateKey('ed25519'),
    certHash: fingerprint(identityOf(service.certificate.chain)),
  }

/** TLS and the SMP handshake. */
export const openSession = async (address: RelayAddress, options: ConnectOptions = {}): Promise<Session> => {
  const stream = options.webSocket
    ? await openWebSocket(address, options)
    : new BlockStream(await openTls(address, options))
  try {
    return await shakeHands(stream, address, options)
  } catch (error) {
    stream.close()
    throw error
  }
}

/** The SMP handshake on a connection that is there already. */
export const shakeHands = async (
  stream: BlockSource,
  address: RelayAddress,
  options: ConnectOptions,
): Promise<Session> => {
  const { hello, serverKeySpki } = await receiveHello(stream, address.keyHash, options.timeoutMs)
  const version = options.version ?? Math.min(hello.maxVersion, options.maxVersion ?? 20)
  const ownKey = version >= 7 && serverKeySpki && options.clientKey !== false ? generateKey('x25519') : undefined
  const service = startService(options)
  stream.write(
    pad(
      encodeClientHello({
        version,
        keyHash: options.helloKeyHash ?? address.keyHash,
        keySpki: ownKey?.spki,
        proxyServer: options.proxyServer,
        service: options.service &&
          service && {
            role: options.service.role,
            chain: options.service.certificate.chain,
            signedKey: signKey(service.sessionKey.spki, options.service.certificate.key),
          },
      }),
      blockSize,
    ),
  )
  const serviceId = service && version >= 16 ? await receiveServiceId(stream, options.timeoutMs) : undefined
  const secret = ownKey && serverKeySpki && agree(ownKey, serverKeySpki)
  const encrypted = version >= 11 && !(options.proxyServer && version >= 14) // the flag exists from v14 on
  return {
    stream,
    hello,
    version,
    auth: {
      version,
      sessionId: hello.sessionId,
      serverKey: serverKeySpki && x25519PublicKey(serverKeySpki),
      authenticatorKeys: new WeakMap(),
      service,
    },
    cipher: encrypted && secret ? new ClientBlockCipher(hello.sessionId, secret) : undefined,
    box: secret && boxKey(secret),
    serviceId,
  }
}

const receiveServiceId = async (stream: BlockSource, timeoutMs?: number): Promise<Buffer> => {
  const response = parseServiceResponse(unpad(await stream.nextBlock(timeoutMs)))
  if ('error' in response) throw new Error(`service refused: ${response.error}`)
  return response.serviceId
}
