import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { AppError } from '../../errors/app-error.ts'
import { type HiddenService, hiddenServices, type HiddenServicePort, servicesOf } from '../process/hidden-services.ts'
import { readForeignKey } from '../onion/key-import.ts'
import { directoryHostname, directoryKeyFile } from '../onion/service-directory.ts'
import type { OnionKey } from '../../crypto/onion-key.ts'
import type { FileChange } from './step.ts'
import { parseTorrc, torrcLines } from '../process/torrc-lines.ts'

/*
 * Adopting an onion service that was set up manually: its key becomes the relay's, and its lines in the torrc become
 * comments, because two tors that publish one address take it from each other.
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
export const adoptedMark = '# adopted by smp-server: '

const DEFAULT_PORT = 5223

/**
 * Finds the service with this directory.
 *
 * @param relayPorts ports that the relay listens on
 * @throws AppError `ADOPT_UNKNOWN`, `ADOPT_PORT`, and whatever `readForeignKey` throws
 */
export async function planAdoption(
  directory: string,
  torrcs: readonly string[],
  relayPorts: readonly number[],
): Promise<Adoption> {
  const services = await hiddenServices(torrcs)
  const service = services.find((candidate) => resolve(candidate.directory) === resolve(directory))
  if (!service) throw unknown(directory, services, torrcs, relayPorts)
  if (!isOfRelay(service, relayPorts)) {
    const message = `The onion service in ${directory} does not lead to this relay: it has no port ${portList(relayPorts)}.`
    throw new AppError(
      'ADOPT_PORT',
      message,
      'Pass the directory of another service, or import only its key: --import-key FILE',
    )
  }
  const key = await readForeignKey(directoryKeyFile(directory))
  const paths = [...new Set(service.lines.map(({ file }) => file))]
  const files = await Promise.all(paths.map((path) => commented(path, service)))
  return { service, key, files, candidate: await withoutService(service) }
}

/** Whether a service leads to a relay with these ports: by the usual port of relays, or by one of its own. */
export function isOfRelay({ ports }: Pick<HiddenService, 'ports'>, relayPorts: readonly number[]): boolean {
  return ports.some(
    ({ virtualPort, target }) =>
      virtualPort === DEFAULT_PORT || (relayPorts.includes(virtualPort) && isRelayTarget(target, relayPorts)),
  )
}

function isRelayTarget(target: string, relayPorts: readonly number[]): boolean {
  const port = /^(?:127\.\d+\.\d+\.\d+|localhost|\[::1\]):(\d+)$/.exec(target)?.[1]
  return port !== undefined && relayPorts.includes(Number(port))
}

/**
 * The service of this address in a torrc that smp-server did not write.
 *
 * @param ours the torrc that it does write
 */
export async function manualService(
  hostname: string,
  torrcs: readonly string[],
  ours: string,
): Promise<HiddenService | undefined> {
  for (const service of await hiddenServices(torrcs)) {
    if (service.lines[0]?.file === ours) continue
    const address = await directoryHostname(service.directory).catch(() => undefined)
    if (address === hostname.toLowerCase()) return service
  }
  return undefined
}

async function commented(path: string, { lines }: HiddenService): Promise<FileChange> {
  const before = await readFile(path, 'utf8')
  const rows = before.split('\n')
  for (const { first, last } of lines.filter(({ file }) => file === path)) {
    for (let row = first; row <= last; row += 1) rows[row] = `${adoptedMark}${rows[row] ?? ''}`
  }
  return { path, before, after: rows.join('\n') }
}

/** Turns comments into lines again; the same text when there are none. */
export function uncommented(text: string): string {
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

function unknown(
  directory: string,
  services: readonly HiddenService[],
  torrcs: readonly string[],
  relayPorts: readonly number[],
): AppError {
  const matching = services.filter((service) => isOfRelay(service, relayPorts)).map((service) => service.directory)
  const remedy =
    matching.length > 0
      ? `Services that lead to this relay: ${matching.join(', ')}.`
      : `None of ${torrcs.join(', ')} has a service for port ${portList(relayPorts)}. To import only a key: --import-key FILE`
  return new AppError('ADOPT_UNKNOWN', `No torrc of this machine has an onion service in ${directory}.`, remedy)
}

function portList(relayPorts: readonly number[]): string {
  return [...new Set([DEFAULT_PORT, ...relayPorts])].join(' or ')
}

/** What a service does that the relay's own service will not do; each a noun phrase. */
export interface AdoptedFeatures {
  /** Kept as settings in `[TOR]`. */
  readonly pow: boolean
  readonly maxStreams: number | undefined
  readonly lost: readonly string[]
}

/**
 * Compares a service with what the relay's own will be.
 *
 * @param kept virtual ports that the relay's own service will have
 * @param clients names of authorised clients, from `authorized_clients`
 */
export function adoptedFeatures(
  { lines, ports }: HiddenService,
  kept: readonly { readonly virtualPort: number; readonly target: string }[],
  clients: readonly string[],
): AdoptedFeatures {
  const value = (name: string): string | undefined => lines.findLast((line) => line.name === name)?.value
  const maxStreams = Number(value('hiddenservicemaxstreams') ?? '0')
  const otherPorts = ports.filter((port) => !isKept(port, kept))
  return {
    pow: value('hiddenservicepowdefensesenabled') === '1',
    maxStreams: maxStreams > 0 && maxStreams <= 65_535 ? maxStreams : undefined,
    lost: [
      ...otherPorts.map(({ virtualPort, target }) => `port ${virtualPort} (to ${target})`),
      ...(clients.length > 0
        ? [`client authorization (${clients.join(', ')}): the service will be open to everybody`]
        : []),
      ...lines
        .filter(({ name, value: text }) => !KEPT_OPTIONS.has(name) && !isDefault(name, text))
        .map(({ raw }) => raw.trim()),
    ],
  }
}

function isKept(
  { virtualPort, target }: HiddenServicePort,
  kept: readonly { readonly virtualPort: number; readonly target: string }[],
): boolean {
  const own = kept.find((port) => port.virtualPort === virtualPort)
  return own !== undefined && samePort(own.target, target)
}

/** The relay listens on the same port, whatever loopback address the torrc names. */
function samePort(one: string, other: string): boolean {
  const portOf = (target: string): string | undefined => /:(\d+)$/.exec(target)?.[1]
  return portOf(one) !== undefined && portOf(one) === portOf(other) && !other.startsWith('unix:')
}

const KEPT_OPTIONS = new Set([
  'hiddenservicedir',
  'hiddenserviceport',
  'hiddenserviceversion',
  'hiddenservicemaxstreams',
  'hiddenservicemaxstreamsclosecircuit',
  'hiddenservicepowdefensesenabled',
  'hiddenservicedirgroupreadable',
])

function isDefault(name: string, value: string): boolean {
  return ['0', 'auto'].includes(value) && name !== 'hiddenservicenumintroductionpoints'
}

/** Services whose lines are comments now, because the relay has adopted them. */
export async function adoptedServices(
  adopted: readonly { readonly torrc: string; readonly file: string }[],
  known: readonly string[],
): Promise<HiddenService[]> {
  const services = adopted
    .filter(({ torrc, file }) => isTorConfiguration(torrc, file, known))
    .map(async ({ torrc, file }) => {
      const text = uncommented(await readFile(file, 'utf8').catch(() => ''))
      return servicesOf(torrc, parseTorrc(text, file))
    })
  return (await Promise.all(services)).flat()
}

/** Whether a file that a journal names may be read and changed: a torrc of this machine, or one that it includes. */
export function isTorConfiguration(torrc: string, file: string, known: readonly string[]): boolean {
  return known.includes(torrc) && (file === torrc || (file.startsWith('/etc/tor/') && !file.includes('/../')))
}
