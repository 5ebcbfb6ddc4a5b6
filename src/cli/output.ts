import { AppError } from '../errors/app-error.ts'
import { Refusal } from '../errors/refusal.ts'
import { systemError } from '../errors/system-error.ts'
import { paint, terminalWidth, wrap } from './terminal.ts'

let output: NodeJS.WriteStream = process.stdout

/** From now on stdout carries data, and everything for the reader goes to stderr. */
export function keepStdoutForData(): void {
  output = process.stderr
  // A pipe that is closed early is a failure then.
  process.stdout.removeAllListeners('error')
}

/** Prints lines as they are: addresses, JSON, tables, pictures. */
export function print(...lines: readonly string[]): void {
  output.write(lines.map((line) => `${line}\n`).join(''))
}

/** Prints paragraphs, each wrapped to the width of the terminal. */
export function say(...paragraphs: readonly string[]): void {
  print(...paragraphs.map((paragraph) => wrap(paragraph, terminalWidth(output))))
}

/**
 * Prints lines that scripts of operators look for: as they are, unless a person reads them on a terminal, where they are
 * wrapped.
 */
export function printKnown(...lines: readonly string[]): void {
  print(...(output.isTTY ? lines.map((line) => wrap(mark(line), terminalWidth(output))) : lines))
}

/** One sentence that something is done, with what it led to. */
export function saySuccess(...paragraphs: readonly string[]): void {
  const [first = '', ...others] = paragraphs
  say(paint('success', first, output), ...others)
}

/** What should be known although the command goes on; on stderr, so that it stays out of what is piped on. */
export function warn(text: string): void {
  const { stderr } = process
  stderr.write(`${wrap(`${paint('warning', 'Warning:', stderr)} ${text}`, terminalWidth(stderr))}\n`)
}

/** Options were not understood; goes to stderr, together with the usage. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** Prints why the command failed. `debug` adds the stack of what nobody foresaw. */
export function printFailure(error: unknown, debug: boolean): void {
  if (error instanceof UsageError) {
    const [first = '', ...others] = error.message.split('\n')
    process.stderr.write([paint('fault', first, process.stderr), ...others, ''].join('\n'))
  } else if (error instanceof Refusal) {
    printKnown(...error.lines)
  } else {
    const known = error instanceof AppError ? error : systemError(error)
    if (known) printKnownFault(known)
    else printUnexpected(error, debug)
  }
}

function printKnownFault({ code, message, remedy }: AppError): void {
  say(
    ...message.split('\n').map((line) => mark(line.startsWith('Warning: ') ? line : `Error: ${line}`)),
    ...(remedy ? [remedy] : []),
    paint('faint', `More: \`smp-server help ${code}\``, output),
  )
}

/** A line with its first word in colour, where that is a word of alarm. */
function mark(line: string): string {
  return line
    .replace(/^Error:/, (word) => paint('fault', word, output))
    .replace(/^(?:Warning|WARNING):/, (word) => paint('warning', word, output))
}

function printUnexpected(error: unknown, debug: boolean): void {
  const [line = ''] = (error instanceof Error ? error.message : String(error)).split('\n')
  if (debug && error instanceof Error) process.stderr.write(`${error.stack ?? line}\n`)
  else process.stderr.write(`smp-server: ${line} (this is a bug in smp-server; --log-level debug shows where)\n`)
}
