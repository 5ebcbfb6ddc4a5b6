import type { EntityId } from './ids.ts'
import {
  AUTHENTICATOR_SIZE,
  ED25519_SIGNATURE_SIZE,
  ED448_SIGNATURE_SIZE,
  MAX_PACKED_TRANSMISSIONS,
  MAX_TRANSMISSIONS_PER_BLOCK,
} from './limits.ts'
import { Reader, parseWhole, refuse } from './reader.ts'
import { since } from './versions.ts'
import { Writer } from './writer.ts'

/** What the encoding of transmissions depends on; the same for all of one connection (wire format §4.5). */
export interface TransmissionContext {
  readonly version: number
  readonly sessionId: Buffer
  /** The session id is signed but not sent. */
  readonly implySessionId: boolean
  /** A non-empty authorization is followed by an optional service signature. */
  readonly serviceAuth: boolean
}

export type Authorization =
  | { readonly type: 'none' }
  | { readonly type: 'ed25519' | 'ed448'; readonly signature: Buffer }
  | { readonly type: 'x25519'; readonly authenticator: Buffer }

export interface Transmission {
  readonly type: 'transmission'
  /** 0..255 bytes, to be echoed. */
  readonly corrId: Buffer
  readonly entityId: EntityId
  readonly authorization: Authorization
  /** 64 bytes, Ed25519 by the service's session key. */
  readonly serviceSignature?: Buffer
  /** The bytes that the authorization covers; empty when there is no authorization. */
  readonly authorized: Buffer
  readonly command: Buffer
}

/** A transmission that must be answered with this error, `corrId` and an empty entity id. */
export interface TransmissionError {
  readonly type: 'error'
  readonly corrId: Buffer
  readonly error: { readonly type: 'BLOCK' | 'SESSION' }
}

/** Signatures of a transmission that a client sends. */
export interface Signatures {
  /** 64, 114 or 80 bytes. */
  readonly authorization: Buffer
  /** 64 bytes. */
  readonly serviceSignature?: Buffer
}

const EMPTY = Buffer.alloc(0)
const NO_AUTHORIZATION: Authorization = { type: 'none' }

export function transmissionContext(version: number, sessionId: Buffer): TransmissionContext {
  return {
    version,
    sessionId,
    implySessionId: version >= since.impliedSessionId,
    serviceAuth: version >= since.services,
  }
}

/**
 * Splits the payload of a block (wire format §5).
 *
 *     payload = count(1..255) count*( length16 transmission )
 *
 * @returns views of `payload`, or undefined (answer: ERR BLOCK).
 */
export function parsePayload(payload: Buffer): Buffer[] | undefined {
  return parseWhole(payload, (r) => r.nonEmpty((item) => item.large()))
}

/**
 * Parses one transmission (wire format §5.1, 5.2).
 *
 *     transmission  = short(authorization) [ maybe(short(serviceSignature)) ] sent    ; [ ]: v16, authorization non-empty
 *     sent          = [ short(sessionId) ] short(corrId) short(entityId) command      ; [ ]: v6
 *     authorized    = short(sessionId) short(corrId) short(entityId) command          ; at every version
 */
export function parseTransmission(bytes: Buffer, context: TransmissionContext): Transmission | TransmissionError {
  return parseWhole(bytes, (r) => readTransmission(r, bytes, context)) ?? blockError(EMPTY)
}

/**
 * Encodes a transmission; without `signatures` as a relay sends it.
 *
 * @param message an encoded command or reply.
 */
export function encodeTransmission(
  corrId: Buffer,
  entityId: EntityId,
  message: Buffer,
  context: TransmissionContext,
  signatures?: Signatures,
): Buffer {
  const w = new Writer(message.length + corrId.length + entityId.length + context.sessionId.length + 256)
  if (signatures === undefined) w.byte(0)
  else writeSignatures(w, signatures, context)
  writeTransmissionIds(w, corrId, entityId, context)
  return w.bytes(message).done()
}

/** The ids that stand before the message: `[ short(sessionId) ] short(corrId) short(entityId)`. */
export function writeTransmissionIds(
  w: Writer,
  corrId: Buffer,
  entityId: EntityId,
  context: TransmissionContext,
): void {
  if (!context.implySessionId) w.short(context.sessionId)
  w.short(corrId).shortLatin1(entityId)
}

/** The bytes that a client signs (wire format §5.2). */
export function authorizedBytes(corrId: Buffer, entityId: EntityId, command: Buffer, sessionId: Buffer): Buffer {
  const w = new Writer(command.length + corrId.length + entityId.length + sessionId.length + 3)
  return w.short(sessionId).short(corrId).shortLatin1(entityId).bytes(command).done()
}

/** Whether a transmission can be sent at all. One that cannot (only absurdly long ids make it so) is dropped. */
export function fitsBlock(transmission: Buffer): boolean {
  return transmission.length + 2 <= MAX_PACKED_TRANSMISSIONS
}

/**
 * Packs transmissions into as few payloads as their order allows, filling from the last one backwards, so that the first
 * payload is the one that may stay short (wire format §5). What does not fit a block is left out.
 */
export function packBlocks(transmissions: readonly Buffer[]): Buffer[] {
  return packBatches(transmissions).map((batch) => encodePayload(batch))
}

/** {@link packBlocks} before the encoding: the transmissions of each payload. */
export function packBatches(transmissions: readonly Buffer[]): Buffer[][] {
  const batches: Buffer[][] = []
  let batch: Buffer[] = []
  let size = 0
  const flush = (): void => {
    if (batch.length > 0) batches.push(batch.reverse())
    batch = []
    size = 0
  }
  for (const transmission of transmissions.toReversed()) {
    if (!fitsBlock(transmission)) continue
    const added = transmission.length + 2
    if (size + added > MAX_PACKED_TRANSMISSIONS || batch.length === MAX_TRANSMISSIONS_PER_BLOCK) flush()
    batch.push(transmission)
    size += added
  }
  flush()
  return batches.reverse()
}

/**
 * Encodes the payload of one block (see {@link parsePayload}).
 *
 * @param out where it is written, when it is large enough
 */
export function encodePayload(transmissions: readonly Buffer[], out?: Buffer): Buffer {
  const w = new Writer(out ?? transmissions.reduce((size, { length }) => size + 2 + length, 1))
  return w.nonEmpty(transmissions, (transmission) => w.large(transmission)).done()
}

function readTransmission(r: Reader, bytes: Buffer, context: TransmissionContext): Transmission | TransmissionError {
  const authorizer = r.short()
  const serviceSignature = context.serviceAuth && authorizer.length > 0 ? r.maybe(readServiceSignature) : undefined
  const sent = bytes.length - r.remaining
  const sessionMatches = context.implySessionId || r.short().equals(context.sessionId)
  const corrId = r.shortCopy()
  const entityId = r.id<EntityId>()
  const command = r.tail()

  if (!sessionMatches) return { type: 'error', corrId, error: { type: 'SESSION' } }
  const authorization = authorizationOf(authorizer)
  if (authorization === undefined) return blockError(corrId)
  return {
    type: 'transmission',
    corrId,
    entityId,
    authorization,
    ...(serviceSignature && { serviceSignature }),
    authorized: authorization.type === 'none' ? EMPTY : authorizedPart(bytes.subarray(sent), context),
    command,
  }
}

function readServiceSignature(r: Reader): Buffer {
  const signature = r.short()
  return signature.length === ED25519_SIGNATURE_SIZE ? signature : refuse()
}

function authorizationOf(bytes: Buffer): Authorization | undefined {
  switch (bytes.length) {
    case 0:
      return NO_AUTHORIZATION
    case ED25519_SIGNATURE_SIZE:
      return { type: 'ed25519', signature: bytes }
    case ED448_SIGNATURE_SIZE:
      return { type: 'ed448', signature: bytes }
    case AUTHENTICATOR_SIZE:
      return { type: 'x25519', authenticator: bytes }
    default:
      return undefined
  }
}

function authorizedPart(sent: Buffer, context: TransmissionContext): Buffer {
  if (!context.implySessionId) return sent
  const w = new Writer(1 + context.sessionId.length + sent.length)
  return w.short(context.sessionId).bytes(sent).done()
}

function writeSignatures(w: Writer, signatures: Signatures, context: TransmissionContext): void {
  w.short(signatures.authorization)
  if (context.serviceAuth && signatures.authorization.length > 0) {
    w.maybe(signatures.serviceSignature, (signature) => w.short(signature))
  }
}

function blockError(corrId: Buffer): TransmissionError {
  return { type: 'error', corrId, error: { type: 'BLOCK' } }
}
