import { describe, expect, it } from 'vitest'
import {
  encodeClientHello,
  encodeServerHello,
  encodeServiceResponse,
  parseClientHello,
  parseServerHello,
  parseServiceResponse,
  type ClientHello,
  type ServerHello,
} from '../../../src/protocol/hello.ts'
import type { ServiceId } from '../../../src/protocol/ids.ts'
import { FULL_RANGE, includesVersion, intersectRanges, LEGACY_RANGE } from '../../../src/protocol/versions.ts'
import vectors from '../../vectors/vectors.json' with { type: 'json' }
import { concat, dhKey, hex, id, large } from './bytes.ts'

const { handshake, upstreamFixtures, signedKey } = vectors
const sessionId = hex(vectors.authorization.sessionId)
const certKey = {
  chain: [hex(upstreamFixtures.serverCrtDer), hex(upstreamFixtures.caCrtDer)],
  signedKey: hex(signedKey.ed448),
}
const keyHash = hex('2dc25431f561c03f32c6302249a0f3cc6177fa42c6e14874165fd9223ad1c232')
const key = dhKey(vectors.blockEncryption.clientPubSpki)

describe('the hello of a relay', () => {
  const known: [string, string, ServerHello][] = [
    ['of v6..19', handshake.serverV6to19.unpadded, { range: { min: 6, max: 19 }, sessionId, certKey }],
    ['without ALPN', handshake.serverLegacyNoAlpn.unpadded, { range: LEGACY_RANGE, sessionId }],
  ]

  it.each(known)('%s has known bytes', (_name, encoded, hello) => {
    expect(encodeServerHello(hello).toString('hex')).toBe(encoded)
    expect(parseServerHello(hex(encoded))).toEqual(hello)
    expect(parseServerHello(concat(hex(encoded), '####'))).toEqual(hello)
  })

  it('of v6..20 is as long as it should be', () => {
    const bytes = encodeServerHello({ range: FULL_RANGE, sessionId, certKey })
    expect(bytes).toHaveLength(handshake.serverV6to20.unpaddedLength)
    expect(handshake.serverV6to20.block.first64).toContain(bytes.subarray(0, 62).toString('hex'))
  })

  it.each([64, 114])('may end with a proof of identity of %i bytes', (length) => {
    const identityProof = Buffer.alloc(length, 7)
    const plain = encodeServerHello({ range: FULL_RANGE, sessionId, certKey })
    const hello = { range: FULL_RANGE, sessionId, certKey, identityProof }
    expect(encodeServerHello(hello)).toEqual(concat(plain, Buffer.of(length), identityProof))
    expect(parseServerHello(encodeServerHello(hello))).toEqual(hello)
  })

  it('has no proof of identity before v19, or of another length', () => {
    const identityProof = Buffer.alloc(64)
    const old = { range: { min: 6, max: 18 }, sessionId, certKey }
    expect(encodeServerHello({ ...old, identityProof })).toEqual(encodeServerHello(old))
    expect(parseServerHello(concat(encodeServerHello(old), Buffer.of(64), identityProof))).toEqual(old)
    const hello = { range: FULL_RANGE, sessionId, certKey }
    expect(parseServerHello(concat(encodeServerHello(hello), Buffer.of(63), identityProof))).toEqual(hello)
  })

  it.each([
    ['a range upside down', concat(hex('00140006'), hex('00'))],
    ['no certificates', concat(hex('00060014'), hex('00'), hex('00'), large(''))],
    ['no certificates at all from v7', concat(hex('00060007'), hex('00'))],
  ])('with %s is refused', (_name, bytes) => {
    expect(parseServerHello(bytes)).toBeUndefined()
  })
})

describe('the hello of a client', () => {
  const { client } = handshake
  const known: [string, string, ClientHello][] = [
    ['v6', client.v6, { version: 6, keyHash, proxy: false }],
    ['v7 without key', client.v7_nokey, { version: 7, keyHash, proxy: false }],
    ['v7 with key', client.v7_key, { version: 7, keyHash, key, proxy: false }],
    ['v11 with key', client.v11_key, { version: 11, keyHash, key, proxy: false }],
    ['v14 with key', client.v14_key, { version: 14, keyHash, key, proxy: false }],
    ['v14 without key', client.v14_nokey, { version: 14, keyHash, proxy: false }],
    ['v16 with key', client.v16_key_noservice, { version: 16, keyHash, key, proxy: false }],
    ['v19 with key', client.v19_key_noservice, { version: 19, keyHash, key, proxy: false }],
    ['v19 of a proxy', client.v19_proxy, { version: 19, keyHash, key, proxy: true }],
  ]

  it.each(known)('of %s has known bytes', (_name, encoded, hello) => {
    expect(encodeClientHello(hello).toString('hex')).toBe(encoded)
    expect(parseClientHello(hex(encoded))).toEqual(hello)
    expect(parseClientHello(concat(hex(encoded), '####'))).toEqual(hello)
  })

  it.each(['M', 'N', 'P'] as const)('may be that of a service (%s)', (role) => {
    const hello: ClientHello = { version: 16, keyHash, key, proxy: false, service: { role, ...certKey } }
    const bytes = concat(
      hex(client.v16_key_noservice).subarray(0, -1),
      `1${role}\x02`,
      large(certKey.chain[0] ?? ''),
      large(certKey.chain[1] ?? ''),
      large(certKey.signedKey),
    )
    expect(encodeClientHello(hello)).toEqual(bytes)
    expect(parseClientHello(bytes)).toEqual(hello)
  })

  it('counts a key of another kind as no key, so that what follows is refused', () => {
    const other = hex(client.v14_key.replace('656e', '6570'))
    expect(parseClientHello(other)).toBeUndefined()
    other.writeUInt16BE(7, 0)
    expect(parseClientHello(other)).toEqual({ version: 7, keyHash, proxy: false })
  })

  it.each([
    ['nothing', ''],
    ['half a key hash', client.v6.slice(0, 40)],
    ['no proxy flag at v14', client.v14_nokey.slice(0, -2)],
    ['no service tag at v16', client.v16_key_noservice.slice(0, -2)],
    ['a service without certificates', `${client.v16_key_noservice.slice(0, -2)}314d000000`],
    ['a service with another role', `${client.v16_key_noservice.slice(0, -2)}3158`],
  ])('with %s is refused', (_name, encoded) => {
    expect(parseClientHello(hex(encoded))).toBeUndefined()
  })
})

describe('the response to a service', () => {
  const { ok, badAuth, badService } = handshake.serviceResponses
  const refusal = (error: 'BAD_AUTH' | 'BAD_SERVICE'): Parameters<typeof encodeServiceResponse>[0] => ({
    type: 'E',
    error: { type: 'HANDSHAKE', error },
  })

  it('accepts it with its id', () => {
    const response = { type: 'R', serviceId: id<ServiceId>(ok.slice(4)) } as const
    expect(encodeServiceResponse(response).toString('hex')).toBe(ok)
    expect(parseServiceResponse(hex(ok))).toEqual(response)
  })

  it.each([
    [badAuth, refusal('BAD_AUTH')],
    [badService, refusal('BAD_SERVICE')],
  ])('refuses it with a reason', (encoded, response) => {
    expect(encodeServiceResponse(response).toString('hex')).toBe(encoded)
    expect(parseServiceResponse(hex(encoded))).toEqual(response)
  })

  it('is nothing else', () => {
    expect(parseServiceResponse(hex('58'))).toBeUndefined()
    expect(parseServiceResponse(hex('4541'))).toBeUndefined()
  })
})

describe('version ranges', () => {
  it('meet or do not', () => {
    expect(intersectRanges({ min: 6, max: 19 }, { min: 8, max: 20 })).toEqual({ min: 8, max: 19 })
    expect(intersectRanges({ min: 6, max: 8 }, { min: 8, max: 20 })).toEqual({ min: 8, max: 8 })
    expect(intersectRanges({ min: 6, max: 7 }, { min: 8, max: 20 })).toBeUndefined()
  })

  it('include both ends', () => {
    expect([5, 6, 20, 21].map((version) => includesVersion(FULL_RANGE, version))).toEqual([false, true, true, false])
    expect([6, 7].map((version) => includesVersion(LEGACY_RANGE, version))).toEqual([true, false])
  })
})
