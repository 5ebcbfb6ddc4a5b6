import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { LineSplitter } from '../../../src/transport/line-splitter.ts'

const push = (splitter: LineSplitter, text: string): unknown => splitter.push(Buffer.from(text, 'latin1'))

describe('line-splitter', () => {
  it('a line splitter returns lines that end with LF or CRLF, empty ones too, and keeps an incomplete one', () => {
    const splitter = new LineSplitter(10)
    expect(push(splitter, 'one\r\ntwo\n\nthr')).toEqual({ lines: ['one', 'two', ''], tooLong: false })
    expect(splitter.begun).toBe('thr')
    expect(push(splitter, 'ee\n')).toEqual({ lines: ['three'], tooLong: false })
    expect(splitter.begun).toBe('')
  })

  it('a line splitter gives the same lines however the bytes are cut', () => {
    const text = fc.array(fc.string({ unit: fc.constantFrom('a', '\r', '\n', 'é') }), { maxLength: 20 })
    fc.assert(
      fc.property(text, (chunks) => {
        const splitter = new LineSplitter(1000)
        const lines = chunks.flatMap((chunk) => splitter.push(Buffer.from(chunk, 'latin1')).lines)
        expect([...lines, splitter.begun]).toEqual(
          chunks
            .join('')
            .split('\n')
            .map((line, index, all) => (index < all.length - 1 ? line.replace(/\r$/, '') : line)),
        )
      }),
    )
  })

  it('a line splitter accepts a line of the maximum length with either ending, and none that is longer', () => {
    for (const end of ['\n', '\r\n']) {
      expect(push(new LineSplitter(4), `abcd${end}`)).toEqual({ lines: ['abcd'], tooLong: false })
      expect(push(new LineSplitter(4), `ok${end}abcde${end}`)).toEqual({ lines: ['ok'], tooLong: true })
    }
    expect(push(new LineSplitter(4), 'abcdef')).toEqual({ lines: [], tooLong: true })
  })

  it('a line splitter never keeps more of an unfinished line than the maximum length', () => {
    const splitter = new LineSplitter(100)
    for (let count = 0; count < 50; count++) push(splitter, 'x'.repeat(64))
    expect(splitter.begun.length).toBeLessThanOrEqual(101)
  })
})
