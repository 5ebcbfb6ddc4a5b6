import { describe, expect, it } from 'vitest'
import { certificateFields } from '../../../src/crypto/certificate-fields.ts'
import { derElements } from '../../../src/crypto/der.ts'
import vectors from '../../vectors/vectors.json' with { type: 'json' }
import { hex } from './back-ends.ts'

describe('der', () => {
  it('derElements splits elements with short and long lengths', () => {
    const long = Buffer.concat([hex('04820100'), Buffer.alloc(256)])
    const elements = derElements(Buffer.concat([hex('0500'), long]))
    expect(elements?.map(({ tag, content }) => [tag, content.length])).toEqual([
      [5, 0],
      [4, 256],
    ])
    expect(elements?.[1]?.bytes).toEqual(long)
    expect(derElements(Buffer.alloc(0))).toEqual([])
  })

  it.each(['05', '0501', '0480', '048100ff', '0484', '0485000000000100', '048400000001', '1f0100', '05000'])(
    'derElements refuses %s',
    (bytes) => {
      expect(derElements(hex(bytes.length % 2 ? `${bytes}4` : bytes))).toBeUndefined()
    },
  )
})

describe('der', () => {
  const ca = hex(vectors.upstreamFixtures.caCrtDer)

  it('certificateFields reads version, subject and extensions', () => {
    const fields = certificateFields(ca)
    expect(fields?.version).toBe(3)
    expect(fields?.subject.includes('SMP server CA')).toBe(true)
    expect([...(fields?.extensions.keys() ?? [])]).toEqual(['551d0e', '551d23', '551d13'])
  })

  it('certificateFields refuses every truncation and trailing bytes', () => {
    for (let length = 0; length < ca.length; length++) expect(certificateFields(ca.subarray(0, length))).toBeUndefined()
    expect(certificateFields(Buffer.concat([ca, Buffer.alloc(2)]))).toBeUndefined()
  })
})
