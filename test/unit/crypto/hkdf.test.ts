import { hkdfSync } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { hkdfSha512 } from '../../../src/crypto/hkdf.ts'
import { backends } from './back-ends.ts'

describe.each(backends)('HKDF-SHA512 on the $name back end', (using) => {
  it.each([0, 1, 12, 32, 127, 128])('agrees with OpenSSL with a salt of %i bytes', (saltLength) => {
    const salt = Buffer.alloc(saltLength, 3)
    for (const secretLength of [0, 32, 111, 112, 128, 512]) {
      for (const length of [1, 63, 64, 65, 88, 200]) {
        const secret = Buffer.alloc(secretLength, 5)
        const info = Buffer.from('some info')
        const expected = Buffer.from(hkdfSync('sha512', secret, salt, info, length))
        expect(hkdfSha512(salt, secret, info, length, using)).toEqual(expected)
      }
    }
  })

  it('throws for input that its scratch space cannot hold', () => {
    const none = Buffer.alloc(0)
    expect(() => hkdfSha512(Buffer.alloc(129), none, none, 1, using)).toThrow(RangeError)
    expect(() => hkdfSha512(none, Buffer.alloc(513), none, 1, using)).toThrow(RangeError)
    expect(() => hkdfSha512(none, none, Buffer.alloc(448), 1, using)).toThrow(RangeError)
    expect(hkdfSha512(none, none, Buffer.alloc(447), 88, using)).toEqual(
      Buffer.from(hkdfSync('sha512', none, none, Buffer.alloc(447), 88)),
    )
  })
})
