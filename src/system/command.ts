import { spawn } from 'node:child_process'
import { privateStdio } from './private-stdio.ts'

export interface CommandResult {
  /** Exit status; `undefined` when a signal ended it. */
  readonly status: number | undefined
  readonly stdout: string
  readonly stderr: string
}

/**
 * Runs a program without a shell and without input, and kills it when `signal` is aborted. Rejects when it cannot be
 * started (`ENOENT`, `EACCES`).
 */
export type CommandRunner = (program: string, args: readonly string[], signal?: AbortSignal) => Promise<CommandResult>

const maxOutput = 256 * 1024

/** Ends the program after two minutes. */
export const runCommand: CommandRunner = (program, args, signal) => run(program, args, 120_000, signal)

/** Without a limit, for what must not be ended half-way, such as installing a package. */
export const runLongCommand: CommandRunner = (program, args, signal) => run(program, args, 0, signal)

async function run(
  program: string,
  args: readonly string[],
  timeout: number,
  signal?: AbortSignal,
): Promise<CommandResult> {
  const stdio = await privateStdio(['ignore', 'pipe', 'pipe'])
  return await new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio })
    // Not the timeout of spawn: that keeps this process alive when the program cannot be started.
    const timer = timeout === 0 ? undefined : setTimeout(() => child.kill(), timeout)
    const kill = (): boolean => child.kill('SIGKILL')
    signal?.addEventListener('abort', kill, { once: true })
    if (signal?.aborted) kill()
    const output = { stdout: '', stderr: '' }
    for (const name of ['stdout', 'stderr'] as const) {
      child[name]?.setEncoding('utf8')
      child[name]?.on('data', (text: string) => (output[name] = (output[name] + text).slice(-maxOutput)))
    }
    child.on('error', (error) => {
      clearTimeout(timer)
      reject(error)
    })
    child.on('close', (status) => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', kill)
      resolve({ status: status ?? undefined, ...output })
    })
  })
}

/** The last line of what a failed program said, as the end of a sentence without its full stop. */
export function lastLine(output: string): string {
  const line = output
    .trim()
    .split('\n')
    .at(-1)
    ?.replace(/[. ]+$/, '')
  return line === undefined || line === '' ? 'it gave no reason' : line
}
