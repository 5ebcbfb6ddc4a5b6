import { mkdir, readFile, rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { encodeOnionKey } from '../../crypto/onion-key.ts'
import { parseServiceId, type ServiceId } from '../../crypto/onion-address.ts'
import { writeDurably } from '../../system/durable-file.ts'
import type { AddedOnion, AddOnion } from '../control/onion.ts'
import type { TorControl } from '../control/tor-control.ts'
import { directoryKeyFile } from './service-directory.ts'

/** What the services of the relay are added to: the control port of a tor, or the torrc of an own one. */
export type OnionHost = Pick<TorControl, 'onions' | 'addOnion' | 'delOnion' | 'version'>

/** Where an own tor keeps the keys of services in its torrc. */
export function servicesDirectory(dataDirectory: string): string {
  return join(dataDirectory, 'services')
}

const HEADING = '\n# The onion services of the relay.\n'

type Line = readonly [option: string, value: string | number]

/**
 * The onion services of an own tor as lines of its torrc. Only such a service tells its circuits apart
 * (HiddenServiceExportCircuitID). They are in the file as well as in the running tor, which reads the file at SIGHUP.
 */
export class ConfiguredOnions implements OnionHost {
  readonly #control: TorControl
  readonly #torrc: string
  readonly #directory: string
  /** Every one with its lines. */
  readonly #services = new Map<ServiceId, readonly Line[]>()

  private constructor(control: TorControl, dataDirectory: string, torrc: string) {
    this.#control = control
    this.#torrc = torrc
    this.#directory = servicesDirectory(dataDirectory)
  }

  /** @param torrc of the tor with this data directory; it may have services already */
  static async open(control: TorControl, dataDirectory: string, torrc: string): Promise<ConfiguredOnions> {
    const onions = new ConfiguredOnions(control, dataDirectory, torrc)
    const [, block = ''] = (await readFile(torrc, 'utf8')).split(HEADING)
    let lines: Line[] = []
    for (const line of block.split('\n').filter((text) => text !== '')) {
      const at = line.indexOf(' ')
      const [option, value] = [line.slice(0, at), line.slice(at + 1)]
      if (option === 'HiddenServiceDir') {
        lines = []
        const serviceId = parseServiceId(basename(value))
        if (serviceId !== undefined) onions.#services.set(serviceId, lines)
      }
      lines.push([option, value])
    }
    return onions
  }

  get version(): string {
    return this.#control.version
  }

  onions(): Promise<ServiceId[]> {
    return Promise.resolve([...this.#services.keys()])
  }

  /** @throws TorRefusal, and the error of a file that cannot be written; the services are as before then */
  async addOnion(onion: AddOnion): Promise<AddedOnion> {
    const { serviceId } = onion.key
    const directory = join(this.#directory, serviceId)
    await mkdir(directory, { recursive: true, mode: 0o700 })
    await writeDurably(directoryKeyFile(directory), encodeOnionKey(onion.key), { mode: 0o600, ifExists: 'replace' })
    this.#services.set(serviceId, linesOf(directory, onion))
    try {
      await this.#apply()
    } catch (error) {
      await this.delOnion(serviceId).catch(() => undefined)
      throw error
    }
    const hostname = await readFile(join(directory, 'hostname'), 'latin1')
    return { serviceId: parseServiceId(hostname.trim().replace(/\.onion$/, '')) ?? serviceId }
  }

  async delOnion(serviceId: ServiceId): Promise<void> {
    this.#services.delete(serviceId)
    await this.#apply()
    await rm(join(this.#directory, serviceId), { recursive: true, force: true })
  }

  async #apply(): Promise<void> {
    const lines = [...this.#services.values()].flat()
    const [own = ''] = (await readFile(this.#torrc, 'utf8')).split(HEADING)
    const block = lines.map(([option, value]) => `${option} ${value}\n`).join('')
    await writeDurably(this.#torrc, lines.length === 0 ? own : `${own}${HEADING}${block}`, {
      mode: 0o600,
      ifExists: 'replace',
    })
    if (lines.length === 0) await this.#control.resetConf('HiddenServiceDir')
    else await this.#control.setConfLines(lines)
  }
}

function linesOf(directory: string, { ports, maxStreams, pow, powRate, powBurst }: AddOnion): Line[] {
  return [
    ['HiddenServiceDir', directory],
    ...ports.map(({ virtualPort, target }): Line => ['HiddenServicePort', `${virtualPort} ${target}`]),
    ...circuitLines,
    ...serviceOptionLines({ maxStreams, pow, powRate, powBurst }),
  ]
}

/** Has tor send the number of the circuit before the bytes of a client. */
export const circuitLines: readonly Line[] = [['HiddenServiceExportCircuitID', 'haproxy']]

/** The options of a service of a torrc beside its directory and ports. */
export function serviceOptionLines({
  maxStreams,
  pow = false,
  powRate,
  powBurst,
}: Pick<AddOnion, 'maxStreams' | 'pow' | 'powRate' | 'powBurst'>): Line[] {
  return [
    ...(maxStreams === undefined
      ? []
      : ([
          ['HiddenServiceMaxStreams', maxStreams],
          ['HiddenServiceMaxStreamsCloseCircuit', 1],
        ] as const)),
    ...(pow ? [['HiddenServicePoWDefensesEnabled', 1] as const] : []),
    ...(pow && powRate !== undefined ? [['HiddenServicePoWQueueRate', powRate] as const] : []),
    ...(pow && powBurst !== undefined ? [['HiddenServicePoWQueueBurst', powBurst] as const] : []),
  ]
}
