import { readFile } from 'node:fs/promises'
import { AppError } from '../../errors/app-error.ts'
import type { CommandRunner } from '../../system/command.ts'
import { errorCode } from '../../system/error-code.ts'
import { parseTorLog } from './tor-log.ts'

/*
 * Configuration files for tor: filled-in templates of torrc.d/ with the operator's own lines behind them. tor itself
 * decides whether they are right, before anything depends on them: a running tor that reads a bad torrc ends.
 */

/** The operator's own lines. */
export interface TorrcExtra {
  readonly path: string
  readonly text: string
}

export type TemplateName = 'own' | 'own-anonymous' | 'instance' | 'instance-anonymous' | 'client' | 'socks'

/** The same place seen from src/tor and from dist/tor. */
export async function readTemplate(name: TemplateName): Promise<string> {
  return await readFile(new URL(`../../../torrc.d/${name}.conf`, import.meta.url), 'utf8')
}

/** A line of a template that tells its torrc from one that somebody else wrote. */
export const managedMark = 'smp-server keeps this file'

/**
 * Fills in the names between @ signs, each exactly where the template has it, and appends the extra lines.
 *
 * @throws TypeError when a name of the template has no value
 */
export function renderTorrc(template: string, values: Readonly<Record<string, string>>, extra?: TorrcExtra): string {
  const text = template.replace(/@([A-Z_]+)@/g, (_, name: string) => {
    const value = values[name]
    if (value === undefined) throw new TypeError(`the torrc template asks for ${name}`)
    return torrcValue(value)
  })
  if (!extra) return text
  const lines = extra.text.replace(/\r\n/g, '\n')
  return `${text}\n# From ${extra.path.replace(/[\r\n]+/g, ' ')}:\n${lines}${lines.endsWith('\n') ? '' : '\n'}`
}

/** A value for a torrc line; in quotes when it has blanks, quotes or a comment sign (tor.1, "The configuration file format"). */
export function torrcValue(value: string): string {
  if (/[\0\r\n]/.test(value)) throw new TypeError('a torrc value must be one line')
  return /^[^\s"#\\]+$/.test(value) ? value : `"${value.replace(/["\\]/g, '\\$&')}"`
}

/** Options by which smp-server holds its tor; a second value for them would cut it off. */
const reserved = new Set(
  [
    'ControlSocket',
    'ControlPort',
    'CookieAuthentication',
    'CookieAuthFile',
    'DataDirectory',
    'HiddenServiceNonAnonymousMode',
    'HiddenServiceSingleHopMode',
    'HashedControlPassword',
    'PidFile',
    'RunAsDaemon',
    'User',
    '__OwningControllerProcess',
  ].map((name) => name.toLowerCase()),
)

/** Option names in lower case, in the order of the lines. */
export function torrcOptions(text: string): string[] {
  return text.split('\n').flatMap((line) => /^\s*[+/]?([A-Za-z_]\w*)/.exec(line)?.[1]?.toLowerCase() ?? [])
}

/** Whether the operator's lines decide about the network, so that smp-server leaves it alone. */
export function decidesNetwork(extra: TorrcExtra | undefined): boolean {
  return extra !== undefined && torrcOptions(extra.text).includes('disablenetwork')
}

/** What would open ports, write logs or make services twice, or is nothing for a client. */
const notForClients = /^(?:(?:socks|trans|natd|dns|httptunnel|or|extor|dir|metrics)port|hiddenservice.*|log)$/

/** The operator's lines for a tor that is only a client: bridges, proxies and the like, which lead to the network. */
export function clientExtra({ path, text }: TorrcExtra): TorrcExtra {
  const lines = text.replace(/\r\n/g, '\n').replace(/\\\n/g, ' ').split('\n')
  return { path, text: lines.filter((line) => !torrcOptions(line).some((name) => notForClients.test(name))).join('\n') }
}

/**
 * Reads the operator's own lines.
 *
 * @throws AppError `TOR_EXTRA_UNREADABLE`, `TOR_EXTRA_RESERVED`
 */
export async function readTorrcExtra(path: string): Promise<TorrcExtra> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    const why = errorCode(error) === 'ENOENT' ? 'does not exist' : 'cannot be read'
    const remedy = 'Correct --torrc-extra, or [TOR] torrc_extra in the INI file.'
    throw new AppError('TOR_EXTRA_UNREADABLE', `The torrc file ${path} ${why}.`, remedy, { cause: error })
  }
  const taken = torrcOptions(text).find((name) => reserved.has(name))
  if (taken === undefined) return { path, text }
  throw new AppError(
    'TOR_EXTRA_RESERVED',
    `The torrc file ${path} sets ${taken}, which smp-server sets itself.`,
    'Take that line out.',
  )
}

export interface Verification {
  readonly run: CommandRunner
  readonly binary: string
  /** As tor will be run, without `--verify-config`. */
  readonly args: readonly string[]
}

/**
 * Lets tor check a configuration, with the very arguments it will be run with.
 *
 * @returns tor's own reason when it refuses, `undefined` when it accepts
 * @throws AppError `TOR_MISSING`
 */
export async function verifyTorrc({ run, binary, args }: Verification): Promise<string | undefined> {
  try {
    const { status, stdout, stderr } = await run(binary, [...args, '--hush', '--verify-config'])
    return status === 0 ? undefined : reasonOf(`${stdout}\n${stderr}`)
  } catch (error) {
    throw torMissing(binary, error)
  }
}

/** The second one only says that there was a reason before it. */
const saysNothing = ['This copy of Tor was compiled', 'Failed to configure rendezvous options']

/** What tor said last before it gave up, in one clause without a final stop. */
export function reasonOf(output: string): string {
  const lines = output.split('\n').flatMap((line) => parseTorLog(line) ?? [])
  const told = lines.filter(({ level, text }) => level === 'warn' && !saysNothing.some((part) => text.includes(part)))
  const text = told.at(-1)?.text ?? lines.findLast(({ level }) => level === 'err')?.text ?? 'it gave no reason'
  return text
    .replace(/^Failed to parse\/validate config: /, '')
    .replace(/\s+Failing\.$/, '')
    .replace(/[. ]+$/, '')
}

export function torrcRefused(what: string, reason: string, remedy: string): AppError {
  return new AppError('TORRC_REFUSED', `tor does not accept ${what}: ${reason}.`, remedy)
}

export function torMissing(binary: string, cause: unknown): AppError {
  const why = errorCode(cause) === 'EACCES' ? 'may not be run by this user' : 'is not installed'
  const remedy = 'Install it, on Debian and Ubuntu with: apt install tor'
  return new AppError('TOR_MISSING', `The program ${binary} ${why}.`, remedy, { cause })
}
