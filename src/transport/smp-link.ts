import { PAYLOAD_OFFSET, type BlockCipher } from '../crypto/chain.ts'
import type { DhKey, DhKeyPair, PublicKey } from '../crypto/keys.ts'
import { pad, padInto, unpad } from '../crypto/pad.ts'
import type { ServiceRole } from '../protocol/hello.ts'
import type { ServiceId } from '../protocol/ids.ts'
import { BLOCK_SIZE } from '../protocol/limits.ts'
import { encodePayload, transmissionContext, type TransmissionContext } from '../protocol/transmission.ts'
import type { VersionRange } from '../protocol/versions.ts'
import type { BlockChannel } from './channel.ts'

/** Bytes before the payload of a plain block: its length. */
const LENGTH_SIZE = 2

/** The service that a client authenticated as. */
export interface ClientService {
  readonly serviceId: ServiceId
  readonly role: ServiceRole
  /** DER, leaf first. */
  readonly certificates: readonly Buffer[]
  /** SHA-256 of the service's identity certificate, 32 bytes. */
  readonly certHash: Buffer
  /** Signs the commands of this connection for the service. */
  readonly sessionKey: PublicKey<'ed25519'>
}

/** What the handshake agreed on (wire format §4.5). */
export interface SmpSession {
  readonly version: number
  /** What this relay offered, up to `version`. */
  readonly range: VersionRange
  /** This side's X25519 pair, made for this connection alone. */
  readonly sessionKeys: DhKeyPair
  readonly clientKey?: DhKey
  /** X25519 of `clientKey` and `sessionKeys`, 32 bytes. */
  readonly sessionSecret?: Buffer
  readonly cipher?: BlockCipher
  /** The client is a relay that forwards the commands of others. */
  readonly proxy: boolean
  readonly service?: ClientService
}

/** A connection after its handshake: payloads instead of blocks. */
export class SmpLink {
  readonly channel: BlockChannel
  readonly session: SmpSession
  readonly transmissionContext: TransmissionContext

  constructor(channel: BlockChannel, session: SmpSession) {
    this.channel = channel
    this.session = session
    this.transmissionContext = transmissionContext(session.version, channel.sessionId)
  }

  get version(): number {
    return this.session.version
  }

  get range(): VersionRange {
    return this.session.range
  }

  get sessionId(): Buffer {
    return this.channel.sessionId
  }

  get sessionKeys(): DhKeyPair {
    return this.session.sessionKeys
  }

  get clientKey(): DhKey | undefined {
    return this.session.clientKey
  }

  get sessionSecret(): Buffer | undefined {
    return this.session.sessionSecret
  }

  get proxy(): boolean {
    return this.session.proxy
  }

  get service(): ClientService | undefined {
    return this.session.service
  }

  /**
   * Encrypts or pads the payload (at most 16366 or 16382 bytes) into a block and sends it; false when the caller should
   * wait for the channel's `drain`.
   */
  sendPayload(payload: Buffer): boolean {
    const { cipher } = this.session
    return this.channel.write(cipher === undefined ? pad(payload, BLOCK_SIZE) : cipher.sealBlock(payload))
  }

  /** Sends transmissions that fit one block together; as `sendPayload`, without copying them more than once. */
  sendTransmissions(transmissions: readonly Buffer[]): boolean {
    const { cipher } = this.session
    const block = Buffer.allocUnsafeSlow(BLOCK_SIZE)
    const payload = encodePayload(transmissions, block.subarray(cipher === undefined ? LENGTH_SIZE : PAYLOAD_OFFSET))
    if (cipher === undefined) padInto(block, payload)
    else cipher.sealBlock(payload, block)
    return this.channel.write(block)
  }

  /** The payload of a block, as a view of it; undefined when it cannot be opened (answer: ERR BLOCK). */
  openPayload(block: Buffer): Buffer | undefined {
    const { cipher } = this.session
    return cipher === undefined ? unpad(block) : cipher.openBlock(block)
  }
}
