import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fuzzSessions, fuzzTarget, inputOf } from '../fuzz/run.ts'
import { readSeeds } from '../fuzz/seeds.ts'
import { targetsFor } from '../fuzz/targets.ts'

const seeds = readSeeds()
const targets = targetsFor(seeds)
const seed = fc.nat(2 ** 32 - 1)

describe('anybody may send anything:', () => {
  it.each(targets.map((target) => [target.name, target] as const))(
    '%s takes changed test vectors at any version, in no time, and throws nothing',
    (_, target) => {
      fc.assert(
        fc.property(seed, (one) => fuzzTarget(target, one, 0, 300)),
        { numRuns: 20 },
      )
    },
  )

  it('a relay answers changed blocks with what clients can read, closes nobody, and serves on', async () => {
    const words = new Set<string>()
    await fc.assert(
      fc.asyncProperty(seed, async (one) => {
        for (const word of (await fuzzSessions(seeds, one, 250)).keys()) words.add(word)
      }),
      { numRuns: 6 },
    )
    for (const word of ['IDS', 'OK', 'MSG', 'END', 'RRES', 'ERR AUTH', 'ERR BLOCK', 'ERR CMD UNKNOWN'])
      expect(words).toContain(word)
  })

  it('the same seed makes the same inputs, another seed others', () => {
    const [target] = targets
    if (!target) throw new Error('nothing to try')
    const inputs = (of: number) => Array.from({ length: 50 }, (_, index) => inputOf(target, of, index))
    expect(inputs(5)).toEqual(inputs(5))
    expect(inputs(5)).not.toEqual(inputs(6))
  })
})
