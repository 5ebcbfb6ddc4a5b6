import { createHash } from 'node:crypto'
import { expect, it } from 'vitest'
import { md5, sha256, sha3_384, sha512 } from '../../../src/crypto/hash.ts'
import vectors from '../../vectors/vectors.json' with { type: 'json' }
import { hex } from './back-ends.ts'

it('hashes with the algorithm that each name says', () => {
  const bytes = Buffer.from('some bytes')
  expect(sha256(bytes)).toEqual(createHash('sha256').update(bytes).digest())
  expect(sha3_384(bytes)).toEqual(createHash('sha3-384').update(bytes).digest())
  expect(sha512(hex(vectors.authorization.authorizedBytes)).toString('hex')).toBe(
    vectors.authorization.x25519.sha512OfAuthorized,
  )
  expect(vectors.idsHash.ids.map((id) => md5(hex(id)).toString('hex'))).toEqual(vectors.idsHash.md5)
})
