import { defineConfig } from 'vitest/config'
import { Spread } from './test/sequence.ts'
import { SkipReporter } from './test/skip-reporter.ts'

const { TEST_REPORT: report } = process.env
const json: ['json', { outputFile: string }][] = report ? [['json', { outputFile: report }]] : []

const COVERAGE_FLOOR = {
  config: 96,
  crypto: 92,
  protocol: 98,
  server: 94,
  store: 92,
  system: 85,
  tor: 62,
  transport: 95,
  web: 85,
}

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/tor-network/global-setup.ts', 'test/postgres/global-setup.ts', 'test/taken-ports.ts'],
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
      reporter: ['text-summary', 'html', 'json-summary'],
      reportOnFailure: true,
      // Of lines, in percent, a little below what was measured. cli, app and backup run in processes of their own, in
      // test/interop, where nothing is measured.
      thresholds: Object.fromEntries(
        Object.entries(COVERAGE_FLOOR).map(([layer, lines]) => [`src/${layer}/**`, { lines }]),
      ),
    },
    reporters: ['default', new SkipReporter(), ...json],
  },
})
