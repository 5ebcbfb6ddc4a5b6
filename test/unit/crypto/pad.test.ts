import { describe, expect, it } from 'vitest'
import { fitsPadding, pad, padInto, unpad } from '../../../src/crypto/pad.ts'
import vectors from '../../vectors/vectors.json' with { type: 'json' }
import { hex } from './back-ends.ts'

const encodedAs = (name: string): string | undefined => vectors.primitives.find((row) => row.name === name)?.encoded

describe('pad', () => {
  it('pad writes the length, the message and number signs', () => {
    expect(pad(Buffer.from('abc'), 5).toString('hex')).toBe(encodedAs('pad("abc",5)'))
    expect(pad(Buffer.from('abc'), 10).toString('hex')).toBe(encodedAs('pad("abc",10)'))
    const { unpadded } = vectors.blockEncryption.clientPingV20
    const { length, first64 } = vectors.blockEncryption.unencryptedPingBlock
    const block = pad(hex(unpadded), length)
    expect(block.subarray(0, 64).toString('hex')).toBe(first64)
    expect(block.subarray(2 + unpadded.length / 2)).toEqual(Buffer.alloc(length - 2 - unpadded.length / 2, '#'))
  })

  it('pad takes 65533 bytes and no more', () => {
    expect(pad(Buffer.alloc(65533, 'a'), 65535).length).toBe(65535)
    expect(() => pad(Buffer.alloc(65534, 'a'), 65536)).toThrow(RangeError)
    expect(fitsPadding(65533, 65535)).toBe(true)
    expect(fitsPadding(65534, 70000)).toBe(false)
  })

  it('pad throws when the message and its length do not fit', () => {
    expect(() => pad(Buffer.from('abc'), 4)).toThrow(RangeError)
    expect(() => pad(Buffer.alloc(0), 1)).toThrow(RangeError)
    expect(fitsPadding(3, 4)).toBe(false)
  })

  it('pad overwrites all of a used buffer', () => {
    const out = Buffer.alloc(8, 0xff)
    padInto(out, Buffer.from('ab'))
    expect(out.toString('latin1')).toBe('\x00\x02ab####')
  })
})

describe('pad', () => {
  it('unpad returns the announced bytes and does not look at the rest', () => {
    expect(unpad(hex('0000'))).toEqual(Buffer.alloc(0))
    expect(unpad(hex('0003616263ffff'))).toEqual(Buffer.from('abc'))
  })

  it('unpad refuses input that is shorter than announced', () => {
    expect(unpad(Buffer.alloc(0))).toBeUndefined()
    expect(unpad(hex('00'))).toBeUndefined()
    expect(unpad(hex('00036162'))).toBeUndefined()
  })
})
