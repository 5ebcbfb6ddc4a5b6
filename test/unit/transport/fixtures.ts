import { randomBytes, X509Certificate } from 'node:crypto'
import { certificateFingerprint } from '../../../src/crypto/fingerprint.ts'
import { generateSigningKey, signingKeyToPem, type SigningAlg, type SigningKey } from '../../../src/crypto/keys.ts'
import { createCaCertificate, createServerCertificate } from '../../../src/crypto/x509-create.ts'
import { pad, unpad } from '../../../src/crypto/pad.ts'
import type { BlockChannel, ChannelHandlers, CloseReason } from '../../../src/transport/channel.ts'
import type { RelayCredentials } from '../../../src/transport/credentials.ts'

export interface TestCredentials extends RelayCredentials {
  readonly caPem: string
  readonly leafPem: string
  readonly caKey: SigningKey
}

export interface CredentialOptions {
  readonly alg?: SigningAlg
  readonly notBefore?: Date
}

const serial = (): Buffer => Buffer.concat([Buffer.of(0x11), randomBytes(19)])
const pemOf = (der: Buffer): string => new X509Certificate(der).toString()

/** A new relay identity with an online certificate under it. */
export function makeCredentials(options: CredentialOptions = {}): TestCredentials {
  const { alg = 'ed25519', notBefore = new Date(Date.now() - 60_000) } = options
  const caKey = generateSigningKey(alg)
  const signingKey = generateSigningKey(alg)
  const ca = createCaCertificate({ key: caKey, serial: serial(), notBefore })
  const leaf = createServerCertificate({
    key: signingKey.publicKey,
    commonName: 'localhost',
    ca: { certificate: ca, key: caKey },
    serial: serial(),
    notBefore,
  })
  return {
    chain: [leaf, ca],
    signingKey,
    identityHash: certificateFingerprint(ca),
    certPem: pemOf(leaf) + pemOf(ca),
    keyPem: signingKeyToPem(signingKey),
    caPem: pemOf(ca),
    leafPem: pemOf(leaf),
    caKey,
  }
}

/** One end of a connection in memory. */
export class MemoryChannel implements BlockChannel {
  readonly sessionId: Buffer
  readonly alpn: string | undefined
  readonly port = 5223
  readonly buffered = 0
  peerCertificates: readonly Buffer[] = []
  peer: MemoryChannel | undefined
  closed = false
  private handlers: ChannelHandlers | undefined
  private paused = true
  private readonly inbox: Buffer[] = []

  constructor(sessionId: Buffer, alpn: string | undefined) {
    this.sessionId = sessionId
    this.alpn = alpn
  }

  attach(handlers: ChannelHandlers): void {
    this.handlers = handlers
    if (this.closed) queueMicrotask(() => handlers.close('ended'))
    this.resume()
  }

  write(block: Buffer): boolean {
    const copy = Buffer.from(block)
    if (!this.closed) setImmediate(() => this.peer?.receive(copy))
    return true
  }

  pause(): void {
    this.paused = true
  }

  resume(): void {
    this.paused = false
    for (;;) {
      const block = this.isPaused() ? undefined : this.inbox.shift()
      if (block === undefined) return
      this.handlers?.block(block)
    }
  }

  close(): void {
    this.end('closed')
    setImmediate(() => this.peer?.end('ended'))
  }

  private isPaused(): boolean {
    return this.paused
  }

  private receive(block: Buffer): void {
    this.inbox.push(block)
    if (!this.paused) this.resume()
  }

  private end(reason: CloseReason): void {
    if (this.closed) return
    this.closed = true
    this.handlers?.close(reason)
  }
}

export interface MemoryPair {
  readonly server: MemoryChannel
  readonly client: MemoryChannel
}

export function memoryPair(alpn: string | undefined = 'smp/1'): MemoryPair {
  const sessionId = randomBytes(32)
  const server = new MemoryChannel(sessionId, alpn)
  const client = new MemoryChannel(sessionId, alpn)
  server.peer = client
  client.peer = server
  return { server, client }
}

/** The unpadded blocks that arrive, one by one. */
export function received(channel: BlockChannel): { readonly next: () => Promise<Buffer | 'closed'> } {
  const arrived: (Buffer | 'closed')[] = []
  const waiting: ((block: Buffer | 'closed') => void)[] = []
  const push = (block: Buffer | 'closed'): void => {
    const waiter = waiting.shift()
    if (waiter) waiter(block)
    else arrived.push(block)
  }
  channel.attach({
    block: (block) => push(unpad(block) ?? Buffer.alloc(0)),
    drain: () => undefined,
    close: () => push('closed'),
  })
  return {
    next: () => {
      const block = arrived.shift()
      return block === undefined ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(block)
    },
  }
}

export function block(text: string): Buffer {
  return pad(Buffer.from(text), 16384)
}

export function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
