import { defineConfig } from 'vitest/config'
import { Spread } from './test/sequence.ts'
import { SkipReporter } from './test/skip-reporter.ts'

const { TEST_REPORT: report } = process.env
const json: ['json', { outputFile: string }][] = report ? [['json', { outputFile: report }]] : []

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/tor-network/global-setup.ts', 'test/taken-ports.ts'],
    testTimeout: 60_000,
    // This machine may be busy with other tests.
    expect: { poll: { timeout: 10_000 } },
    hookTimeout: 120_000,
    // One more than CI has processors: about one of them waits for another program at any time.
    maxWorkers: 3,
    sequence: { sequencer: Spread },
    coverage: {
      provider: 'v8',
      include: ['src/**/*.ts'],
      reporter: ['text-summary', 'html'],
      reportOnFailure: true,
    },
    reporters: ['default', new SkipReporter(), ...json],
  },
})
