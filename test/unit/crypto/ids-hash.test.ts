import { describe, expect, it } from 'vitest'
import { idHash, idsHash, xorHash } from '../../../src/crypto/ids-hash.ts'
import vectors from '../../vectors/vectors.json' with { type: 'json' }
import { hex } from './back-ends.ts'

const ids = vectors.idsHash.ids.map(hex)

describe('ids-hash', () => {
  it('idsHash is the XOR of the MD5 of each id, in any order', () => {
    expect(idsHash(ids).toString('hex')).toBe(vectors.idsHash.xor)
    expect(idsHash(ids.toReversed()).toString('hex')).toBe(vectors.idsHash.xor)
    expect(idsHash([]).toString('hex')).toBe(vectors.idsHash.empty)
  })

  it('idsHash can be kept up to date one id at a time', () => {
    let hash = idsHash([])
    for (const id of ids) hash = xorHash(hash, idHash(id))
    expect(hash.toString('hex')).toBe(vectors.idsHash.xor)
    for (const id of ids) hash = xorHash(hash, idHash(id))
    expect(hash.toString('hex')).toBe(vectors.idsHash.empty)
  })

  it('idsHash leaves its arguments alone and throws for other lengths', () => {
    const a = Buffer.alloc(16, 1)
    xorHash(a, Buffer.alloc(16, 3))
    expect(a).toEqual(Buffer.alloc(16, 1))
    expect(() => xorHash(a, Buffer.alloc(15))).toThrow(RangeError)
    expect(() => xorHash(Buffer.alloc(17), a)).toThrow(RangeError)
  })
})
