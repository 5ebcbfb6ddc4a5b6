import { describe, expect, it } from 'vitest'
import { authenticate, verifyAuthenticator } from '../../../src/crypto/authenticator.ts'
import { boxKey, cbNonce, dh, seal } from '../../../src/crypto/box.ts'
import { dhKeyPair, encodeSpki, generateDhKeyPair, publicKey } from '../../../src/crypto/keys.ts'
import vectors from '../../vectors/vectors.json' with { type: 'json' }
import { backends, hex } from './back-ends.ts'

const vector = vectors.authorization.x25519
const authorized = hex(vectors.authorization.authorizedBytes)
const corrId = hex(vectors.authorization.corrId)

describe.each(backends)('authenticators on the $name back end', (using) => {
  const queue = dhKeyPair(hex(vector.queuePriv), using)
  const server = dhKeyPair(hex(vectors.blockEncryption.serverPrivRaw), using)
  const authenticator = hex(vector.authenticator80)
  const verify = (change: { corrId?: Buffer; authorized?: Buffer; authenticator?: Buffer }): boolean => {
    const sent = { corrId, authorized, authenticator, ...change }
    return verifyAuthenticator(
      queue.publicKey,
      server.privateKey,
      sent.corrId,
      sent.authorized,
      sent.authenticator,
      using,
    )
  }

  it('equal those of the reference', () => {
    expect(encodeSpki(queue.publicKey).toString('hex')).toBe(vector.queueSpki)
    expect(authenticate(server.publicKey, queue.privateKey, corrId, authorized, using)).toEqual(authenticator)
    expect(verify({})).toBe(true)
  })

  it('are refused for other bytes, another correlation id, another key or another length', () => {
    const session = Buffer.from(authorized)
    session[1] = (session[1] ?? 0) ^ 1
    expect(verify({ authorized: session })).toBe(false)
    expect(verify({ corrId: corrId.subarray(1) })).toBe(false)
    expect(verify({ authenticator: authenticator.subarray(0, 79) })).toBe(false)
    expect(verify({ authenticator: Buffer.concat([authenticator, Buffer.alloc(1)]) })).toBe(false)
    expect(verify({ authenticator: Buffer.alloc(0) })).toBe(false)
    const other = generateDhKeyPair(using).publicKey
    expect(verifyAuthenticator(other, server.privateKey, corrId, authorized, authenticator, using)).toBe(false)
  })

  it('are refused when a validly sealed hash is not that of the bytes', () => {
    const ofOthers = authenticate(server.publicKey, queue.privateKey, corrId, Buffer.from('others'), using)
    expect(verify(ofOthers ? { authenticator: ofOthers } : {})).toBe(false)
  })

  it('are refused when something of another length was sealed', () => {
    const secret = dh(queue.privateKey, server.publicKey, using) ?? Buffer.alloc(0)
    for (const length of [0, 63, 65]) {
      const sealed = seal(boxKey(secret), cbNonce(corrId), Buffer.alloc(length), using)
      expect(verify({ authenticator: sealed })).toBe(false)
    }
  })

  it('do not exist for low-order keys', () => {
    const zero = publicKey('x25519', Buffer.alloc(32))
    expect(authenticate(zero, queue.privateKey, corrId, authorized, using)).toBeUndefined()
    expect(verifyAuthenticator(zero, server.privateKey, corrId, authorized, authenticator, using)).toBe(false)
  })

  it('take correlation ids of any length', () => {
    for (const id of [Buffer.alloc(0), Buffer.from('abcd'), Buffer.alloc(255, 9)]) {
      const made = authenticate(server.publicKey, queue.privateKey, id, authorized, using)
      expect(made?.length).toBe(80)
      expect(made && verify({ corrId: id, authenticator: made })).toBe(true)
    }
  })
})
