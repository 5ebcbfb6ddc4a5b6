import { AppError } from '../errors/app-error.ts'
import { Refusal } from '../errors/refusal.ts'
import { systemError } from '../errors/system-error.ts'

/** Summaries, banners and the sentences of refusals go to stdout, where operators' scripts look for them. */
export function print(...lines: readonly string[]): void {
  process.stdout.write(lines.map((line) => `${line}\n`).join(''))
}

/** Options were not understood; goes to stderr, together with the usage. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** Prints why the command failed. `debug` adds the stack of what nobody foresaw. */
export function printFailure(error: unknown, debug: boolean): void {
  if (error instanceof UsageError) {
    process.stderr.write(`${error.message}\n`)
  } else if (error instanceof Refusal) {
    print(...error.lines)
  } else {
    const known = error instanceof AppError ? error : systemError(error)
    if (known)
      print(...known.message.split('\n').map((line) => `Error: ${line}`), ...(known.remedy ? [known.remedy] : []))
    else printUnexpected(error, debug)
  }
}

function printUnexpected(error: unknown, debug: boolean): void {
  const [line = ''] = (error instanceof Error ? error.message : String(error)).split('\n')
  if (debug && error instanceof Error) process.stderr.write(`${error.stack ?? line}\n`)
  else process.stderr.write(`smp-server: ${line} (this is a fault of smp-server; --log-level debug shows where)\n`)
}
