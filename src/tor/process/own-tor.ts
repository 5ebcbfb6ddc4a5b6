import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmod, lstat, mkdir, mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { AppError } from '../../errors/app-error.ts'
import { type Logger, silentLogger } from '../../config/log.ts'
import { runCommand } from '../../system/command.ts'
import { maxSocketPathBytes } from '../control/endpoint.ts'
import { TorControl } from '../control/tor-control.ts'
import { writeDurably } from '../../system/durable-file.ts'
import { privateStdio } from '../../system/private-stdio.ts'
import { errorCode } from '../../system/error-code.ts'
import { portHolder } from '../../transport/port-holder.ts'
import { ConfiguredOnions, servicesDirectory } from '../onion/configured-onions.ts'
import type { ServiceType } from '../onion/service-config.ts'
import { endOrphan, rememberOwnTor } from './orphan.ts'
import { takeStartLock } from './start-lock.ts'
import { crashReason, isHarmlessWarning, parseTorLog } from './tor-log.ts'
import { decidesNetwork, type TorrcExtra } from './torrc-extra.ts'
import { readTemplate, reasonOf, renderTorrc, torMissing, torrcRefused, verifyTorrc } from './torrc.ts'

/*
 * A tor process that belongs to smp-server: one at a time on one data directory, ended with the connection that owns it
 * (Tor control-spec §3.26). The one that carries the onion service runs in single-hop mode.
 */

export interface OwnTorOptions {
  /** tor's data directory, made with mode 0700. */
  readonly directory: string
  readonly binary?: string | undefined
  readonly extra?: TorrcExtra | undefined
  /** `own`, a single-hop tor without a SOCKS port, when absent. */
  readonly template?: 'own' | 'own-anonymous' | 'client' | 'socks'
  /** On 127.0.0.1, where the template has such a port. */
  readonly socksPort?: number | undefined
  readonly log: Logger
  readonly startTimeoutMs?: number
  /** Ends the start; a tor that was started already is killed. */
  readonly signal?: AbortSignal | undefined
}

export interface OwnTorPaths {
  readonly dataDirectory: string
  readonly torrc: string
  readonly controlSocket: string
  readonly cookieFile: string
  /** Of a client tor. */
  readonly socksSocket: string
}

/**
 * Where the files of an own tor are; always the same for the same directory. When the path of the control socket would be
 * too long for the kernel, or tor could not parse it, socket and cookie are in a short directory of this user.
 */
export function ownTorPaths(directory: string): OwnTorPaths {
  const controlDirectory = isFit(join(directory, 'control')) ? directory : runtimeDirectory(directory)
  return {
    dataDirectory: directory,
    torrc: join(directory, 'torrc'),
    controlSocket: join(controlDirectory, 'control'),
    cookieFile: join(controlDirectory, 'control.cookie'),
    socksSocket: join(controlDirectory, 'socks'),
  }
}

function isFit(socketPath: string): boolean {
  return Buffer.byteLength(socketPath) <= maxSocketPathBytes && /^[\w./@+,-]+$/.test(socketPath)
}

function runtimeDirectory(directory: string): string {
  const name = `smp-tor-${createHash('sha256').update(directory).digest('hex').slice(0, 16)}`
  const parents = [process.env.XDG_RUNTIME_DIR, process.env.RUNTIME_DIRECTORY, tmpdir(), '/tmp']
  const parent = parents.find((path) => path?.startsWith('/') && isFit(join(path, name, 'control')))
  return join(parent ?? '/tmp', name)
}

/** The arguments of an own tor: without a defaults file, so that the system's configuration does not apply. */
export function ownTorArguments(paths: OwnTorPaths): string[] {
  return ['--defaults-torrc', '/dev/null', '-f', paths.torrc]
}

/** An own tor starts with its network off, and only smp-server turns it on. */
const NETWORK_OFF = /^DisableNetwork 1$/m

/**
 * Writes the torrc and lets tor check it.
 *
 * @throws AppError `TORRC_REFUSED`, `TOR_MISSING`, `TOR_DIRECTORY`
 */
export async function prepareOwnTor(options: OwnTorOptions): Promise<OwnTorPaths> {
  const paths = ownTorPaths(options.directory)
  await privateDirectory(paths.dataDirectory)
  await privateDirectory(join(paths.controlSocket, '..'))
  // Copies of keys, of a tor before.
  await removeServices(paths)
  const template = await readTemplate(options.template ?? 'own')
  const values = {
    DATA_DIRECTORY: paths.dataDirectory,
    CONTROL_SOCKET: paths.controlSocket,
    COOKIE_FILE: paths.cookieFile,
    SOCKS_SOCKET: paths.socksSocket,
    SOCKS_PORT: socksAddress(options.socksPort),
    OWNER_PID: String(process.pid),
  }
  const { signal, binary = 'tor' } = options
  const verification = { run: runCommand, binary, args: ownTorArguments(paths), signal }
  const write = (extra?: TorrcExtra): Promise<void> =>
    writeDurably(paths.torrc, renderTorrc(template, values, extra), { mode: 0o600, ifExists: 'replace' })
  await write(options.extra)
  const reason = await verifyTorrc(verification)
  signal?.throwIfAborted()
  if (reason === undefined) return paths
  if (options.extra) {
    await write()
    const remedy = 'Fix that line, or remove torrc_extra under [TOR].'
    if ((await verifyTorrc(verification)) === undefined) throw torrcRefused(options.extra.path, reason, remedy)
  }
  throw torrcRefused(paths.torrc, reason, 'Install tor 0.4.6 or later.')
}

export interface OwnTorrcOptions {
  readonly extra: TorrcExtra | undefined
  readonly serviceType: ServiceType
  readonly socksPort?: number | undefined
  readonly binary?: string | undefined
}

/**
 * Lets tor check the torrc that an own tor will have, before there is one.
 *
 * @throws AppError `TORRC_REFUSED`, `TOR_MISSING`
 */
export async function verifyOwnTorrc({ extra, serviceType, socksPort, binary }: OwnTorrcOptions): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'smp-torrc-'))
  try {
    const template = templateFor(serviceType)
    await prepareOwnTor({ directory, binary, extra, template, socksPort, log: silentLogger })
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

/** The template of a tor that carries a service of this type. */
export function templateFor(serviceType: ServiceType | undefined): 'own' | 'own-anonymous' {
  return serviceType === 'anonymous' ? 'own-anonymous' : 'own'
}

/** The value of SocksPort; 0 is none. */
export function socksAddress(port: number | undefined): string {
  return port === undefined ? '0' : `127.0.0.1:${port}`
}

/** Creates the directory with mode 0700, and checks that it is not a link and belongs to this user. */
async function privateDirectory(path: string): Promise<void> {
  const fault = (why: string, cause?: unknown): AppError =>
    new AppError(
      'TOR_DIRECTORY',
      `tor cannot use ${path}: ${why}.`,
      'Run smp-server as the user that owns its state directory.',
      { cause },
    )
  let owner: number
  try {
    owner = (await stat(join(path, '..'))).uid
    await mkdir(path, { mode: 0o700 })
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw fault(`it cannot be created (${errorCode(error) ?? 'unknown'})`, error)
    owner = process.geteuid?.() ?? 0
  }
  const found = await lstat(path)
  if (!found.isDirectory()) throw fault('it is not a directory')
  if (found.uid !== process.geteuid?.()) throw fault('it belongs to another user')
  // Created by root below a directory of the relay's user, it would lock the relay out.
  if (found.uid === 0 && owner !== 0) throw fault('its parent directory belongs to another user')
  if ((found.mode & 0o077) !== 0) await chmod(path, 0o700)
}

/** Connects to an own tor that another process started; `undefined` when none runs. */
export async function connectOwnTor(directory: string, signal?: AbortSignal): Promise<TorControl | undefined> {
  const { controlSocket, cookieFile } = ownTorPaths(directory)
  try {
    return await TorControl.connect({ endpoint: { type: 'unix', path: controlSocket }, cookieFile, signal })
  } catch (error) {
    if (error instanceof AppError && error.code === 'TOR_CONTROL_ABSENT') return undefined
    throw error
  }
}

/** A running tor child with its owning control connection. */
export class OwnTor {
  readonly control: TorControl
  readonly pid: number
  /** Resolves with tor's own reason when the process has ended. */
  readonly exited: Promise<string>
  /** The operator's lines decide about `DisableNetwork`. */
  readonly networkDecided: boolean
  readonly #child: ChildProcess
  readonly #paths: OwnTorPaths
  readonly #socksPort: number | undefined
  /** Of the socket and the cookie that tor has made last. */
  #controlMark: string

  private constructor(
    control: TorControl,
    spawned: Spawned,
    paths: OwnTorPaths,
    controlMark: string,
    { extra, socksPort }: OwnTorOptions,
  ) {
    this.control = control
    this.pid = spawned.pid
    this.exited = spawned.exited
    this.networkDecided = decidesNetwork(extra)
    this.#socksPort = socksPort
    this.#child = spawned.child
    this.#paths = paths
    this.#controlMark = controlMark
  }

  /**
   * Starts tor with its network still off, and takes ownership.
   *
   * @throws AppError whatever `prepareOwnTor` throws, and `TOR_RUNS_ALREADY`, `TOR_ENDED`, `TOR_CONTROL_…`
   */
  static async start(options: OwnTorOptions): Promise<OwnTor> {
    await privateDirectory(options.directory)
    const unlock = takeStartLock(join(options.directory, 'start.lock'))
    if (unlock === undefined) throw runsAlready(options.directory)
    try {
      const orphan = await endOrphan(options.directory, ownTorPaths(options.directory).torrc)
      if (orphan !== undefined)
        options.log.note(`tor: ended a tor that was left behind by a relay that was killed (process ${orphan})`)
      const running = await connectOwnTor(options.directory, options.signal)
      running?.close()
      if (running) throw runsAlready(options.directory)
      return await OwnTor.#startAlone(options, await prepareOwnTor(options))
    } finally {
      unlock()
    }
  }

  static async #startAlone(options: OwnTorOptions, paths: OwnTorPaths): Promise<OwnTor> {
    const spawned = await spawnTor(options, paths)
    const { child, pid, exited } = spawned
    try {
      await rememberOwnTor(options.directory, pid, paths.torrc)
      const control = await connectWhenReady(paths, exited, options)
      // Two that start at the same moment share the path of the socket, and one tor waits for the other's lock.
      if ((await control.getInfo('process/pid')).get('process/pid') !== String(pid)) {
        control.close()
        throw runsAlready(options.directory)
      }
      await control.takeOwnership()
      await control.resetConf('__OwningControllerProcess')
      return new OwnTor(control, spawned, paths, await controlMark(paths), options)
    } catch (error) {
      child.kill('SIGKILL')
      await exited
      throw error
    }
  }

  /**
   * Switches the network on, unless the operator's lines decide about it; call it once events are listened to. It stays
   * on when tor reads its torrc again, at SIGHUP.
   */
  async enableNetwork(): Promise<void> {
    if (this.networkDecided) return
    const text = await readFile(this.#paths.torrc, 'utf8')
    const connected = text.replace(NETWORK_OFF, 'DisableNetwork 0')
    await writeDurably(this.#paths.torrc, connected, { mode: 0o600, ifExists: 'replace' })
    try {
      await this.control.setConf({ DisableNetwork: 0 })
    } catch (error) {
      throw (await socksPortTaken(this.#socksPort)) ?? error
    }
  }

  /**
   * Makes sure that others can still log in to this tor: when its socket or its cookie was removed or changed, for example
   * by a program that cleans up, tor creates both again. Its services are not interrupted.
   *
   * @returns whether anything had to be repaired
   */
  async repairControl(): Promise<boolean> {
    if ((await controlMark(this.#paths)) === this.#controlMark) return false
    await privateDirectory(join(this.#paths.controlSocket, '..'))
    // No listener while cookies are off: for that moment anyone could log in.
    await this.control.setConf({ ControlSocket: '', CookieAuthentication: 0 })
    await rm(this.#paths.cookieFile, { recursive: true, force: true })
    await this.control.setConf({ ControlSocket: this.#paths.controlSocket, CookieAuthentication: 1 })
    this.#controlMark = await controlMark(this.#paths)
    return true
  }

  /** Services in its torrc. */
  configuredOnions(): ConfiguredOnions {
    const { dataDirectory, torrc } = this.#paths
    return new ConfiguredOnions(this.control, dataDirectory, torrc)
  }

  /** Ends tor and waits for its end; one that does not react is killed. */
  async stop(graceMs = 3000): Promise<void> {
    this.#child.kill('SIGTERM')
    this.control.close()
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), graceMs)
    await this.exited
    clearTimeout(timer)
    await removeServices(this.#paths)
  }
}

async function removeServices({ dataDirectory }: OwnTorPaths): Promise<void> {
  await rm(servicesDirectory(dataDirectory), { recursive: true, force: true })
}

interface Spawned {
  readonly child: ChildProcess
  readonly pid: number
  readonly exited: Promise<string>
}

/** Changes when one of the two files is removed, replaced or written to. */
async function controlMark({ controlSocket, cookieFile }: OwnTorPaths): Promise<string> {
  const marks = [controlSocket, cookieFile].map(async (path) => {
    const found = await lstat(path).catch(() => undefined)
    return found && [found.ino, found.mtimeMs, found.size, found.mode, found.uid].join(' ')
  })
  return (await Promise.all(marks)).join('\n')
}

async function spawnTor({ binary = 'tor', log }: OwnTorOptions, paths: OwnTorPaths): Promise<Spawned> {
  const stdio = await privateStdio(['ignore', 'pipe', 'inherit'])
  return await new Promise((resolve, reject) => {
    const child = spawn(binary, ownTorArguments(paths), { cwd: paths.dataDirectory, stdio })
    const recent: string[] = []
    const logged = new Set<string>()
    createInterface({ input: child.stdout ?? Readable.from([]) }).on('line', (line) => {
      recent.push(line)
      if (recent.length > 30) recent.shift()
      const entry = parseTorLog(line)
      if (!entry) return
      // Some warnings are repeated at every change of a setting.
      const isNew = entry.level === 'warn' && !isHarmlessWarning(entry.text) && !logged.has(entry.text)
      if (isNew && logged.size < 100) logged.add(entry.text)
      log[entry.level === 'err' ? 'error' : isNew ? 'warn' : 'debug'](`tor: ${entry.text.trimEnd()}`)
    })
    const exited = new Promise<string>((resolveExit) => {
      child.once('close', (status, signal) => {
        const crash = signal === null ? undefined : crashReason(recent)
        if (signal !== null) resolveExit(`it was ended by ${signal}${crash === undefined ? '' : ` (${crash})`}`)
        else resolveExit(status === 0 ? 'it was told to stop' : reasonOf(recent.join('\n')))
      })
    })
    child.once('error', (error) => reject(torMissing(binary, error)))
    child.once('spawn', () => resolve({ child, pid: child.pid ?? 0, exited }))
  })
}

async function connectWhenReady(
  paths: OwnTorPaths,
  exited: Promise<string>,
  options: OwnTorOptions,
): Promise<TorControl> {
  const deadline = performance.now() + (options.startTimeoutMs ?? 20_000)
  let ended: string | undefined
  void exited.then((reason) => (ended = reason))
  for (;;) {
    try {
      return await TorControl.connect({
        endpoint: { type: 'unix', path: paths.controlSocket },
        cookieFile: paths.cookieFile,
        signal: options.signal,
      })
    } catch (error) {
      options.signal?.throwIfAborted()
      const waiting = error instanceof AppError && ['TOR_CONTROL_ABSENT', 'TOR_CONTROL_CLOSED'].includes(error.code)
      if (!waiting || performance.now() > deadline) throw error
    }
    if (ended !== undefined) throw torEnded(options.directory, ended)
    await sleep(10)
  }
}

/** tor itself does not tell which of its ports it cannot open. */
async function socksPortTaken(port: number | undefined): Promise<AppError | undefined> {
  const holder = port === undefined ? undefined : await portHolder(port)
  if (port === undefined || !holder) return undefined
  return new AppError(
    'SOCKS_PORT_TAKEN',
    `127.0.0.1:${port} is in use by ${holder.name} (process ${holder.pid}).`,
    'Stop that program, or change `socks_port` under [TOR].',
  )
}

function torEnded(directory: string, reason: string): AppError {
  if (reason.includes('another Tor process')) return runsAlready(directory)
  return new AppError(
    'TOR_ENDED',
    `tor exited right after its start: ${reason}.`,
    `Check ${join(directory, 'torrc')}, and [TOR] torrc_extra.`,
  )
}

function runsAlready(directory: string): AppError {
  const remedy = 'Stop the other smp-server that uses this state directory.'
  return new AppError('TOR_RUNS_ALREADY', `Another process is running tor in ${directory}.`, remedy)
}
