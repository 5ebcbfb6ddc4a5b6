import { AppError } from '../config/app-error.ts'

/** Summaries, banners and the sentences of refusals go to stdout, where operators' scripts look for them. */
export function print(...lines: readonly string[]): void {
  process.stdout.write(lines.map((line) => `${line}\n`).join(''))
}

/** A refusal whose lines are printed as they are, because scripts and people know them by their wording. */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly lines: readonly string[]

  constructor(...lines: readonly string[]) {
    super(lines.join(' '))
    this.lines = lines
  }
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

/** What the system refused, put as a sentence with its remedy. */
function systemError(error: unknown): AppError | undefined {
  if (!(error instanceof Error) || !('code' in error) || !('path' in error) || typeof error.path !== 'string') {
    return undefined
  }
  const { path } = error
  const user = process.getuid ? `user ${process.getuid()}` : 'this user'
  switch (error.code) {
    case 'EACCES':
    case 'EPERM':
      return new AppError(
        'FILE_PERMISSION',
        `${path}: ${user} may not open or change it.`,
        'Run smp-server as the user that owns its directories, or give them to that user with chown -R.',
      )
    case 'EROFS':
      return new AppError('FILE_READ_ONLY', `${path} is on a file system that is mounted read-only.`)
    case 'ENOSPC':
      return new AppError('DISK_FULL', `${path}: no space left on the disk.`, 'Free some space and try again.')
    case 'ENOENT':
      return new AppError('FILE_MISSING', `${path} does not exist.`)
    case 'ENOTDIR':
      return new AppError('FILE_KIND', `${path}: a part of this path is a file, not a directory.`)
    default:
      return undefined
  }
}
