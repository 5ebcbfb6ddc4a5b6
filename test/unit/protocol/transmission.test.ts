import { describe, expect, it } from 'vitest'
import { idFromBytes, NO_ENTITY, type RcvId } from '../../../src/protocol/ids.ts'
import {
  authorizedBytes,
  encodeTransmission,
  packBlocks,
  parsePayload,
  parseTransmission,
  transmissionContext,
  type Signatures,
  type Transmission,
} from '../../../src/protocol/transmission.ts'
import vectors from '../../vectors/vectors.json' with { type: 'json' }
import { ascii, concat, hex, large, short } from './bytes.ts'

const auth = vectors.authorization
const sessionId = hex(auth.sessionId)
const corrId = hex(auth.corrId)
const entityId = idFromBytes<RcvId>(hex(auth.entityId))
const command = ascii(auth.command)
const context = (version: number): ReturnType<typeof transmissionContext> => transmissionContext(version, sessionId)

const signed: [string, number, string, Signatures, Transmission['authorization']][] = [
  [
    'Ed25519 at v7',
    7,
    auth.ed25519.encodedV7,
    { authorization: hex(auth.ed25519.signature) },
    { type: 'ed25519', signature: hex(auth.ed25519.signature) },
  ],
  [
    'Ed25519 at v16',
    16,
    auth.ed25519.encodedV16,
    { authorization: hex(auth.ed25519.signature) },
    { type: 'ed25519', signature: hex(auth.ed25519.signature) },
  ],
  [
    'Ed448 at v16',
    16,
    auth.ed448.encodedV16,
    { authorization: hex(auth.ed448.signature) },
    { type: 'ed448', signature: hex(auth.ed448.signature) },
  ],
  [
    'an X25519 authenticator at v16',
    16,
    auth.x25519.encodedV16,
    { authorization: hex(auth.x25519.authenticator80) },
    { type: 'x25519', authenticator: hex(auth.x25519.authenticator80) },
  ],
  [
    'a service signature at v16',
    16,
    auth.serviceSigned.encodedV16,
    {
      authorization: hex(auth.serviceSigned.queueSignature),
      serviceSignature: hex(auth.serviceSigned.serviceSignature),
    },
    { type: 'ed25519', signature: hex(auth.serviceSigned.queueSignature) },
  ],
]

describe('a transmission', () => {
  it.each(signed)('is encoded and parsed with %s', (_name, version, encoded, signatures, authorization) => {
    expect(encodeTransmission(corrId, entityId, command, context(version), signatures)).toEqual(hex(encoded))
    const { serviceSignature } = signatures
    expect(parseTransmission(hex(encoded), context(version))).toEqual({
      type: 'transmission',
      corrId,
      entityId,
      authorization,
      ...(serviceSignature && { serviceSignature }),
      authorized: hex(auth.authorizedBytes),
      command,
    })
  })

  it('of v6 says its session, and is signed as it is sent', () => {
    const bytes = concat(short(hex(auth.ed25519.signature)), hex(auth.transmissionSentV6))
    const signatures = { authorization: hex(auth.ed25519.signature) }
    expect(encodeTransmission(corrId, entityId, command, context(6), signatures)).toEqual(bytes)
    expect(parseTransmission(bytes, context(6))).toMatchObject({
      type: 'transmission',
      corrId,
      entityId,
      authorized: hex(auth.authorizedBytes),
      command,
    })
  })

  it('of v7 leaves the session out of what is sent, not of what is signed', () => {
    expect(encodeTransmission(corrId, entityId, command, context(7))).toEqual(
      concat(hex('00'), hex(auth.transmissionSentV7plus)),
    )
    expect(authorizedBytes(corrId, entityId, command, sessionId)).toEqual(hex(auth.authorizedBytes))
  })

  it('without authorization has nothing authorised, and no place for a service signature', () => {
    const bytes = concat(hex('00'), hex(auth.transmissionSentV7plus))
    expect(parseTransmission(bytes, context(20))).toEqual({
      type: 'transmission',
      corrId,
      entityId,
      authorization: { type: 'none' },
      authorized: Buffer.alloc(0),
      command,
    })
  })

  it('may have a correlation id of any length, which outlives the block', () => {
    for (const length of [0, 1, 24, 255]) {
      const own = Buffer.alloc(length, 7)
      const bytes = encodeTransmission(own, NO_ENTITY, ascii('PING'), context(20))
      const parsed = parseTransmission(bytes, context(20))
      bytes.fill(0)
      expect(parsed).toMatchObject({ corrId: Buffer.alloc(length, 7), entityId: '' })
    }
  })

  it('of another session is answered with SESSION at v6', () => {
    const other = transmissionContext(6, Buffer.alloc(32))
    const bytes = encodeTransmission(corrId, entityId, command, other)
    expect(parseTransmission(bytes, context(6))).toEqual({ type: 'error', corrId, error: { type: 'SESSION' } })
  })

  it.each([1, 63, 65, 79, 81, 113, 115, 255])('with an authorization of %i bytes is a BLOCK error', (length) => {
    const bytes = concat(short(Buffer.alloc(length)), hex(auth.transmissionSentV7plus))
    expect(parseTransmission(bytes, context(7))).toEqual({ type: 'error', corrId, error: { type: 'BLOCK' } })
  })

  const unparsable: [string, Buffer][] = [
    ['nothing', Buffer.alloc(0)],
    ['a signature that ends early', concat(hex('40'), Buffer.alloc(63))],
    ['a service signature of 63 bytes', concat(short(Buffer.alloc(64)), '1', short(Buffer.alloc(63)), hex('0000'))],
    ['a service signature with another tag', concat(short(Buffer.alloc(64)), '2', hex('0000'))],
    ['an entity id that ends early', concat(hex('00'), short(corrId), hex('18'), Buffer.alloc(23))],
  ]
  it.each(unparsable)('that is %s is a BLOCK error of nobody', (_name, bytes) => {
    expect(parseTransmission(bytes, context(20))).toEqual({
      type: 'error',
      corrId: Buffer.alloc(0),
      error: { type: 'BLOCK' },
    })
  })
})

describe('the payload of a block', () => {
  const { clientPingV20, serverPongV20 } = vectors.blockEncryption

  it('counts its transmissions', () => {
    const payload = hex(clientPingV20.unpadded)
    const [transmission = Buffer.alloc(0)] = parsePayload(payload) ?? []
    expect(parseTransmission(transmission, context(20))).toMatchObject({ corrId, entityId: '', command: ascii('PING') })
    expect(packBlocks([transmission])).toEqual([payload])
  })

  it('carries a reply', () => {
    const pong = encodeTransmission(corrId, NO_ENTITY, ascii('PONG'), context(20))
    expect(packBlocks([pong])).toEqual([hex(serverPongV20.unpadded)])
  })

  it('is refused when it is empty, counts none, counts too many, or goes on', () => {
    expect(parsePayload(Buffer.alloc(0))).toBeUndefined()
    expect(parsePayload(hex('00'))).toBeUndefined()
    expect(parsePayload(concat(hex('02'), large('a')))).toBeUndefined()
    expect(parsePayload(concat(hex('01'), large('a'), 'b'))).toBeUndefined()
    expect(parsePayload(concat(hex('02'), large('a'), large('')))).toEqual([ascii('a'), ascii('')])
  })
})

describe('packing', () => {
  const sub = (version: number): Buffer =>
    encodeTransmission(corrId, entityId, command, context(version), { authorization: Buffer.alloc(64) })
  const end = encodeTransmission(Buffer.alloc(0), entityId, ascii('END'), context(20))
  const nmsg = encodeTransmission(
    Buffer.alloc(0),
    entityId,
    concat('NMSG ', Buffer.alloc(24), short(Buffer.alloc(144))),
    context(20),
  )
  const { maxSubsPerBlockV6, maxSubsPerBlockCurrent, maxENDsPerBlock, maxNMSGsPerBlock } = vectors.batchingUpstream

  it.each([
    ['SUBs of v6', sub(6), maxSubsPerBlockV6],
    ['SUBs of v20', sub(20), maxSubsPerBlockCurrent],
    ['ENDs', end, maxENDsPerBlock],
    ['NMSGs', nmsg, maxNMSGsPerBlock],
  ])('puts as many %s into a block as fit', (_name, transmission, count) => {
    const repeated = (times: number): Buffer[] => Array.from({ length: times }, () => transmission)
    expect(packBlocks(repeated(count))).toHaveLength(1)
    expect(packBlocks(repeated(count + 1)).map((payload) => payload[0])).toEqual([1, count])
  })

  it('keeps the order and fills from the last block', () => {
    const transmissions = [8000, 8000, 8000, 8000, 300].map((length, index) => Buffer.alloc(length, index))
    const payloads = packBlocks(transmissions)
    expect(payloads.map((payload) => payload[0])).toEqual([2, 3])
    expect(payloads.flatMap((payload) => parsePayload(payload))).toEqual(transmissions)
  })

  it('fills a block to the last byte', () => {
    const pair = [Buffer.alloc(8000), Buffer.alloc(16365 - 8000 - 4)]
    expect(packBlocks(pair)).toHaveLength(1)
    expect(packBlocks([...pair, Buffer.alloc(0)])).toHaveLength(2)
  })

  it('leaves out what is too large for a block, and nothing else', () => {
    const [largest, tooLarge] = [Buffer.alloc(16363), Buffer.alloc(16364)]
    expect(packBlocks([tooLarge])).toEqual([])
    expect(packBlocks([])).toEqual([])
    const payloads = packBlocks([end, tooLarge, largest])
    expect(payloads.map((payload) => payload.length)).toEqual([1 + 2 + end.length, 16366])
  })
})
