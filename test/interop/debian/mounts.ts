import { type ChildProcess, spawn } from 'node:child_process'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { succeed } from './command.ts'

/**
 * A directory in memory that only this process sees, in namespaces for mounts and processes of its own. Whatever ends
 * this process, nothing of it stays: no file, no mount, no process.
 */
export class Mounts {
  /** For files that both sides see. */
  readonly directory: string
  /** What is in memory. */
  readonly root: string
  readonly #holder: ChildProcess
  readonly #pid: string

  private constructor(directory: string, holder: ChildProcess, pid: string) {
    this.directory = directory
    this.root = join(directory, 'root')
    this.#holder = holder
    this.#pid = pid
  }

  static async make(name: string): Promise<Mounts> {
    const directory = await mkdtemp(join(tmpdir(), `${name}-`))
    await mkdir(join(directory, 'root'))
    const script = join(import.meta.dirname, 'hold.sh')
    const namespaces = ['--mount', '--pid', '--fork', '--kill-child']
    const holder = spawn('unshare', [...namespaces, script, join(directory, 'root')], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    return new Mounts(directory, holder, await firstLine(holder))
  }

  /** The command that runs another one of this machine with these mounts. */
  entering(command: readonly string[]): string[] {
    return ['nsenter', '--target', this.#pid, '--mount', '--pid', ...command]
  }

  /** Runs a command of this machine that sees these mounts. @returns what it prints */
  async run(command: readonly string[]): Promise<string> {
    const [program = '', ...args] = this.entering(command)
    return await succeed(program, args)
  }

  async close(): Promise<void> {
    await endOf(this.#holder, () => this.#holder.stdin?.end())
    await rm(this.directory, { recursive: true, force: true })
  }
}

/** The first line that a program prints. */
export async function firstLine(child: ChildProcess): Promise<string> {
  if (!child.stdout) throw new TypeError('stdout is a pipe')
  const lines = createInterface({ input: child.stdout })
  const line = await new Promise<string | undefined>((done) => {
    lines.once('line', done)
    lines.once('close', () => done(undefined))
  })
  if (line === undefined) throw new Error('it ended before it was ready')
  return line
}

/** Ends a program, and waits until it has ended. */
export async function endOf(child: ChildProcess, how: () => void): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = new Promise((done) => child.once('exit', done))
  how()
  await ended
}
