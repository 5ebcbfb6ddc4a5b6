import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { AppError } from '../../errors/app-error.ts'
import { type HiddenService, hiddenServices } from '../process/hidden-services.ts'
import { readForeignKey } from '../onion/key-import.ts'
import { managedHostname } from '../onion/managed-service.ts'
import type { OnionKey } from '../../crypto/onion-key.ts'
import type { FileChange } from './plan.ts'
import { torrcLines } from '../process/torrc-lines.ts'

/*
 * Taking over an onion service that was set up by hand: its key becomes the relay's, and its lines in the torrc become
 * comments, because two tors that publish one name take it from each other.
 */

export interface Adoption {
  readonly service: HiddenService
  readonly key: OnionKey
  /** The torrc files with the lines of the service as comments. */
  readonly files: readonly FileChange[]
  /** All of the torrc without the service in one text, for tor to check before anything is written. */
  readonly candidate: string
}

/** What a line of an adopted service begins with. */
export const adoptedMark = '# taken over by smp-server: '

/**
 * Finds the service with this directory.
 *
 * @throws AppError `ADOPT_UNKNOWN`, `ADOPT_PORT`, and as of `readForeignKey`
 */
export async function planAdoption(directory: string, torrcs: readonly string[]): Promise<Adoption> {
  const services = await hiddenServices(torrcs)
  const service = services.find((candidate) => resolve(candidate.directory) === resolve(directory))
  if (!service) throw unknown(directory, services, torrcs)
  if (!service.ports.includes(5223)) {
    const message = `The onion service in ${directory} is not one of a relay: it has no port 5223.`
    throw new AppError('ADOPT_PORT', message, 'Name another directory, or import only its key: --import-key FILE')
  }
  const key = await readForeignKey(join(directory, 'hs_ed25519_secret_key'))
  const paths = [...new Set(service.lines.map(({ file }) => file))]
  const files = await Promise.all(paths.map((path) => commentOut(path, service)))
  return { service, key, files, candidate: await withoutService(service) }
}

/**
 * The service of this name that stands in a torrc which smp-server did not write.
 *
 * @param ours the torrc that it does write
 */
export async function serviceByHand(
  hostname: string,
  torrcs: readonly string[],
  ours: string,
): Promise<HiddenService | undefined> {
  for (const service of await hiddenServices(torrcs)) {
    if (service.lines[0]?.file === ours) continue
    const name = await managedHostname(service.directory).catch(() => undefined)
    if (name === hostname.toLowerCase()) return service
  }
  return undefined
}

async function commentOut(path: string, { lines }: HiddenService): Promise<FileChange> {
  const before = await readFile(path, 'utf8')
  const rows = before.split('\n')
  for (const { first, last } of lines.filter(({ file }) => file === path)) {
    for (let row = first; row <= last; row += 1) rows[row] = `${adoptedMark}${rows[row] ?? ''}`
  }
  return { path, before, after: rows.join('\n') }
}

/** Makes lines again of what was made comments; the same text when there are none. */
export function giveBack(text: string): string {
  return text
    .split('\n')
    .map((row) => (row.startsWith(adoptedMark) ? row.slice(adoptedMark.length) : row))
    .join('\n')
}

async function withoutService({ torrc, lines }: HiddenService): Promise<string> {
  const isOurs = (file: string, row: number): boolean =>
    lines.some(({ file: other, first }) => other === file && first === row)
  const rest = (await torrcLines(torrc)).filter(({ file, first }) => !isOurs(file, first))
  return rest.map(({ raw }) => `${raw}\n`).join('')
}

function unknown(directory: string, services: readonly HiddenService[], torrcs: readonly string[]): AppError {
  const fitting = services.filter(({ ports }) => ports.includes(5223)).map((service) => service.directory)
  const remedy =
    fitting.length > 0
      ? `There is a service for port 5223 in ${fitting.join(', ')}.`
      : `None of these files has a service for port 5223: ${torrcs.join(', ')}. A key alone is taken with --import-key FILE.`
  return new AppError('ADOPT_UNKNOWN', `No torrc of this machine has an onion service in ${directory}.`, remedy)
}
