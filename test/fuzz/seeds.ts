import { readFileSync } from 'node:fs'
import { join } from 'node:path'

export interface Seeds {
  /** Everything in hex, whatever it is. */
  readonly all: readonly [Buffer, ...Buffer[]]
  /** What stands below these keys of the vectors. */
  under(...paths: readonly string[]): [Buffer, ...Buffer[]]
}

const HEX = /^(?:[0-9a-f]{2})+$/u

const hexIn = (value: unknown): Buffer[] => {
  if (typeof value === 'string') return HEX.test(value) ? [Buffer.from(value, 'hex')] : []
  if (typeof value !== 'object' || value === null) return []
  return Object.values(value).flatMap(hexIn)
}

/** The test vectors, as what inputs are made from. Run from the folder of the project. */
export const readSeeds = (): Seeds => {
  const vectors: unknown = JSON.parse(readFileSync(join(process.cwd(), 'test/vectors/vectors.json'), 'utf8'))
  const at = (path: string): unknown =>
    path.split('.').reduce<unknown>((value, key) => (value as Record<string, unknown> | undefined)?.[key], vectors)
  const nonEmpty = (found: Buffer[]): [Buffer, ...Buffer[]] => {
    const [first, ...others] = found
    if (!first) throw new Error('the test vectors hold nothing to start from')
    return [first, ...others]
  }
  return {
    all: nonEmpty(hexIn(vectors)),
    under: (...paths) => nonEmpty(paths.flatMap((path) => hexIn(at(path)))),
  }
}
