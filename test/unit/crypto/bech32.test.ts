import { generateHybridIdentity, generateIdentity, identityToRecipient } from 'age-encryption'
import { describe, expect, it } from 'vitest'
import { isBech32 } from '../../../src/crypto/bech32.ts'

describe('isBech32', () => {
  it('accepts the recipients of age, and refuses them with any character changed', async () => {
    const recipient = await identityToRecipient(await generateIdentity())
    expect(isBech32(recipient, 'age')).toBe(true)
    for (let at = 4; at < recipient.length; at++) {
      const other = recipient[at] === 'q' ? 'p' : 'q'
      expect(isBech32(recipient.slice(0, at) + other + recipient.slice(at + 1), 'age')).toBe(false)
    }
    expect(isBech32(recipient.slice(0, -1), 'age')).toBe(false)
    expect(isBech32(recipient.toUpperCase(), 'age')).toBe(false)
    expect(isBech32(recipient, 'bc')).toBe(false)
    expect(isBech32(await identityToRecipient(await generateHybridIdentity()), 'age1pq')).toBe(true)
  })

  it.each(['', '1', 'age', 'age1', 'age1qqqqqb', 'a1b'])('refuses %j', (text) => {
    expect(isBech32(text, text.split('1')[0] ?? '')).toBe(false)
  })

  it('accepts the vectors of BIP 173', () => {
    expect(isBech32('a12uel5l', 'a')).toBe(true)
    expect(isBech32('abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw', 'abcdef')).toBe(true)
    expect(isBech32('split1checkupstagehandshakeupstreamerranterredcaperred2y9e3w', 'split')).toBe(true)
  })
})
