import { createHash, generateKeyPairSync } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import {
  onionHostname,
  parseOnionHostname,
  parseServiceId,
  publicKeyOf,
  serviceIdOf,
} from '../../../src/crypto/onion-address.ts'

/** Expanded key and public key of a fresh Ed25519 key (RFC 8032 §5.1.5). */
function freshKey(): { secret: Buffer; publicKey: Buffer } {
  const jwk = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' })
  const secret = createHash('sha512')
    .update(Buffer.from(jwk.d ?? '', 'base64url'))
    .digest()
  secret.writeUInt8(secret.readUInt8(0) & 248, 0)
  secret.writeUInt8((secret.readUInt8(31) & 127) | 64, 31)
  return { secret, publicKey: Buffer.from(jwk.x ?? '', 'base64url') }
}

const id = 'elbqz43n4fepvyrxgjwsvpylse2m7u4b4i2dzroxuno644wou3sorwad'
const secret = Buffer.from(
  '4DGERaq5eK/eSZr1Ya3GjIRN+kVeq43nbVxRjedYU2DYERQ8EWp3VuThTBxwpqqqZUlxfk+SxmpjudTKGZgujg==',
  'base64',
)

describe('onion-address', () => {
  it('an onion address is derived from the key that a real tor returned with it', () => {
    expect(serviceIdOf(publicKeyOf(secret))).toBe(id)
  })

  it('publicKeyOf computes the same public key of an expanded key as Node.js', () => {
    for (let i = 0; i < 20; i += 1) {
      const key = freshKey()
      expect(publicKeyOf(key.secret)).toEqual(key.publicKey)
      expect(parseServiceId(serviceIdOf(key.publicKey))).toBe(serviceIdOf(key.publicKey))
    }
  })

  it('an onion address cannot be derived from anything but a key', () => {
    expect(() => publicKeyOf(secret.subarray(1))).toThrow(TypeError)
    expect(() => publicKeyOf(Buffer.alloc(64))).toThrow(TypeError)
    expect(() => serviceIdOf(Buffer.alloc(31))).toThrow(TypeError)
  })

  it('an onion address is accepted in upper case and with its ending', () => {
    const service = parseServiceId(id.toUpperCase())
    expect(service).toBe(id)
    expect(parseOnionHostname(`${id}.onion`)).toBe(`${id}.onion`)
    expect(parseOnionHostname(`${id.toUpperCase()}.ONION`)).toBe(service && onionHostname(service))
  })

  it('an onion address is refused with any one character changed', () => {
    for (let at = 0; at < id.length; at += 1) {
      const other = id[at] === 'a' ? 'b' : 'a'
      expect(parseServiceId(id.slice(0, at) + other + id.slice(at + 1))).toBeUndefined()
    }
  })

  it.each(['', id.slice(1), `${id}a`, `${id}.onion`, `1${id.slice(1)}`, `é${id.slice(1)}`])(
    'an onion address is not %j',
    (text) => {
      expect(parseServiceId(text)).toBeUndefined()
    },
  )

  it.each([id, `www.${id}.onion`, `${id}.onion.`, 'facebookcorewwwi.onion', '.onion'])(
    'an onion hostname is not %j',
    (text) => {
      expect(parseOnionHostname(text)).toBeUndefined()
    },
  )
})
