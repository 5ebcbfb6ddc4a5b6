// Prints `N passed, N failed, N skipped` from vitest's JSON report. A file that could not be loaded counts as a failure.
import { readFileSync } from 'node:fs'

function report() {
  try {
    return JSON.parse(readFileSync(process.argv[2], 'utf8'))
  } catch {
    return { numPassedTests: 0, numFailedTests: 0, numPendingTests: 0, numTodoTests: 0, testResults: [] }
  }
}

const { numPassedTests, numFailedTests, numPendingTests, numTodoTests, testResults } = report()
const unloaded = testResults.filter((file) => file.status === 'failed' && file.assertionResults.length === 0).length
const failed = numFailedTests + unloaded
console.log(`${numPassedTests} passed, ${failed} failed, ${numPendingTests + numTodoTests} skipped`)
