import { lstat, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { AppError } from '../../errors/app-error.ts'
import { TorControl } from '../control/tor-control.ts'
import { portHolder } from '../../transport/port-holder.ts'
import { ConfiguredOnions, type OnionHost } from '../onion/configured-onions.ts'
import { endOrphan, findOrphan, rememberOwnTor } from './orphan.ts'
import {
  configOf,
  ownTorArguments,
  type OwnTorOptions,
  type OwnTorPaths,
  ownTorPaths,
  prepareOwnTor,
  privateDirectory,
  removeServices,
  writeTorrc,
} from './own-torrc.ts'
import { isProgramReplaced } from './replaced-program.ts'
import { StandIn } from './stand-in.ts'
import { takeStartLock } from './start-lock.ts'
import { decidesNetwork } from './torrc-extra.ts'
import { adoptedProcess, spawnTor, type TorProcess } from './tor-process.ts'

/*
 * A tor process that belongs to smp-server: one at a time on one data directory, ended with the connection that owns it
 * (Tor control-spec §3.26), or kept for the relay that starts next. The one that carries the onion service runs in
 * single-hop mode.
 */

/** An own tor starts with its network off, and only smp-server turns it on. */
const NETWORK_OFF = /^DisableNetwork 1$/m

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

interface OwnTorParts {
  readonly control: TorControl
  readonly tor: TorProcess
  readonly paths: OwnTorPaths
  /** Of a tor that is kept. */
  readonly standIn: StandIn | undefined
}

/** A running tor of this relay with its control connection. */
export class OwnTor {
  readonly control: TorControl
  /** What the services of the relay are added to. */
  readonly onions: OnionHost
  readonly pid: number
  /** Resolves with tor's own reason when the process has ended. */
  readonly exited: Promise<string>
  /** The operator's lines decide about `DisableNetwork`. */
  readonly networkDecided: boolean
  readonly #process: TorProcess
  readonly #paths: OwnTorPaths
  readonly #socksPort: number | undefined
  #standIn: StandIn | undefined
  /** Of the socket and the cookie that tor has made last. */
  #controlMark = ''

  private constructor({ control, tor, paths, standIn }: OwnTorParts, onions: OnionHost, options: OwnTorOptions) {
    this.control = control
    this.onions = onions
    this.pid = tor.pid
    this.exited = tor.exited
    this.networkDecided = decidesNetwork(options.extra)
    this.#socksPort = options.socksPort
    this.#process = tor
    this.#paths = paths
    this.#guardWith(standIn)
  }

  /**
   * Starts tor with its network still off, and takes ownership; or adopts the tor that was kept.
   *
   * @throws AppError whatever `prepareOwnTor` throws, and `TOR_RUNS_ALREADY`, `TOR_ENDED`, `TOR_CONTROL_…`
   */
  static async start(options: OwnTorOptions): Promise<OwnTor> {
    await privateDirectory(options.directory)
    const unlock = takeStartLock(join(options.directory, 'start.lock'))
    if (unlock === undefined) throw runsAlready(options.directory)
    try {
      const kept = options.keep === true ? await OwnTor.#adopt(options) : undefined
      if (kept) return kept
      const orphan = await endOrphan(options.directory, ownTorPaths(options.directory).torrc)
      if (orphan !== undefined)
        options.log.note(`tor: ended a tor that an earlier relay has left behind (process ${orphan})`)
      const running = await connectOwnTor(options.directory, options.signal)
      running?.close()
      if (running) throw runsAlready(options.directory)
      return await OwnTor.#startAlone(options)
    } finally {
      unlock()
    }
  }

  /** The tor that an earlier relay has kept; `undefined` when there is none, or none that answers and that is as wanted. */
  static async #adopt(options: OwnTorOptions): Promise<OwnTor | undefined> {
    const { directory, signal, log } = options
    const paths = ownTorPaths(directory)
    const orphan = await findOrphan(directory, paths.torrc)
    const config = await configOf(options)
    if (orphan?.config !== config || isProgramReplaced(orphan.tor.pid)) return undefined
    const control = await connectOwnTor(directory, signal).catch(() => undefined)
    if (!control) return undefined
    const standIn = await StandIn.start()
    try {
      await setOwner(control, paths, standIn)
      await rememberOwnTor(directory, orphan.tor.pid, paths.torrc, config)
      const tor = adoptedProcess(orphan.tor, control, log)
      const adopted = await OwnTor.#of({ control, tor, paths, standIn }, options)
      log.note(`tor: goes on as it was kept for this relay (process ${tor.pid})`)
      return adopted
    } catch (error) {
      standIn.end()
      control.close()
      signal?.throwIfAborted()
      log.debug('tor: the one that was kept cannot be used', { error })
      return undefined
    }
  }

  static async #startAlone(options: OwnTorOptions): Promise<OwnTor> {
    const { binary = 'tor', directory, keep = false, log } = options
    const standIn = keep ? await StandIn.start() : undefined
    let tor: TorProcess | undefined
    try {
      const paths = await prepareOwnTor(options, standIn?.pid)
      tor = await spawnTor({ binary, args: ownTorArguments(paths), directory, isKept: keep, log })
      await rememberOwnTor(directory, tor.pid, paths.torrc, keep ? await configOf(options) : undefined)
      const control = await connectWhenReady(paths, tor.exited, options)
      // Two that start at the same moment share the path of the socket, and one tor waits for the other's lock.
      if ((await control.getInfo('process/pid')).get('process/pid') !== String(tor.pid)) {
        control.close()
        throw runsAlready(directory)
      }
      if (!standIn) {
        await control.takeOwnership()
        await control.resetConf('__OwningControllerProcess')
      }
      return await OwnTor.#of({ control, tor, paths, standIn }, options)
    } catch (error) {
      standIn?.end()
      tor?.kill('SIGKILL')
      await tor?.exited
      throw error
    }
  }

  static async #of(parts: OwnTorParts, options: OwnTorOptions): Promise<OwnTor> {
    const { control, paths } = parts
    const { dataDirectory, torrc } = paths
    const onions = options.withCircuits ? await ConfiguredOnions.open(control, dataDirectory, torrc) : control
    const own = new OwnTor(parts, onions, options)
    own.#controlMark = await controlMark(paths)
    return own
  }

  /** Gives tor another stand-in when that one is lost, before tor notices. */
  #guardWith(standIn: StandIn | undefined): void {
    this.#standIn = standIn
    const replace = async (): Promise<void> => {
      const next = await StandIn.start()
      this.#guardWith(next)
      await setOwner(this.control, this.#paths, next)
    }
    // A tor that cannot be told ends, and is started again.
    void standIn?.lost.then(replace).catch(() => undefined)
  }

  /**
   * Switches the network on, unless the operator's lines decide about it; call it once events are listened to. It stays
   * on when tor reads its torrc again, at SIGHUP.
   */
  async enableNetwork(): Promise<void> {
    if (this.networkDecided) return
    const text = await readFile(this.#paths.torrc, 'utf8')
    await writeTorrc(this.#paths, text.replace(NETWORK_OFF, 'DisableNetwork 0'))
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

  /** Ends tor and waits for its end; one that does not react is killed. */
  async stop(graceMs = 3000): Promise<void> {
    this.#standIn?.end()
    this.#process.kill('SIGTERM')
    this.control.close()
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), graceMs)
    await this.exited
    clearTimeout(timer)
    await removeServices(this.#paths)
  }

  /** Leaves a tor that is kept to the next relay, and ends any other. */
  async leave(): Promise<void> {
    if (!this.#standIn) {
      await this.stop()
      return
    }
    this.#process.leave()
    this.control.close()
  }
}

/** Has tor end after this stand-in, also when it reads its torrc again. */
async function setOwner(control: TorControl, paths: OwnTorPaths, { pid }: StandIn): Promise<void> {
  const text = await readFile(paths.torrc, 'utf8')
  await writeTorrc(paths, text.replace(OWNER, `__OwningControllerProcess ${pid}`))
  await control.setConf({ __OwningControllerProcess: pid })
}

const OWNER = /^__OwningControllerProcess .*$/m

/** Changes when one of the two files is removed, replaced or written to. */
async function controlMark({ controlSocket, cookieFile }: OwnTorPaths): Promise<string> {
  const marks = [controlSocket, cookieFile].map(async (path) => {
    const found = await lstat(path).catch(() => undefined)
    return found && [found.ino, found.mtimeMs, found.size, found.mode, found.uid].join(' ')
  })
  return (await Promise.all(marks)).join('\n')
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
