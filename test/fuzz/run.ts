import { mutate } from './mutate.ts'
import { Random } from './random.ts'
import { SessionFuzzer } from './sessions.ts'
import type { Seeds } from './seeds.ts'
import type { Target } from './targets.ts'

/** Longest time for one input of a pure function, pauses of the garbage collector included. */
const HANG_MS = 1000
/** Blocks after which a relay is replaced by a new one, so that what it keeps does not grow. */
const RELAY_BLOCKS = 5000

/** An input that should not have done what it did, with what is needed to see it again. */
export class FuzzFailure extends Error {
  override readonly name = 'FuzzFailure'
}

const VERSIONS = [6, 7, 8, 9, 10, 11, 12, 14, 15, 16, 17, 18, 19, 20, 0, 21, 65_535] as const

/** The input with this number: the same for the same seed, whatever ran before. */
export const inputOf = (target: Target, seed: number, index: number): { input: Buffer; version: number } => {
  const random = new Random(seed, index)
  const version = random.of(VERSIONS)
  const input = mutate(random.of(target.seeds), random, random.of(target.seeds))
  return { input, version }
}

/** Inputs `from`..`from + count - 1` of a pure function; throws FuzzFailure. `begin` is told the number of each. */
export const fuzzTarget = (
  target: Target,
  seed: number,
  from: number,
  count: number,
  begin: (index: number) => void = () => undefined,
): void => {
  for (let index = from; index < from + count; index++) {
    begin(index)
    const { input, version } = inputOf(target, seed, index)
    const began = performance.now()
    try {
      target.run(input, version)
    } catch (error) {
      throw failure(target, seed, index, input, version, error)
    }
    const ms = performance.now() - began
    if (ms > HANG_MS) throw failure(target, seed, index, input, version, new Error(`it took ${Math.round(ms)} ms`))
  }
}

/** Blocks against the sessions of relays in memory; the replies that came, by their words. */
export const fuzzSessions = async (
  seeds: Seeds,
  seed: number,
  count: number,
  begin: (index: number) => void = () => undefined,
): Promise<ReadonlyMap<string, number>> => {
  const answers = new Map<string, number>()
  for (let from = 0; from < count; from += RELAY_BLOCKS) {
    const fuzzer = new SessionFuzzer(new Random(seed, from), seeds)
    try {
      for (let index = from; index < Math.min(count, from + RELAY_BLOCKS); index++) {
        begin(index)
        try {
          await fuzzer.step()
        } catch (error) {
          throw new FuzzFailure(`sessions, --seed ${seed}, block ${index}: ${describe(error)}`, { cause: error })
        }
      }
    } finally {
      fuzzer.close()
    }
    for (const [word, times] of fuzzer.answers) answers.set(word, (answers.get(word) ?? 0) + times)
  }
  return answers
}

const describe = (error: unknown): string => (error instanceof Error ? error.message : String(error))

const failure = (
  { name }: Target,
  seed: number,
  index: number,
  input: Buffer,
  version: number,
  error: unknown,
): FuzzFailure => {
  const hex = input.length > 400 ? `${input.toString('hex', 0, 400)}… (${input.length} bytes)` : input.toString('hex')
  const again = `--seed ${seed} --only '${name}' --from ${index} --inputs 1`
  return new FuzzFailure(`${name}, version ${version}: ${describe(error)}\nagain: ${again}\ninput: ${hex}`, {
    cause: error,
  })
}
