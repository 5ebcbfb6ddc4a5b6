import { createHash } from 'node:crypto'
import { chmod, lstat, mkdir, mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AppError } from '../../errors/app-error.ts'
import { type Logger, silentLogger } from '../../config/log.ts'
import { runCommand } from '../../system/command.ts'
import { maxSocketPathBytes } from '../control/endpoint.ts'
import { writeDurably } from '../../system/durable-file.ts'
import { errorCode } from '../../system/error-code.ts'
import { servicesDirectory } from '../onion/configured-onions.ts'
import type { ServiceType } from '../onion/service-config.ts'
import type { TorrcExtra } from './torrc-extra.ts'
import { readTemplate, renderTorrc, torrcRefused, verifyTorrc } from './torrc.ts'

/*
 * The files of an own tor: its directories, its torrc and what is in it.
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
  /** Its services are in its torrc, and tell circuits apart. */
  readonly withCircuits?: boolean | undefined
  /** It survives this process for some time, and the next start with the same options adopts it. */
  readonly keep?: boolean | undefined
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

/**
 * Writes the torrc and lets tor check it.
 *
 * @param owner the process that tor ends after
 * @throws AppError `TORRC_REFUSED`, `TOR_MISSING`, `TOR_DIRECTORY`
 */
export async function prepareOwnTor(options: OwnTorOptions, owner = process.pid): Promise<OwnTorPaths> {
  const paths = ownTorPaths(options.directory)
  await privateDirectory(paths.dataDirectory)
  await privateDirectory(join(paths.controlSocket, '..'))
  // Copies of keys, of a tor before.
  await removeServices(paths)
  const { signal, binary = 'tor' } = options
  const verification = { run: runCommand, binary, args: ownTorArguments(paths), signal }
  const write = async (extra?: TorrcExtra): Promise<void> =>
    writeTorrc(paths, await ownTorrc({ ...options, extra }, owner))
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

async function ownTorrc({ directory, template, socksPort, extra }: OwnTorOptions, owner: number): Promise<string> {
  const paths = ownTorPaths(directory)
  const values = {
    DATA_DIRECTORY: paths.dataDirectory,
    CONTROL_SOCKET: paths.controlSocket,
    COOKIE_FILE: paths.cookieFile,
    SOCKS_SOCKET: paths.socksSocket,
    SOCKS_PORT: socksAddress(socksPort),
    OWNER_PID: String(owner),
  }
  return renderTorrc(await readTemplate(template ?? 'own'), values, extra)
}

/** Replaces the torrc. */
export async function writeTorrc({ torrc }: OwnTorPaths, text: string): Promise<void> {
  await writeDurably(torrc, text, { mode: 0o600, ifExists: 'replace' })
}

/** Tells apart what tors were started with. */
export async function configOf(options: OwnTorOptions): Promise<string> {
  const { binary = 'tor', withCircuits = false } = options
  const text = JSON.stringify([binary, withCircuits, await ownTorrc(options, 0)])
  return createHash('sha256').update(text).digest('hex')
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
export async function privateDirectory(path: string): Promise<void> {
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

/** Removes the keys of services in a torrc. */
export async function removeServices({ dataDirectory }: OwnTorPaths): Promise<void> {
  await rm(servicesDirectory(dataDirectory), { recursive: true, force: true })
}
