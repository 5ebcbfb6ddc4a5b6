import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { boxKey, reverseNonce, seal, sealPadded } from '../../../src/crypto/box.ts'
import { encodeCommand } from '../../../src/protocol/command.ts'
import { idFromBytes, NO_ENTITY, type RelayId, type SndId } from '../../../src/protocol/ids.ts'
import { PROXIED_PADDED_SIZE } from '../../../src/protocol/limits.ts'
import {
  encodeFwdResponse,
  encodeFwdTransmission,
  parseFwdResponse,
  parseFwdTransmission,
} from '../../../src/protocol/proxy-messages.ts'
import { encodeReply } from '../../../src/protocol/reply.ts'
import { encodeTransmission, packBlocks, transmissionContext } from '../../../src/protocol/transmission.ts'
import vectors from '../../vectors/vectors.json' with { type: 'json' }
import { ascii, dhKey, hex } from './bytes.ts'

const { proxy } = vectors
const { version } = proxy
const relayId = hex(proxy.relaySessionId)
const context = transmissionContext(version, relayId)
const innerCorrId = hex(proxy.innerNonce_corrId)
const proxyCorrId = hex(proxy.proxyNonce_corrId)
const sender = { version, key: dhKey(proxy.cmdKeySpki) }
const clientSecret = boxKey(hex(proxy.cmdSecret))
const sessionSecret = boxKey(hex(proxy.sessSecret))
const fingerprint = (bytes: Buffer): { length: number; sha256: string } => ({
  length: bytes.length,
  sha256: createHash('sha256').update(bytes).digest('hex'),
})
// Sent transmissions of the vectors are without their empty authorization.
const sent = (transmission: Buffer): Buffer => transmission.subarray(1)

describe('a forwarded command', () => {
  const encTransmission = sealPadded(clientSecret, innerCorrId, hex(proxy.innerBatchUnpadded), PROXIED_PADDED_SIZE)
  const forwarded = encodeFwdTransmission({ corrId: innerCorrId, ...sender, encTransmission })
  const encFwdTransmission = seal(sessionSecret, proxyCorrId, forwarded)

  it('goes from the sender to the proxy in PFWD', () => {
    const command = encodeCommand({ type: 'PFWD', ...sender, encTransmission }, version)
    const transmission = encodeTransmission(innerCorrId, idFromBytes<RelayId>(relayId), command, context)
    expect(fingerprint(encTransmission)).toMatchObject(lengthAndHash(proxy.encTransmission))
    expect(fingerprint(sent(transmission))).toMatchObject(lengthAndHash(proxy.PFWD_transmission))
  })

  it('goes from the proxy to the relay in RFWD', () => {
    const command = encodeCommand({ type: 'RFWD', encFwdTransmission }, version)
    const transmission = encodeTransmission(proxyCorrId, NO_ENTITY, command, context)
    expect(fingerprint(forwarded)).toMatchObject(lengthAndHash(proxy.fwdTransmission))
    expect(parseFwdTransmission(forwarded)).toEqual({ corrId: innerCorrId, ...sender, encTransmission })
    expect(fingerprint(sent(transmission))).toMatchObject(lengthAndHash(proxy.RFWD_transmission))
    expect(packBlocks([transmission])).toHaveLength(1)
  })
})

describe('its answer', () => {
  const sndId = idFromBytes<SndId>(hex('80356137f0f3f0063d5623c95f6c2e52907dd1296325477e'))
  const payload = packBlocks([encodeTransmission(innerCorrId, sndId, ascii('OK'), context)])[0] ?? Buffer.alloc(0)
  const encResponse = sealPadded(clientSecret, reverseNonce(innerCorrId), payload, PROXIED_PADDED_SIZE)
  const response = encodeFwdResponse({ corrId: innerCorrId, encResponse })

  it('goes from the relay to the proxy in RRES', () => {
    expect(payload.toString('hex')).toBe(proxy.innerResponseUnpadded)
    expect(fingerprint(response)).toMatchObject(lengthAndHash(proxy.fwdResponse))
    expect(parseFwdResponse(response)).toEqual({ corrId: innerCorrId, encResponse })
    const encFwdResponse = seal(sessionSecret, reverseNonce(proxyCorrId), response)
    const reply = encodeReply({ type: 'RRES', encFwdResponse }, version)
    const transmission = encodeTransmission(proxyCorrId, NO_ENTITY, reply, context)
    expect(fingerprint(sent(transmission))).toMatchObject(lengthAndHash(proxy.RRES_transmission))
  })

  it('goes from the proxy to the sender in PRES', () => {
    const reply = encodeReply({ type: 'PRES', encResponse }, version)
    const transmission = encodeTransmission(innerCorrId, idFromBytes<RelayId>(relayId), reply, context)
    expect(fingerprint(sent(transmission))).toMatchObject(lengthAndHash(proxy.PRES_transmission))
  })
})

describe('a forwarded message', () => {
  it.each([
    ['nothing', Buffer.alloc(0)],
    ['a correlation id that ends early', hex('18')],
    ['no key', hex('00000b')],
    ['a key of another kind', hex(`0000132c${vectors.authorization.ed25519.spki}`)],
  ])('that is %s is refused', (_name, bytes) => {
    expect(parseFwdTransmission(bytes)).toBeUndefined()
  })

  it('may hold nothing, which the relay then cannot decrypt', () => {
    const bytes = encodeFwdTransmission({ corrId: Buffer.alloc(0), ...sender, encTransmission: Buffer.alloc(0) })
    expect(parseFwdTransmission(bytes)).toMatchObject({ encTransmission: Buffer.alloc(0) })
    expect(parseFwdResponse(Buffer.alloc(0))).toBeUndefined()
  })
})

function lengthAndHash({ length, sha256 }: { length: number; sha256: string }): { length: number; sha256: string } {
  return { length, sha256 }
}
