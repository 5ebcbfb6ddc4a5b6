import { readdir, readFile, realpath } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { decodeOnionKey, type OnionKey } from '../../crypto/onion-key.ts'
import type { ServiceType } from '../onion/service-config.ts'
import { directoryKeyFile } from '../onion/service-directory.ts'
import { type TorrcLine, torrcLines } from './torrc-lines.ts'

/*
 * Onion services that a torrc defines. No control connection lists them, and their keys are files that can be copied, so
 * they are found by reading the torrc and what it includes.
 */

export interface HiddenService {
  /** The torrc that tor is run with. */
  readonly torrc: string
  readonly directory: string
  readonly ports: readonly HiddenServicePort[]
  /** Of all services of that torrc. */
  readonly type: ServiceType
  /** Its own lines, which may stand in included files. */
  readonly lines: readonly TorrcLine[]
}

export interface HiddenServicePort {
  readonly virtualPort: number
  /** `127.0.0.1:5223`, `unix:/path`; tor's default target is the same port of this machine. */
  readonly target: string
}

/** The torrc files that the tors of this machine are usually run with. */
export async function usualTorrcs(): Promise<string[]> {
  const instances = '/etc/tor/instances'
  const names = await readdir(instances).catch(() => [])
  return ['/etc/tor/torrc', ...names.map((name) => join(instances, name, 'torrc')), '/usr/local/etc/tor/torrc']
}

/** All services of some torrc files; files that cannot be read are skipped. */
export async function hiddenServices(torrcs: readonly string[]): Promise<HiddenService[]> {
  return (await Promise.all(torrcs.map(async (torrc) => servicesOf(torrc, await torrcLines(torrc))))).flat()
}

/**
 * The service that has this key: in the very directory the key comes from, or with the same bytes. Key files that cannot
 * be read are skipped.
 *
 * @param keyFile where the key comes from
 */
export async function serviceWithKey(
  key: OnionKey,
  keyFile: string,
  torrcs: readonly string[],
): Promise<HiddenService | undefined> {
  const home = await resolved(dirname(keyFile))
  for (const service of await hiddenServices(torrcs)) {
    if ((await resolved(service.directory)) === home || (await hasKey(service.directory, key))) return service
  }
  return undefined
}

async function hasKey(directory: string, key: OnionKey): Promise<boolean> {
  const bytes = await readFile(directoryKeyFile(directory)).catch(() => Buffer.alloc(0))
  return decodeOnionKey(bytes)?.serviceId === key.serviceId
}

async function resolved(path: string): Promise<string> {
  return await realpath(path).catch(() => path)
}

/** Options of a tor as a whole, although their names begin like those of a service. */
const OF_THE_WHOLE_TOR = new Set([
  'hiddenservicenonanonymousmode',
  'hiddenservicesinglehopmode',
  'hiddenservicestatistics',
])

/** A service is its HiddenServiceDir line and all lines about services up to the next one. */
export function servicesOf(torrc: string, lines: readonly TorrcLine[]): HiddenService[] {
  const isSingleHop = lines.findLast(({ name }) => name === 'hiddenservicenonanonymousmode')?.value === '1'
  const own = lines.filter(({ name }) => name.startsWith('hiddenservice') && !OF_THE_WHOLE_TOR.has(name))
  const starts = own.flatMap(({ name }, index) => (name === 'hiddenservicedir' ? [index] : []))
  return starts.map((start, index) => {
    const service = own.slice(start, starts[index + 1])
    const ports = service.filter(({ name }) => name === 'hiddenserviceport').map(({ value }) => servicePort(value))
    const directory = service[0]?.value ?? ''
    return { torrc, directory, ports, type: isSingleHop ? 'single-hop' : 'anonymous', lines: service }
  })
}

/** `5223`, `5223 7301`, `5223 127.0.0.1:7301`, `5223 localhost:7301` or `5223 unix:/path`. */
function servicePort(value: string): HiddenServicePort {
  const [virtual = '', target = virtual] = value.trim().split(/\s+/)
  const unquoted = target.replace(/^"|"$/g, '')
  return {
    virtualPort: Number.parseInt(virtual, 10),
    target: /^\d+$/.test(unquoted) ? `127.0.0.1:${unquoted}` : unquoted,
  }
}
