import { once } from 'node:events'
import { constants } from 'node:crypto'
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

export const blockSize = 16384

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

/** Cuts the bytes of a socket into blocks; blocks wait until somebody asks for them. */
export class BlockStream {
  readonly socket: TLSSocket
  readonly closed: Promise<void>
  #partial: Buffer[] = []
  #partialLength = 0
  readonly #ready: Buffer[] = []
  #handler: ((block: Buffer) => void) | undefined
  #open = true

  constructor(socket: TLSSocket) {
    this.socket = socket
    socket.on('data', (chunk: Buffer) => {
      this.#take(chunk)
    })
    socket.on('error', () => undefined)
    this.closed = new Promise((resolve) => {
      socket.on('close', () => {
        this.#open = false
        resolve()
      })
    })
  }

  get open(): boolean {
    return this.#open
  }

  /** Every block from now on, those that wait first. */
  onBlock(handler: (block: Buffer) => void): void {
    this.#handler = handler
    for (const block of this.#ready.splice(0)) handler(block)
  }

  async nextBlock(timeoutMs = 10_000): Promise<Buffer> {
    const waiting = this.#ready.shift()
    if (waiting) return waiting
    return new Promise((resolve, reject) => {
      const settle = (act: () => void): void => {
        clearTimeout(timer)
        this.#handler = undefined
        act()
      }
      const timer = setTimeout(() => settle(() => reject(new Error('no block came'))), timeoutMs)
      this.#handler = (block) => settle(() => resolve(block))
      void this.closed.then(() => settle(() => reject(new Error('the connection was closed'))))
    })
  }

  /** Any bytes, framed or not. */
  write(bytes: Buffer): boolean {
    return this.socket.write(bytes)
  }

  close(): void {
    this.socket.destroy()
  }

  #take(chunk: Buffer): void {
    let rest = chunk
    while (this.#partialLength + rest.length >= blockSize) {
      const missing = blockSize - this.#partialLength
      const head = rest.subarray(0, missing)
      this.#emit(this.#partialLength === 0 ? head : Buffer.concat([...this.#partial, head], blockSize))
      this.#partial = []
      this.#partialLength = 0
      rest = rest.subarray(missing)
    }
    if (rest.length === 0) return
    this.#partial.push(rest)
    this.#partialLength += rest.length
  }

  #emit(block: Buffer): void {
    if (this.#handler) this.#handler(block)
    else this.#ready.push(block)
  }
}

export interface Session {
  readonly stream: BlockStream
  readonly hello: ServerHello
  readonly version: number
  readonly auth: SessionAuth
  readonly cipher: ClientBlockCipher | undefined
  /** Of the keys in both hellos; proxies seal with it. */
  readonly box: BoxKey | undefined
  readonly serviceId: Buffer | undefined
}

/** Reads the server hello and checks all that an app checks. */
export const receiveHello = async (
  stream: BlockStream,
  keyHash: Buffer,
  timeoutMs?: number,
): Promise<{ hello: ServerHello; serverKeySpki: Buffer | undefined }> => {
  const hello = parseServerHello(unpad(await stream.nextBlock(timeoutMs)))
  const finished = stream.socket.getFinished()
  if (!finished || !hello.sessionId.equals(finished)) throw new Error('the session id is not the one of TLS')
  const tlsChain = peerChain(stream.socket)
  checkChain(tlsChain, keyHash)
  if (!hello.certificateKey) return { hello, serverKeySpki: undefined }
  const { chain, signedKey } = hello.certificateKey
  if (chain.length !== tlsChain.length || !chain.every((one, index) => tlsChain[index]?.equals(one)))
    throw new Error('the chain in the hello is not the one of TLS')
  const [leaf] = chain
  if (!leaf) throw new Error('an empty chain')
  return { hello, serverKeySpki: openSignedKey(signedKey, leaf) }
}

const startService = ({ service }: ConnectOptions): { sessionKey: AuthKey<'ed25519'>; certHash: Buffer } | undefined =>
  service && {
    sessionKey: generateKey('ed25519'),
    certHash: fingerprint(identityOf(service.certificate.chain)),
  }

/** TLS and the SMP handshake. */
export const openSession = async (address: RelayAddress, options: ConnectOptions = {}): Promise<Session> => {
  const stream = new BlockStream(await openTls(address, options))
  try {
    return await shakeHands(stream, address, options)
  } catch (error) {
    stream.close()
    throw error
  }
}

const shakeHands = async (stream: BlockStream, address: RelayAddress, options: ConnectOptions): Promise<Session> => {
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

const receiveServiceId = async (stream: BlockStream, timeoutMs?: number): Promise<Buffer> => {
  const response = parseServiceResponse(unpad(await stream.nextBlock(timeoutMs)))
  if ('error' in response) throw new Error(`service refused: ${response.error}`)
  return response.serviceId
}
