import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { iniValue, setIniValue } from '../../src/config/ini.ts'
import type { RelayAddress } from '../client/connection.ts'
import { projectRoot as root } from '../project-root.ts'

/*
 * Runs the command as operators do: the built program in a process of its own, with directories of its own.
 */

const main = join(root, 'dist/cli/main.js')

/** Builds dist when a source file is newer; only one test file at a time does so. */
export async function buildProgram(): Promise<void> {
  const lock = join(root, 'node_modules/.building')
  const givenUpAt = Date.now() + 90_000
  while (!tryLock(lock)) {
    if (Date.now() > givenUpAt) throw new Error(`another test builds for too long; remove ${lock}`)
    await sleep(200)
  }
  try {
    if (isBuilt()) return
    const tsc = spawnSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json'], {
      cwd: root,
    })
    if (tsc.error) throw tsc.error
    spawnSync(process.execPath, ['scripts/finish-build.mjs'], { cwd: root, stdio: 'inherit' })
  } finally {
    rmSync(lock, { recursive: true })
  }
}

function tryLock(lock: string): boolean {
  try {
    mkdirSync(lock)
    return true
  } catch {
    return false
  }
}

function isBuilt(): boolean {
  const builtAt = statSync(join(root, 'dist/build-info.json'), { throwIfNoEntry: false })?.mtimeMs ?? 0
  const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' }).map((name) =>
    join(root, 'src', name),
  )
  return sources.every((path) => statSync(path).mtimeMs < builtAt)
}

export interface CommandResult {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

interface InstallationOptions {
  readonly path?: string
  readonly nodeOptions?: readonly string[]
  readonly within?: readonly string[]
}

/** A directory in which one relay lives, and the command run on it. */
export class Installation {
  readonly root = mkdtempSync(join(tmpdir(), 'smp-cli-'))
  readonly config = join(this.root, 'etc')
  readonly state = join(this.root, 'var')
  readonly ini = join(this.config, 'smp-server.ini')
  readonly #children: ChildProcess[] = []
  readonly #path: string | undefined
  readonly #nodeOptions: readonly string[]
  readonly #within: readonly string[]

  /**
   * @param path where the command finds programs
   * @param within a program and its arguments that runs the command, as `nsenter` does
   */
  constructor({ path = process.env.PATH, nodeOptions = [], within = [] }: InstallationOptions = {}) {
    this.#within = within
    this.#path = path
    this.#nodeOptions = nodeOptions
  }

  /** Wide enough that no sentence is wrapped. */
  get environment(): NodeJS.ProcessEnv {
    const directories = { SMP_SERVER_CFG_PATH: this.config, SMP_SERVER_LOG_PATH: this.state }
    return { PATH: this.#path, TZ: 'UTC', COLUMNS: '10000', ...directories }
  }

  /**
   * Initialises the relay, then moves it from the default ports to a free one on loopback: tests must not depend on what
   * else runs on this machine.
   */
  async initialize(...options: readonly string[]): Promise<RelayAddress> {
    const { status, stdout, stderr } = this.run(['init', '-y', ...options])
    if (status !== 0) throw new Error(`init failed:\n${stdout}\n${stderr}`)
    const port = await freePort()
    this.set('TRANSPORT', 'port', String(port))
    this.set('TRANSPORT', 'listen_host', '127.0.0.1')
    if (this.value('WEB', 'https') !== undefined) this.set('WEB', 'https', String(port))
    return { host: '127.0.0.1', port, keyHash: this.keyHash() }
  }

  /** @returns the value of a key in the INI file, as it stands there */
  value(section: string, key: string): string | undefined {
    return iniValue(readFileSync(this.ini, 'utf8'), section, key)
  }

  /** Sets a key in the INI file. */
  set(section: string, key: string, value: string): void {
    writeFileSync(this.ini, setIniValue(readFileSync(this.ini, 'utf8'), section, key, value))
  }

  /** SHA-256 of the identity certificate, 32 bytes. */
  keyHash(): Buffer {
    return Buffer.from(readFileSync(join(this.config, 'fingerprint'), 'utf8').trim(), 'base64url')
  }

  /** @param uid the user to run it as, where the test itself is root */
  run(args: readonly string[], input = '', uid?: number): CommandResult {
    const [program, ...words] = this.#words(args)
    const { status, stdout, stderr } = spawnSync(program, words, {
      env: this.environment,
      input,
      ...(uid !== undefined && { uid, gid: uid }),
      encoding: 'utf8',
      timeout: 60_000,
    })
    return { status, stdout, stderr }
  }

  /** The same with a file as standard input, as `smp-server … <file` gives it. */
  runWithFile(args: readonly string[], file: string): CommandResult {
    const input = openSync(file, 'r')
    const { status, stdout, stderr } = spawnSync(process.execPath, [...this.#nodeOptions, main, ...args], {
      env: this.environment,
      stdio: [input, 'pipe', 'pipe'],
      encoding: 'utf8',
      timeout: 60_000,
    })
    closeSync(input)
    return { status, stdout, stderr }
  }

  /**
   * Starts a command that goes on until it is told to end.
   *
   * @param programs a directory in which it looks for programs first
   */
  start(args: readonly string[], programs?: string): RunningCommand {
    const path = programs === undefined ? this.#path : `${programs}:${this.#path ?? ''}`
    const [program, ...words] = this.#words(args)
    const child = spawn(program, words, {
      env: { ...this.environment, PATH: path },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#children.push(child)
    return new RunningCommand(child)
  }

  #words(args: readonly string[]): [string, ...string[]] {
    const [outer = process.execPath, ...rest] = [...this.#within, process.execPath, ...this.#nodeOptions, main, ...args]
    return [outer, ...rest]
  }

  /** Ends everything without waiting. */
  abandon(): void {
    for (const child of this.#children) child.kill('SIGKILL')
    rmSync(this.root, { recursive: true, force: true })
  }

  /** @param keepFiles only ends what runs, so that somebody can look at the files */
  async remove(keepFiles = false): Promise<void> {
    const running = this.#children.filter((child) => child.exitCode === null && child.signalCode === null)
    for (const child of running) child.kill('SIGKILL')
    await Promise.all(running.map((child) => new Promise((done) => child.once('close', done))))
    if (!keepFiles) rmSync(this.root, { recursive: true, force: true })
  }
}

export class RunningCommand {
  readonly #child: ChildProcess
  readonly #closed: Promise<number | null>
  #stdout = ''
  #stderr = ''

  constructor(child: ChildProcess) {
    this.#child = child
    child.stdout?.on('data', (chunk: Buffer) => (this.#stdout += chunk.toString()))
    child.stderr?.on('data', (chunk: Buffer) => (this.#stderr += chunk.toString()))
    this.#closed = new Promise((done) => child.once('close', done))
  }

  get output(): { stdout: string; stderr: string } {
    return { stdout: this.#stdout, stderr: this.#stderr }
  }

  /** Waits until stdout or stderr matches. */
  async shows(pattern: RegExp, timeoutMs = 20_000): Promise<void> {
    const givenUpAt = Date.now() + timeoutMs
    while (!pattern.test(this.#stdout) && !pattern.test(this.#stderr)) {
      if (this.#child.exitCode !== null || Date.now() > givenUpAt) {
        throw new Error(`${String(pattern)} was not shown:\n${this.#stdout}\n${this.#stderr}`)
      }
      await sleep(20)
    }
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  async ended(): Promise<CommandResult> {
    return { status: await this.#closed, ...this.output }
  }
}

/** A port that nobody listens on at the moment. */
export async function freePort(): Promise<number> {
  const server = createServer()
  const port = await new Promise<number>((done) =>
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      done(address !== null && typeof address === 'object' ? address.port : 0)
    }),
  )
  await new Promise((done) => server.close(done))
  return port
}
