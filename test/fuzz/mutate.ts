import type { Random } from './random.ts'

/** Bytes that mean something in SMP: ends of lengths, tags of Maybe and Bool, spaces, the first byte of DER. */
const TELLING = [0x00, 0x01, 0x20, 0x2c, 0x30, 0x31, 0x46, 0x54, 0x7f, 0x80, 0xff] as const
const LONGEST = 16_384

type Mutation = (input: Buffer, random: Random, other: Buffer) => Buffer

const at = (input: Buffer, random: Random): number => random.below(input.length + 1)

const changed = (input: Buffer, change: (copy: Buffer) => void): Buffer => {
  const copy = Buffer.from(input)
  change(copy)
  return copy
}

const MUTATIONS: readonly [Mutation, ...Mutation[]] = [
  // A bit.
  (input, random) =>
    changed(input, (copy) => {
      const position = random.below(copy.length || 1)
      if (copy.length > 0) copy[position] = (copy[position] ?? 0) ^ (1 << random.below(8))
    }),
  // A telling byte.
  (input, random) =>
    changed(input, (copy) => {
      if (copy.length > 0) copy[random.below(copy.length)] = random.of(TELLING)
    }),
  // A length that is one too long or too short.
  (input, random) =>
    changed(input, (copy) => {
      const position = random.below(copy.length || 1)
      if (copy.length > 0) copy[position] = (copy[position] ?? 0) + (random.once(2) ? 1 : -1)
    }),
  // Cut off, at either end.
  (input, random) => input.subarray(0, at(input, random)),
  (input, random) => input.subarray(at(input, random)),
  // A piece left out, repeated, or put in.
  (input, random) => {
    const [from, length] = [at(input, random), random.below(40)]
    return Buffer.concat([input.subarray(0, from), input.subarray(from + length)])
  },
  (input, random) => {
    const [from, length] = [at(input, random), random.below(80)]
    return Buffer.concat([input.subarray(0, from + length), input.subarray(from)])
  },
  (input, random) => {
    const from = at(input, random)
    return Buffer.concat([input.subarray(0, from), random.bytes(random.below(12)), input.subarray(from)])
  },
  // The front of one with the end of another.
  (input, random, other) => Buffer.concat([input.subarray(0, at(input, random)), other.subarray(at(other, random))]),
  // Something else altogether.
  (_, random) => random.bytes(random.once(50) ? LONGEST : random.below(300)),
]

/** One to four changes of a seed; never longer than a block. */
export const mutate = (seed: Buffer, random: Random, other: Buffer): Buffer => {
  let input = seed
  for (let count = 1 + random.below(4); count > 0; count--) input = random.of(MUTATIONS)(input, random, other)
  return input.subarray(0, LONGEST)
}
