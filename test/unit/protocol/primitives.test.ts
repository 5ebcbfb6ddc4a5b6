import { describe, expect, it } from 'vitest'
import { parsePrefix, parseWhole, type Reader } from '../../../src/protocol/reader.ts'
import { Writer } from '../../../src/protocol/writer.ts'
import vectors from '../../vectors/vectors.json' with { type: 'json' }
import { ascii, hex } from './bytes.ts'

const vector = (name: string): Buffer => {
  const found = vectors.primitives.find((entry) => entry.name === name)
  if (found?.encoded === undefined) throw new Error(`no vector ${name}`)
  return hex(found.encoded)
}
const maybeVector = vectors.primitives.find((entry) => entry.just !== undefined)
const boolVector = vectors.primitives.find((entry) => entry.true !== undefined)

describe('primitive encodings', () => {
  const cases: [string, Buffer, (w: Writer) => Writer, (r: Reader) => unknown, unknown][] = [
    ['Int64', vector('Int64'), (w) => w.int64(1234567890123456789n), (r) => r.int64(), 1234567890123456789n],
    ['a time', vector('SystemTime 2022-01-01T10:24:05Z'), (w) => w.integer(1641032645), (r) => r.integer(), 1641032645],
    ['a negative Int64', hex('ffffffffffffffff'), (w) => w.integer(-1), (r) => r.integer(), -1],
    ['Word16', vector('Word16 16384'), (w) => w.word16(16384), (r) => r.word16(), 16384],
    ['Word32', hex('fffffffe'), (w) => w.word32(0xfffffffe), (r) => r.word32(), 0xfffffffe],
    ['a short string', vector('shortString "hello"'), (w) => w.short(ascii('hello')), (r) => r.short(), ascii('hello')],
    ['a large string', vector('Large "hello"'), (w) => w.large(ascii('hello')), (r) => r.large(), ascii('hello')],
    ['an absent value', hex(maybeVector?.nothing ?? ''), (w) => w.maybe(undefined, () => w), (r) => r.maybe(word), 0],
    [
      'a present value',
      hex(maybeVector?.just ?? ''),
      (w) => w.maybe('pw', (pw) => w.shortLatin1(pw)),
      (r) => r.maybe((value) => value.shortLatin1()),
      'pw',
    ],
    ['true', hex(boolVector?.true ?? ''), (w) => w.bool(true), (r) => r.bool(), true],
    ['false', hex(boolVector?.false ?? ''), (w) => w.bool(false), (r) => r.bool(), false],
    [
      'a version range',
      vector('VersionRange 6..20'),
      (w) => w.versionRange({ min: 6, max: 20 }),
      (r) => r.versionRange(),
      { min: 6, max: 20 },
    ],
    [
      'a non-empty list',
      vector('NonEmpty shortString ["a","bc"]'),
      (w) => w.nonEmpty(['a', 'bc'], (item) => w.shortLatin1(item)),
      (r) => r.nonEmpty((item) => item.shortLatin1()),
      ['a', 'bc'],
    ],
    ['an empty list', hex('00'), (w) => w.list([], () => w), (r) => r.list(word), []],
  ]

  it.each(cases)('are those of the specification for %s', (_name, encoded, write, read, value) => {
    expect(write(new Writer(1)).done()).toEqual(encoded)
    const parsed = parseWhole(encoded, (r) => ({ value: read(r) }))
    expect(parsed).toEqual({ value: value === 0 ? undefined : value })
  })

  it.each(cases)('%s is refused when its last byte is missing', (_name, encoded, _write, read) => {
    expect(parseWhole(encoded.subarray(0, -1), (r) => ({ value: read(r) }))).toBeUndefined()
  })

  it.each(cases)('%s does not take the byte after it', (_name, encoded, _write, read) => {
    const longer = Buffer.concat([encoded, hex('00')])
    expect(parseWhole(longer, (r) => ({ value: read(r) }))).toBeUndefined()
    expect(parsePrefix(longer, (r) => ({ value: read(r) }))).toBeDefined()
  })

  const refused: [string, Buffer, (r: Reader) => unknown][] = [
    ['a Bool that is neither T nor F', ascii('t'), (r) => r.bool()],
    ['a Maybe with another tag', ascii('2ab'), (r) => r.maybe(word)],
    ['an empty non-empty list', hex('00'), (r) => r.nonEmpty(word)],
    ['a version range upside down', hex('00140006'), (r) => r.versionRange()],
    ['text that is not UTF-8', hex('02c328'), (r) => r.shortText()],
    ['a tail that is not UTF-8', hex('ff'), (r) => r.tailText()],
    ['an ids hash of 15 bytes', hex(`0f${'00'.repeat(15)}`), (r) => r.idsHash()],
    ['a letter that is not among the choices', ascii('X'), (r) => r.letter(['S', 'C'])],
    ['a nonce of 23 bytes', Buffer.alloc(23), (r) => r.nonce()],
  ]
  it.each(refused)('do not include %s', (_name, bytes, read) => {
    expect(parseWhole(bytes, (r) => ({ value: read(r) }))).toBeUndefined()
  })

  it('a failed attempt goes back to where it began', () => {
    const read = (r: Reader): [string | undefined, Buffer] => [r.attempt((inner) => inner.shortText()), r.tail()]
    expect(parseWhole(hex('05616263'), read)).toEqual([undefined, hex('05616263')])
  })

  it('an attempt lets bugs through', () => {
    const bug = (): never => {
      throw new TypeError('bug')
    }
    expect(() => parseWhole(hex('00'), bug)).toThrow('bug')
  })

  it('strings that would not fit their length byte are refused by the writer, not wrapped around', () => {
    expect(() => new Writer().short(Buffer.alloc(256))).toThrow(RangeError)
    expect(() => new Writer().shortLatin1('x'.repeat(256))).toThrow(RangeError)
    expect(() => new Writer().large(Buffer.alloc(65536))).toThrow(RangeError)
    expect(() => new Writer().list(Array.from({ length: 256 }), () => undefined)).toThrow(RangeError)
    expect(() => new Writer().nonEmpty([], () => undefined)).toThrow(RangeError)
    expect(new Writer().short(Buffer.alloc(255)).done()).toHaveLength(256)
  })

  it('the writer grows as often as it has to', () => {
    const w = new Writer(1)
    for (let count = 0; count < 1000; count++) w.byte(count % 256).word16(count)
    const parsed = parseWhole(w.done(), (r) => Array.from({ length: 1000 }, () => [r.byte(), r.word16()]))
    expect(parsed).toEqual(Array.from({ length: 1000 }, (_, count) => [count % 256, count]))
  })
})

function word(r: Reader): number {
  return r.word16()
}
