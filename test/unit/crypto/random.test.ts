import { expect, it } from 'vitest'
import { pooledRandom } from '../../../src/crypto/random.ts'

const KEY_BYTES = 32
/** More than two portions of the pool. */
const KEYS = 600

it('random bytes are never given out twice, in portions that do not divide the pool either', () => {
  const random = pooledRandom()
  const seen = new Set<string>()
  for (let index = 0; index < KEYS; index++) {
    const bytes = random(index % 2 === 0 ? KEY_BYTES : 24)
    for (let at = 0; at + 8 <= bytes.length; at += 8) seen.add(bytes.toString('hex', at, at + 8))
  }
  expect(seen.size).toBe((KEYS / 2) * 4 + (KEYS / 2) * 3)
})

it('random bytes share their memory with nothing', () => {
  const random = pooledRandom()
  const [first, second] = [random(24), random(24)]
  expect(first.buffer).not.toBe(second.buffer)
  expect(first.buffer.byteLength).toBe(24)
  const before = first.toString('hex')
  second.fill(0)
  expect(first.toString('hex')).toBe(before)
})

it('more bytes than the pool holds are all random', () => {
  const bytes = pooledRandom()(20_000)
  expect(bytes).toHaveLength(20_000)
  const words = new Set(Array.from({ length: 2500 }, (_, index) => bytes.toString('hex', index * 8, index * 8 + 8)))
  expect(words.size).toBe(2500)
})
