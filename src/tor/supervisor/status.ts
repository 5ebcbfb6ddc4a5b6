import { stat } from 'node:fs/promises'
import { AppError } from '../../errors/app-error.ts'
import type { BootstrapPhase } from '../control/events.ts'
import type { TorControl } from '../control/tor-control.ts'
import { readKeyFiles } from '../onion/key-files.ts'
import type { OnionHostname, ServiceId } from '../../crypto/onion-address.ts'
import { readOnionKey } from '../onion/key.ts'
import { connectControl } from '../process/control-access.ts'
import { isProgramReplaced } from '../process/replaced-program.ts'
import { connectOwnTor } from '../process/own-tor.ts'
import type { TorConfig } from '../process/session.ts'
import { whoListens } from '../process/socks-probe.ts'
import type { StatusRecord } from './status-file.ts'
import { isRunning } from '../../system/process-mark.ts'
import type { ServiceManager } from '../../system/service-manager.ts'
import { readStatusFile } from './status-file.ts'

/*
 * Everything that is known about the onion service right now, each from its source: the key file, the running tor, and
 * the running relay.
 */

export interface Observed {
  /** Which tor carries the service. */
  readonly config: ObservedConfig
  readonly keyFile: string
  /** `undefined`: there is none. */
  readonly key: ObservedKey | AppError | undefined
  /** The address that will replace it, during a rotation. */
  readonly next: OnionHostname | undefined
  /** The onion addresses in `[TRANSPORT] host`, and so in the server address. */
  readonly configured: readonly string[]
  /** The unit of a tor of the system, if systemd tells. */
  readonly unit?: ObservedUnit | undefined
  /** `undefined`: no tor runs. */
  readonly tor: ObservedTor | AppError | undefined
  readonly relay: ObservedRelay
  /** `[TOR] socks_port`, and what listens there. */
  readonly socks?: ObservedSocks | undefined
}

export interface ObservedSocks {
  readonly port: number
  readonly listener: 'tor' | 'other' | 'none'
}

/** `torrc`: a tor that the relay cannot access. `undefined`: no onion service was set up. */
export type ObservedConfig = TorConfig | 'torrc' | undefined

export interface ObservedKey {
  readonly hostname: OnionHostname
  /** Permissions of its file. */
  readonly mode: number
}

export interface ObservedUnit {
  /** E.g. `tor@default`. */
  readonly name: string
  /** E.g. `active` or `failed`. */
  readonly state: string
}

export interface ObservedTor {
  readonly version: string
  readonly pid: number
  /** Its program was upgraded while it runs. */
  readonly replaced?: boolean
  readonly singleHop: boolean
  readonly bootstrap: BootstrapPhase
  /** Whether tor has the service of this key. */
  readonly hasService: boolean
}

/** What the status file says; `record` is what the relay knew last, whether it runs or not. */
export interface ObservedRelay {
  readonly running: boolean
  readonly record?: StatusRecord
}

export interface ObserveOptions {
  readonly config: ObservedConfig
  readonly keyFile: string
  readonly statusFile: string
  readonly configured: readonly string[]
  /** Of a tor of the system. */
  readonly unit?: string | undefined
  readonly socksPort?: number | undefined
  readonly services: ServiceManager
}

/**
 * Looks at all of it; what cannot be seen is an `AppError` in its place.
 *
 * @throws the system's error when the status file may not be read
 */
export async function observeOnion(options: ObserveOptions): Promise<Observed> {
  const { config, keyFile, statusFile, configured } = options
  const key = await observeKey(keyFile)
  const record = await readStatusFile(statusFile)
  const running = record !== undefined && record.state.phase !== 'stopped' && isRunning(record.relay)
  const tor =
    config && config !== 'torrc'
      ? await observeTor(config, key instanceof AppError ? undefined : key?.serviceId)
      : undefined
  const next = (await readKeyFiles(keyFile)).next?.hostname
  const [unit, socks] = await Promise.all([observeUnit(options), observeSocks(options)])
  return { config, keyFile, key, next, configured, unit, tor, socks, relay: { running, ...(record && { record }) } }
}

async function observeSocks({ socksPort: port }: ObserveOptions): Promise<ObservedSocks | undefined> {
  return port === undefined ? undefined : { port, listener: await whoListens('127.0.0.1', port) }
}

async function observeUnit({ unit: name, services }: ObserveOptions): Promise<ObservedUnit | undefined> {
  const state = name === undefined ? undefined : await services.state?.(name)
  return name === undefined || state === undefined ? undefined : { name, state }
}

async function observeKey(path: string): Promise<(ObservedKey & { serviceId: ServiceId }) | AppError | undefined> {
  try {
    const key = await readOnionKey(path)
    return key && { hostname: key.hostname, serviceId: key.serviceId, mode: (await stat(path)).mode & 0o777 }
  } catch (error) {
    if (error instanceof AppError) return error
    throw error
  }
}

async function observeTor(
  config: TorConfig,
  serviceId: ServiceId | undefined,
): Promise<ObservedTor | AppError | undefined> {
  let control: TorControl | undefined
  try {
    control = config.mode === 'own' ? await connectOwnTor(config.directory) : await connectControl(config)
    return control && (await askTor(control, config, serviceId))
  } catch (error) {
    if (error instanceof AppError) return error
    throw error
  } finally {
    control?.close()
  }
}

async function askTor(
  control: TorControl,
  { mode }: TorConfig,
  serviceId: ServiceId | undefined,
): Promise<ObservedTor> {
  const options = ['HiddenServiceSingleHopMode', 'HiddenServiceNonAnonymousMode']
  const [conf, info, bootstrap, onions] = await Promise.all([
    control.getConf(...options),
    control.getInfo('process/pid'),
    control.bootstrapPhase(),
    control.onions(),
  ])
  const pid = Number(info.get('process/pid'))
  return {
    version: control.version,
    pid,
    // The number of a process elsewhere says nothing here.
    replaced: mode !== 'external' && isProgramReplaced(pid),
    singleHop: options.every((option) => conf.get(option.toLowerCase())?.[0] === '1'),
    bootstrap,
    hasService: serviceId !== undefined && onions.includes(serviceId),
  }
}
