#!/usr/bin/env -S node --max-semi-space-size=2 --initial-old-space-size=256
import { resolvePaths } from '../config/paths.ts'
import { printFailure } from './output.ts'
import { runProgram } from './program.ts'
import { withoutRtsOptions } from './rts-options.ts'
import { programSourceCode, versionLine } from '../app/version.ts'

const args = withoutRtsOptions(process.argv.slice(2))
// `head` and others may close the pipe early.
process.stdout.on('error', () => process.exit(process.exitCode))

try {
  process.exitCode = await runProgram({
    paths: resolvePaths(process.env),
    version: versionLine(),
    sourceCode: programSourceCode(),
    args,
  })
} catch (error) {
  const debug = args.some(
    (arg, index) =>
      /^(--log-level[= ])?(debug|trace)$/.test(arg) && (arg.includes('=') || args[index - 1] === '--log-level'),
  )
  printFailure(error, debug)
  process.exitCode = 1
}
