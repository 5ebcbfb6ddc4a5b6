import { describe, expect, it } from 'vitest'
import { isPassword } from '../../../src/protocol/basic-auth.ts'
import { parseName } from '../../../src/protocol/names.ts'

describe('public names', () => {
  const label63 = 'a'.repeat(63)

  it.each([
    ['alice.simplex', 'alice.simplex', 'simplex'],
    ['Alice.TESTING', 'alice.testing', 'testing'],
    ['a.b.c.simplex', 'a.b.c.simplex', 'simplex'],
    ['a-b.0-1.org', 'a-b.0-1.org', 'web'],
    [`${label63}.org`, `${label63}.org`, 'web'],
    [`${label63}.${label63}.${label63}.${'a'.repeat(61)}`, `${label63}.${label63}.${label63}.${'a'.repeat(61)}`, 'web'],
  ])('%s is %s of %s', (text, name, space) => {
    expect(parseName(text)).toEqual({ text: name, space })
  })

  it.each([
    '',
    'alice',
    '.simplex',
    'alice.',
    'alice..simplex',
    '-a.simplex',
    'a-.simplex',
    'a--b.simplex',
    'a_b.simplex',
    'a b.simplex',
    ' a.simplex',
    'a.simplex\n',
    'ä.simplex',
    '\u212a.simplex',
    `${label63}a.org`,
    `${label63}.${label63}.${label63}.${'a'.repeat(62)}`,
  ])('%j is none', (text) => {
    expect(parseName(text)).toBeUndefined()
  })
})

describe('passwords', () => {
  it('are of printable characters other than white space, @, : and /', () => {
    const allowed = Array.from({ length: 256 }, (_, byte) => byte).filter((byte) =>
      isPassword(String.fromCharCode(byte)),
    )
    const ascii = Array.from({ length: 94 }, (_, index) => index + 0x21).filter(
      (byte) => !'@:/'.includes(String.fromCharCode(byte)),
    )
    const latin1 = Array.from({ length: 95 }, (_, index) => index + 0xa1).filter((byte) => byte !== 0xad)
    expect(allowed).toEqual([...ascii, ...latin1])
  })

  it('end where they end', () => {
    expect(isPassword('secret\n')).toBe(false)
  })
})
