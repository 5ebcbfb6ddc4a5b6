import { readFile } from 'node:fs/promises'
import { AppError } from '../../errors/app-error.ts'
import type { CommandRunner } from '../../system/command.ts'
import { errorCode } from '../../system/error-code.ts'
import { parseTorLog } from './tor-log.ts'
import type { TorrcExtra } from './torrc-extra.ts'

/*
 * Configuration files for tor: filled-in templates of torrc.d/, followed by the operator's own lines. tor itself checks
 * them before anything depends on them: a running tor that reads a bad torrc exits.
 */

export type TemplateName = 'own' | 'own-anonymous' | 'instance' | 'instance-anonymous' | 'client' | 'socks'

/** The path is the same from src/tor and from dist/tor. */
export async function readTemplate(name: TemplateName): Promise<string> {
  return await readFile(new URL(`../../../torrc.d/${name}.conf`, import.meta.url), 'utf8')
}

/** A line of the templates that marks a torrc as written by smp-server. */
export const managedMark = 'This file is managed by smp-server'

/**
 * Fills in the names between @ signs, and appends the extra lines.
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
  const end = extra.text.endsWith('\n') ? '' : '\n'
  return `${text}\n# From ${extra.path.replace(/[\r\n]+/g, ' ')}:\n${extra.text}${end}`
}

/** A value for a torrc line, quoted when it contains blanks, quotes or a comment sign (tor.1, "The configuration file format"). */
export function torrcValue(value: string): string {
  if (/[\0\r\n]/.test(value)) throw new TypeError('a torrc value must be one line')
  return /^[^\s"#\\]+$/.test(value) ? value : `"${value.replace(/["\\]/g, '\\$&')}"`
}

export interface Verification {
  readonly run: CommandRunner
  readonly binary: string
  /** As tor will be run, without `--verify-config`. */
  readonly args: readonly string[]
  readonly signal?: AbortSignal | undefined
}

/**
 * Lets tor check a configuration, with the very arguments it will be run with.
 *
 * @returns tor's own reason when it refuses, `undefined` when it accepts
 * @throws AppError `TOR_MISSING`
 */
export async function verifyTorrc({ run, binary, args, signal }: Verification): Promise<string | undefined> {
  try {
    const { status, stdout, stderr } = await run(binary, [...args, '--hush', '--verify-config'], signal)
    return status === 0 ? undefined : reasonOf(`${stdout}\n${stderr}`)
  } catch (error) {
    throw torMissing(binary, error)
  }
}

/** The second one only says that there is an earlier reason. */
const saysNothing = ['This copy of Tor was compiled', 'Failed to configure rendezvous options']

/** tor's last warning before it exited, as a clause without a full stop. */
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
  return new AppError('TORRC_REFUSED', `tor rejects ${what}: ${reason}.`, remedy)
}

export function torMissing(binary: string, cause: unknown): AppError {
  const why = errorCode(cause) === 'EACCES' ? 'may not be run by this user' : 'is not installed'
  const remedy = 'On Debian and Ubuntu: apt install tor'
  return new AppError('TOR_MISSING', `${binary} ${why}.`, remedy, { cause })
}
