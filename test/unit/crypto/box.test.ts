import { describe, expect, it } from 'vitest'
import {
  boxKey,
  boxKeyInto,
  cbNonce,
  dh,
  open,
  openInPlace,
  openPadded,
  openPaddedInPlace,
  reverseNonce,
  seal,
  sealInto,
  sealPadded,
} from '../../../src/crypto/box.ts'
import { sha256 } from '../../../src/crypto/hash.ts'
import { decodeSpki, dhKeyPair, isDhKey, publicKey, type DhKey } from '../../../src/crypto/keys.ts'
import vectors from '../../vectors/vectors.json' with { type: 'json' }
import { backends, hex } from './back-ends.ts'

const nacl = vectors.naclPublicVector
const secretBox = vectors.secretBox

function dhKey(spki: string): DhKey {
  const key = decodeSpki(hex(spki))
  if (key === undefined || !isDhKey(key)) throw new Error('not an X25519 key')
  return key
}

describe('box', () => {
  it('boxKey is the HSalsa20 step of the public NaCl example', () => {
    expect(boxKey(hex(nacl.x25519SharedSecret)).toString('hex')).toBe(nacl.hsalsa20FirstKeyExpected)
  })

  it('boxKey can replace the secret in its own buffer', () => {
    const secret = hex(nacl.x25519SharedSecret)
    boxKeyInto(secret, secret)
    expect(secret.toString('hex')).toBe(nacl.hsalsa20FirstKeyExpected)
  })

  it('boxKey throws for a secret that is not 32 bytes', () => {
    expect(() => boxKey(Buffer.alloc(31))).toThrow(RangeError)
    expect(() => boxKey(Buffer.alloc(33))).toThrow(RangeError)
  })
})

it('loads libsodium where these tests run', () => {
  expect(backends.map((backend) => backend.name)).toEqual(['sodium', 'portable'])
})

describe.each(backends)('boxes on the $name back end', (using) => {
  const key = boxKey(hex(secretBox.key))
  const nonce = hex(secretBox.nonce)
  const plain = Buffer.from(secretBox.plaintextText)

  it('seals the public NaCl example, tag first', () => {
    const box = seal(boxKey(hex(nacl.x25519SharedSecret)), hex(nacl.nonce), hex(nacl.message), using)
    expect(box.toString('hex')).toBe(nacl.boxTagFirst)
  })

  it('applies the HSalsa20 step to symmetric keys too', () => {
    expect(seal(key, nonce, plain, using).toString('hex')).toBe(secretBox.simplexBox)
  })

  it('pads before sealing', () => {
    expect(sealPadded(key, nonce, plain, 32, using).toString('hex')).toBe(secretBox.paddedTo32)
    expect(openPadded(key, nonce, hex(secretBox.paddedTo32), using)).toEqual(plain)
    expect(openPaddedInPlace(key, nonce, hex(secretBox.paddedTo32), using)).toEqual(plain)
  })

  it('throws when the plaintext does not fit its padded length', () => {
    expect(() => sealPadded(key, nonce, plain, plain.length + 1, using)).toThrow(RangeError)
  })

  it('refuses a box whose padding announces more than there is', () => {
    const box = seal(key, nonce, hex('0003abcd'), using)
    expect(openPadded(key, nonce, box, using)).toBeUndefined()
  })

  it('seals in place', () => {
    const out = Buffer.alloc(plain.length + 16)
    plain.copy(out, 16)
    sealInto(out, key, nonce, out.subarray(16), using)
    expect(out.toString('hex')).toBe(secretBox.simplexBox)
  })

  it('opens in place and apart', () => {
    const box = hex(secretBox.simplexBox)
    expect(open(key, nonce, box, using)).toEqual(plain)
    expect(box.toString('hex')).toBe(secretBox.simplexBox)
    expect(openInPlace(key, nonce, box, using)).toEqual(plain)
    expect(box.subarray(16)).toEqual(plain)
  })

  it('leaves a refused box as it was', () => {
    const box = hex(secretBox.simplexBox)
    box[20] = (box[20] ?? 0) ^ 1
    const before = Buffer.from(box)
    expect(openInPlace(key, nonce, box, using)).toBeUndefined()
    expect(box).toEqual(before)
  })

  it('refuses boxes without a whole tag and opens the box of nothing', () => {
    for (let length = 0; length < 16; length++) {
      expect(open(key, nonce, Buffer.alloc(length), using)).toBeUndefined()
      expect(openInPlace(key, nonce, Buffer.alloc(length), using)).toBeUndefined()
    }
    const empty = seal(key, nonce, Buffer.alloc(0), using)
    expect(empty.length).toBe(16)
    expect(open(key, nonce, empty, using)).toEqual(Buffer.alloc(0))
  })

  it('throws when the output buffer has another length than it must', () => {
    expect(() => sealInto(Buffer.alloc(plain.length + 15), key, nonce, plain, using)).toThrow()
    expect(() => seal(key, nonce.subarray(1), plain, using)).toThrow()
    expect(() => open(key, nonce.subarray(1), hex(secretBox.simplexBox), using)).toThrow()
  })

  it('computes DH secrets from either side', () => {
    const { clientPrivRaw, clientPubSpki, serverPrivRaw, serverPubSpki, dhSecret } = vectors.blockEncryption
    expect(dh(hex(serverPrivRaw), dhKey(clientPubSpki), using)?.toString('hex')).toBe(dhSecret)
    expect(dh(hex(clientPrivRaw), dhKey(serverPubSpki), using)?.toString('hex')).toBe(dhSecret)
  })

  it('has no DH secret with a low-order public key', () => {
    const privateKey = hex(vectors.blockEncryption.serverPrivRaw)
    expect(dh(privateKey, publicKey('x25519', Buffer.alloc(32)), using)).toBeUndefined()
    expect(dh(privateKey, publicKey('x25519', Buffer.alloc(32).fill(1, 0, 1)), using)).toBeUndefined()
  })

  it('throws for X25519 keys of the wrong length', () => {
    const { publicKey: key, privateKey } = dhKeyPair(Buffer.alloc(32, 1), using)
    expect(() => dh(privateKey.subarray(1), key, using)).toThrow(RangeError)
    expect(() => dh(privateKey, { alg: 'x25519', raw: Buffer.alloc(31) }, using)).toThrow(RangeError)
  })

  it('encrypts a delivered message and a quota marker as the reference does', () => {
    const { dhSecret, msgIdNonce, rcvMsgBodyUnpadded, quotaUnpadded, paddedLength, encrypted, quotaEncrypted } =
      vectors.messageDelivery
    const messageKey = boxKey(hex(dhSecret))
    const message = sealPadded(messageKey, hex(msgIdNonce), hex(rcvMsgBodyUnpadded), paddedLength, using)
    expect(message.length).toBe(encrypted.length)
    expect(sha256(message).toString('hex')).toBe(encrypted.sha256)
    const quota = sealPadded(messageKey, hex(msgIdNonce), hex(quotaUnpadded), paddedLength, using)
    expect(sha256(quota).toString('hex')).toBe(quotaEncrypted.sha256)
  })

  it('derives the message key from the keys of the queue', () => {
    const { dhSecret, queueServerDhPriv, rcvDhPubSpki } = vectors.messageDelivery
    expect(dh(hex(queueServerDhPriv), dhKey(rcvDhPubSpki), using)?.toString('hex')).toBe(dhSecret)
  })

  it('encrypts a proxied command and, with the reversed nonce, its answer', () => {
    const { relaySessionDhPriv, cmdKeySpki, cmdSecret, innerNonce_corrId, ...proxy } = vectors.proxy
    const secret = dh(hex(relaySessionDhPriv), dhKey(cmdKeySpki), using)
    expect(secret?.toString('hex')).toBe(cmdSecret)
    const commandKey = boxKey(hex(cmdSecret))
    const commandNonce = hex(innerNonce_corrId)
    const command = sealPadded(commandKey, commandNonce, hex(proxy.innerBatchUnpadded), 16226, using)
    expect(sha256(command).toString('hex')).toBe(proxy.encTransmission.sha256)
    expect(openPadded(commandKey, commandNonce, command, using)?.toString('hex')).toBe(proxy.innerBatchUnpadded)
    const answerNonce = reverseNonce(commandNonce)
    const answer = sealPadded(commandKey, answerNonce, hex(proxy.innerResponseUnpadded), 16226, using)
    expect(sha256(answer).toString('hex')).toBe(proxy.encResponse.sha256)
  })

  it('encrypts notification metadata as the reference does', () => {
    const { dhSecret, nonce, nMsgMeta, padded, encrypted144 } = vectors.notification
    expect(sealPadded(boxKey(hex(dhSecret)), hex(nonce), hex(nMsgMeta), padded, using).toString('hex')).toBe(
      encrypted144,
    )
  })
})

describe('box', () => {
  it('reverseNonce leaves the original unchanged', () => {
    const nonce = Buffer.from([1, 2, 3])
    expect(reverseNonce(nonce)).toEqual(Buffer.from([3, 2, 1]))
    expect(nonce).toEqual(Buffer.from([1, 2, 3]))
  })

  it('cbNonce pads short correlation ids with zeros and cuts long ones', () => {
    const { corrIdText, nonce } = vectors.authorization.shortCorrIdNonce
    expect(cbNonce(Buffer.from(corrIdText)).toString('hex')).toBe(nonce)
    expect(cbNonce(Buffer.alloc(0))).toEqual(Buffer.alloc(24))
    expect(cbNonce(Buffer.alloc(255, 7))).toEqual(Buffer.alloc(24, 7))
  })
})
