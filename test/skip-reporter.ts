import type { Reporter, TestModule, Vitest } from 'vitest/node'

/**
 * Says at the end of a run which tests were skipped, and why: the note of `context.skip(condition, note)`, or a title that
 * says what the test needs, as in `describe.skipIf(!isRoot)('two users (needs root)', …)`. A skip without a reason fails
 * the run. `npm test -- -t NAME` skips what was not asked for, which is not reported.
 */
export class SkipReporter implements Reporter {
  #vitest: Vitest | undefined

  onInit(vitest: Vitest): void {
    this.#vitest = vitest
  }

  onTestRunEnd(modules: readonly TestModule[]): void {
    if (this.#vitest?.config.testNamePattern) return
    const reasons = new Map<string, string[]>()
    for (const module of modules) {
      for (const test of module.children.allTests('skipped')) {
        const result = test.result()
        const note = result.state === 'skipped' ? result.note : undefined
        const reason = note ?? /\bneeds [^():>]+/.exec(test.fullName)?.[0].trim() ?? ''
        const line = `${module.relativeModuleId}: ${test.fullName}`
        reasons.set(reason, [...(reasons.get(reason) ?? []), line])
      }
    }
    for (const [reason, lines] of reasons) {
      console.log(`Skipped ${lines.length}, ${reason === '' ? 'WITHOUT A REASON' : `because: ${reason}`}`)
      for (const line of lines) console.log(`  ${line}`)
    }
    if (reasons.has('')) process.exitCode = 1
  }
}
