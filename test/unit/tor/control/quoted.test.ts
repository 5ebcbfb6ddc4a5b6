import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseArguments, quote, readQuoted } from '../../../../src/tor/control/quoted.ts'

describe('quoted strings', () => {
  it('a quoted string escapes what would end it or leave the line', () => {
    expect(quote('giraffe')).toBe('"giraffe"')
    expect(quote('a "b" \\c')).toBe('"a \\"b\\" \\\\c"')
    expect(quote('a\r\nQUIT')).toBe('"a\\015\\012QUIT"')
  })

  it('quoted strings survive quoting and parsing, whatever they contain', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const quoted = quote(text)
        expect(quoted).toMatch(/^[\x20-\x7e]*$/)
        expect(readQuoted(quoted, 0)).toEqual({ value: Buffer.from(text).toString('utf8'), end: quoted.length })
      }),
    )
  })

  it('quoted strings may have C escapes', () => {
    expect(readQuoted('"\\n\\t\\r\\\\\\"\\303\\274\\7x"', 0)?.value).toBe('\n\t\r\\"ü\x07x')
  })

  it.each(['', 'plain', '"', '"open', '"ends in an escape\\', '"ends in an escape\\"'])(
    'a quoted string is not %j',
    (text) => {
      expect(readQuoted(text, 0)).toBeUndefined()
    },
  )
})

describe('arguments', () => {
  it('arguments are positional or have a name, quoted or not', () => {
    const { positional, keywords } = parseArguments('NOTICE BOOTSTRAP PROGRESS=5 SUMMARY="Connecting to a relay"  X=')
    expect(positional).toEqual(['NOTICE', 'BOOTSTRAP'])
    expect([...keywords]).toEqual([
      ['PROGRESS', '5'],
      ['SUMMARY', 'Connecting to a relay'],
      ['X', ''],
    ])
  })

  it('an argument keeps everything after the first equals sign', () => {
    expect(parseArguments('KEY=a=b==').keywords.get('KEY')).toBe('a=b==')
  })

  it('an unterminated quoted argument ends with the line', () => {
    expect(parseArguments('A="open B=1').keywords.get('A')).toBe('"open')
  })
})
