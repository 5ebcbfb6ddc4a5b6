import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** Spreads the files of test/interop, which mostly wait for other programs, evenly among those that compute. */
export class Spread extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files)
    const waits = ({ moduleId }: TestSpecification): boolean => moduleId.includes('/test/interop/')
    const placed = [sorted.filter(waits), sorted.filter((file) => !waits(file))].flatMap((group) =>
      group.map((file, index) => ({ file, place: index / group.length })),
    )
    return placed.sort((a, b) => a.place - b.place).map(({ file }) => file)
  }
}
