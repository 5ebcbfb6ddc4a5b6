import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { portableBackend, sodiumBackend } from '../../src/crypto/backend.ts'
import { authenticate, verifyAuthenticator } from '../../src/crypto/authenticator.ts'
import { boxKey, dh, open, openPadded, seal, sealPadded } from '../../src/crypto/box.ts'
import { chainStep, clientBlockCipher, serverBlockCipher } from '../../src/crypto/chain.ts'
import { certificateFields } from '../../src/crypto/certificate-fields.ts'
import { idHash, idsHash, xorHash } from '../../src/crypto/ids-hash.ts'
import { decodeSpki, dhKeyPair, encodeSpki, publicKey, sign, signingKeyFromRaw } from '../../src/crypto/keys.ts'
import { pad, unpad } from '../../src/crypto/pad.ts'
import { decodeSignedKey } from '../../src/crypto/signed-key.ts'
import { verifySignature } from '../../src/crypto/verify.ts'
import { verifyChain } from '../../src/crypto/x509.ts'
import { backends } from '../unit/crypto/back-ends.ts'

const bytes = (minLength: number, maxLength = minLength): fc.Arbitrary<Buffer> =>
  fc.uint8Array({ minLength, maxLength }).map((array) => Buffer.from(array))
const secret = bytes(32)
const nonce = bytes(24)

function flipBit(buffer: Buffer, bit: number): Buffer {
  const flipped = Buffer.from(buffer)
  flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7))
  return flipped
}

describe.each(backends)('on the $name back end', (using) => {
  it('open(seal(x)) = x', () => {
    fc.assert(
      fc.property(secret, nonce, bytes(0, 2000), (key, at, plain) => {
        expect(open(boxKey(key), at, seal(boxKey(key), at, plain, using), using)).toEqual(plain)
      }),
    )
  })

  it('openPadded(sealPadded(x)) = x, and the length does not depend on x', () => {
    fc.assert(
      fc.property(secret, nonce, bytes(0, 500), (key, at, plain) => {
        const box = sealPadded(boxKey(key), at, plain, 502, using)
        expect(box.length).toBe(518)
        expect(openPadded(boxKey(key), at, box, using)).toEqual(plain)
      }),
    )
  })

  it('a box with any one bit flipped is refused, as are all of its truncations', () => {
    fc.assert(
      fc.property(secret, nonce, bytes(0, 40), (key, at, plain) => {
        const box = seal(boxKey(key), at, plain, using)
        for (let bit = 0; bit < box.length * 8; bit++) {
          expect(open(boxKey(key), at, flipBit(box, bit), using)).toBeUndefined()
        }
        for (let length = 0; length < box.length; length++) {
          expect(open(boxKey(key), at, box.subarray(0, length), using)).toBeUndefined()
        }
        expect(open(boxKey(key), at, Buffer.concat([box, Buffer.alloc(1)]), using)).toBeUndefined()
      }),
      { numRuns: 20 },
    )
  })

  it('a box is refused with any bit of key or nonce flipped', () => {
    fc.assert(
      fc.property(secret, nonce, fc.nat(191), fc.nat(255), (key, at, nonceBit, keyBit) => {
        const box = seal(boxKey(key), at, Buffer.from('plain'), using)
        expect(open(boxKey(key), flipBit(at, nonceBit), box, using)).toBeUndefined()
        expect(open(boxKey(flipBit(key, keyBit)), at, box, using)).toBeUndefined()
      }),
    )
  })

  it('two sides of a session read each other in any order of turns, whatever was lost to a bad block', () => {
    const turn = fc.record({ fromServer: fc.boolean(), payload: bytes(0, 60), flip: fc.option(fc.nat(16384 * 8 - 1)) })
    fc.assert(
      fc.property(bytes(12, 32), secret, fc.array(turn, { maxLength: 12 }), (sessionId, dhSecret, turns) => {
        const server = serverBlockCipher(sessionId, dhSecret, using)
        const client = clientBlockCipher(sessionId, dhSecret, using)
        for (const { fromServer, payload, flip } of turns) {
          const [from, to] = fromServer ? [server, client] : [client, server]
          const block = from.sealBlock(payload)
          const opened = to.openBlock(flip === null ? block : flipBit(block, flip))
          expect(opened).toEqual(flip === null ? payload : undefined)
        }
      }),
      { numRuns: 30 },
    )
  })

  it('an authenticator verifies, and no changed one does', () => {
    const bit = fc.nat(80 * 8 - 1)
    fc.assert(
      fc.property(secret, secret, bytes(0, 255), bytes(0, 300), bit, (a, b, corrId, authorized, flip) => {
        const queue = dhKeyPair(a, using)
        const server = dhKeyPair(b, using)
        const made = authenticate(server.publicKey, queue.privateKey, corrId, authorized, using)
        const verify = (sent: Buffer, of = authorized): boolean =>
          verifyAuthenticator(queue.publicKey, server.privateKey, corrId, of, sent, using)
        expect(made && verify(made)).toBe(true)
        expect(made && verify(flipBit(made, flip))).toBe(false)
        expect(made && verify(made, Buffer.concat([authorized, Buffer.alloc(1)]))).toBe(false)
      }),
      { numRuns: 50 },
    )
  })
})

describe('the two back ends agree', () => {
  if (sodiumBackend === undefined) throw new Error('libsodium does not load here')
  const sodium = sodiumBackend
  const portable = portableBackend

  it('on boxes, opened and refused', () => {
    fc.assert(
      fc.property(secret, nonce, bytes(0, 3000), fc.nat(), (key, at, plain, position) => {
        const box = seal(boxKey(key), at, plain, sodium)
        expect(seal(boxKey(key), at, plain, portable)).toEqual(box)
        const maybeFlipped = position % 2 ? flipBit(box, position % (box.length * 8)) : box
        expect(open(boxKey(key), at, maybeFlipped, sodium)).toEqual(open(boxKey(key), at, maybeFlipped, portable))
      }),
    )
  })

  it('on DH secrets and public keys', () => {
    fc.assert(
      fc.property(secret, secret, (a, b) => {
        const pair = dhKeyPair(a, sodium)
        expect(dhKeyPair(a, portable).publicKey).toEqual(pair.publicKey)
        expect(dh(b, pair.publicKey, sodium)).toEqual(dh(b, pair.publicKey, portable))
        // Any 32 bytes are an X25519 public key, points on the twist included.
        expect(dh(a, publicKey('x25519', b), sodium)).toEqual(dh(a, publicKey('x25519', b), portable))
      }),
      { numRuns: 50 },
    )
  })

  it('on key chains and whole blocks', () => {
    fc.assert(
      fc.property(secret, bytes(0, 300), (chain, payload) => {
        expect(chainStep(chain, sodium)).toEqual(chainStep(chain, portable))
        const seals = [sodium, portable].map((using) => clientBlockCipher(chain, chain, using).sealBlock(payload))
        expect(seals[0]?.equals(seals[1] ?? Buffer.alloc(0))).toBe(true)
      }),
    )
  })

  it('on Ed25519 signatures, good and bad', () => {
    fc.assert(
      fc.property(secret, bytes(0, 300), fc.nat(64 * 8 - 1), (raw, message, bit) => {
        const key = signingKeyFromRaw('ed25519', raw)
        const signature = sign(key, message)
        for (const using of [sodium, portable]) {
          expect(verifySignature(key.publicKey, message, signature, using)).toBe(true)
          expect(verifySignature(key.publicKey, message, flipBit(signature, bit), using)).toBe(false)
        }
      }),
      { numRuns: 50 },
    )
  })
})

describe('padding', () => {
  it('unpad(pad(x)) = x', () => {
    fc.assert(
      fc.property(bytes(0, 300), fc.nat(300), (message, extra) => {
        const padded = pad(message, message.length + 2 + extra)
        expect(padded.length).toBe(message.length + 2 + extra)
        expect(unpad(padded)).toEqual(message)
        expect(unpad(padded.subarray(0, message.length + 1))).toBeUndefined()
      }),
    )
  })
})

describe('ids hash', () => {
  it('does not depend on the order of changes', () => {
    fc.assert(
      fc.property(fc.uniqueArray(bytes(24), { selector: (id) => id.toString('hex') }), bytes(24), (ids, other) => {
        const withOther = idsHash([other, ...ids])
        expect(withOther).toEqual(idsHash([...ids, other]))
        expect(xorHash(withOther, idHash(other))).toEqual(idsHash(ids))
      }),
    )
  })
})

describe('bytes of a peer never throw', () => {
  it('as keys, signed keys, certificates and chains', () => {
    fc.assert(
      fc.property(bytes(0, 300), (junk) => {
        const key = decodeSpki(junk)
        if (key !== undefined) expect(encodeSpki(key)).toEqual(junk)
        expect(decodeSignedKey(junk)).toBeUndefined()
        expect(certificateFields(junk)).toBeUndefined()
        expect(verifyChain([junk], new Date())).toBe('malformed')
      }),
      { numRuns: 500 },
    )
  })
})
