import { AppError } from '../../errors/app-error.ts'
import { TorRefusal } from '../control/errors.ts'
import type { OnionFlag, OnionPort } from '../control/onion.ts'
import type { TorControl } from '../control/tor-control.ts'
import type { OnionHost } from './configured-onions.ts'
import type { OnionHostname } from '../../crypto/onion-address.ts'
import type { OnionKey } from '../../crypto/onion-key.ts'
import { type OnionServiceConfig, type ServiceType, singleHopService } from './service-config.ts'

/*
 * Adding the relay's onion service to a tor. The key alone is the service: with the same key every tor gives the same
 * address, and without it nobody can.
 */

export interface OnionService {
  readonly key: OnionKey
  readonly hostname: OnionHostname
  /** The service was in this tor already. Its descriptor may be uploaded, and no event will tell. */
  readonly wasThere: boolean
}

export interface AddService {
  readonly key: OnionKey
  readonly ports: readonly OnionPort[]
  /** A plain single-hop service when absent. */
  readonly config?: OnionServiceConfig | undefined
  /** Remove a service that is there already first, because its ports or its config may be others. */
  readonly renew?: boolean
}

/**
 * Adds the service, detached, to a tor that runs in the mode which the service type needs.
 *
 * @throws AppError `TOR_NOT_SINGLE_HOP`, `TOR_NOT_ANONYMOUS`, `TOR_POW`, `TOR_TARGET`, `ONION_COLLISION`, `ONION_MISMATCH`, `TorRefusal`, `TOR_CONTROL_…`
 */
export async function addService(host: OnionHost, wanted: AddService): Promise<OnionService> {
  const { key, ports, config = singleHopService, renew } = wanted
  if (await hasService(host, key)) {
    // Added once more, it would be refused, and tor would write a warning with a stack into its log.
    if (!renew) return existing(key)
    await host.delOnion(key.serviceId)
  }
  try {
    const added = await host.addOnion({ ...config, key, ports, flags: flagsOf(config) })
    // tor derives the address too, and both must agree.
    if (key.serviceId !== added.serviceId) throw mismatch()
    return { key, hostname: key.hostname, wasThere: false }
  } catch (error) {
    if (!(error instanceof TorRefusal)) throw error
    if (error.reason === 'Tor is in anonymous hidden service mode') throw notSingleHop(error)
    if (error.reason === 'Tor is in non-anonymous hidden service mode') throw notAnonymous(error)
    if (error.reason === 'Invalid VIRTPORT/TARGET') throw unknownTarget(ports, error)
    if (error.reason.includes('PoWDefensesEnabled')) throw withoutPow(host.version, error)
    if (error.status !== 550) throw error
    // Another program was quicker, or the torrc has it: services of a torrc are in no list.
    if (await hasService(host, key)) return existing(key)
    throw collision(error)
  }
}

/** Removes a service from a tor; it may be gone already. */
export async function removeService(host: OnionHost, key: OnionKey): Promise<void> {
  try {
    await host.delOnion(key.serviceId)
  } catch (error) {
    if (!(error instanceof TorRefusal)) throw error
  }
}

/** Removes every service but those of these keys from a tor that has none of anybody else. */
export async function removeOthers(host: OnionHost, keys: readonly OnionKey[]): Promise<void> {
  for (const serviceId of await host.onions()) {
    if (!keys.some((key) => key.serviceId === serviceId)) await host.delOnion(serviceId)
  }
}

async function hasService(host: OnionHost, key: OnionKey): Promise<boolean> {
  return (await host.onions()).includes(key.serviceId)
}

function existing(key: OnionKey): OnionService {
  return { key, hostname: key.hostname, wasThere: true }
}

function flagsOf({ type, maxStreams }: OnionServiceConfig): OnionFlag[] {
  return [
    ...(type === 'single-hop' ? (['NonAnonymous'] as const) : []),
    'Detach',
    ...(maxStreams === undefined ? [] : (['MaxStreamsCloseCircuit'] as const)),
  ]
}

/**
 * Checks that a tor runs in the mode which the service type needs.
 *
 * @param isExternal it is a tor that `tor setup` cannot restart
 * @throws AppError `TOR_NOT_SINGLE_HOP`, `TOR_NOT_ANONYMOUS`, `BRIDGES_SINGLE_HOP`
 */
export async function requireTorType(control: TorControl, type: ServiceType, isExternal = false): Promise<void> {
  const isSingleHop = await runsSingleHop(control)
  if (isSingleHop !== (type === 'single-hop')) {
    throw isSingleHop ? notAnonymous(undefined, isExternal) : notSingleHop(undefined, isExternal)
  }
  // Lines that include others can set it, too.
  const usesBridges = (await control.getConf('UseBridges')).get('usebridges')?.[0] === '1'
  if (isSingleHop && usesBridges) throw bridgesIgnored('This tor')
}

/** Both options are needed for single-hop mode, and neither can change while tor runs. */
export async function runsSingleHop(control: TorControl): Promise<boolean> {
  const options = ['HiddenServiceSingleHopMode', 'HiddenServiceNonAnonymousMode']
  const values = await control.getConf(...options)
  return options.every((option) => values.get(option.toLowerCase())?.[0] === '1')
}

const SETUP_RESTARTS_IT = 'Run `smp-server tor setup` again; it restarts that tor.'

function notSingleHop(cause?: unknown, isExternal = false): AppError {
  return new AppError(
    'TOR_NOT_SINGLE_HOP',
    'This tor does not run in single-hop mode, and a running tor cannot switch to it.',
    isExternal ? 'Use it as it is: `smp-server tor setup --three-hop`, or --onion-only.' : SETUP_RESTARTS_IT,
    { cause },
  )
}

function notAnonymous(cause?: unknown, isExternal = false): AppError {
  return new AppError(
    'TOR_NOT_ANONYMOUS',
    'This tor runs in single-hop mode, which would reveal where the anonymous service runs.',
    isExternal ? 'Take HiddenServiceSingleHopMode out of its torrc, and restart that tor.' : SETUP_RESTARTS_IT,
    { cause },
  )
}

function unknownTarget(ports: readonly OnionPort[], cause: unknown): AppError {
  const target = ports[0]?.target ?? ''
  const host = target.slice(0, target.lastIndexOf(':'))
  return new AppError(
    'TOR_TARGET',
    `tor cannot use ${target}, the target of the onion service: ${host} is not known where that tor runs.`,
    'Set target under [TOR] to a name or address under which that tor reaches this relay.',
    { cause },
  )
}

/** @param where the torrc lines or the tor that have bridges */
export function bridgesIgnored(where: string): AppError {
  return new AppError(
    'BRIDGES_SINGLE_HOP',
    `${where} uses bridges, but a single-hop service ignores them and connects to the Tor network directly.`,
    'Use an ordinary onion service: `smp-server tor setup --three-hop`.',
  )
}

export function withoutPow(version: string, cause?: unknown): AppError {
  return new AppError(
    'TOR_POW',
    `tor ${version} supports proof-of-work defences only for services in its torrc.`,
    'Install tor 0.4.9 or later, or set pow = off under [TOR].',
    { cause },
  )
}

function collision(cause: unknown): AppError {
  return new AppError(
    'ONION_COLLISION',
    'This tor already has a service with the same key in its torrc.',
    'Find it with `grep -r HiddenServiceDir /etc/tor`, then run `smp-server tor setup --adopt DIR`.',
    { cause },
  )
}

function mismatch(): AppError {
  const remedy = 'Do not use this address, and report the version of tor.'
  return new AppError('ONION_MISMATCH', "Tor's onion address does not match the key.", remedy)
}
