import { AppError } from '../../errors/app-error.ts'
import { TorRefusal } from '../control/errors.ts'
import type { OnionFlag, OnionPort } from '../control/onion.ts'
import type { TorControl } from '../control/tor-control.ts'
import type { OnionHostname } from '../../crypto/onion-address.ts'
import type { OnionKey } from '../../crypto/onion-key.ts'
import type { OnionMode } from './record.ts'
import { type OnionShape, plainShape } from './config.ts'

/*
 * Bringing the relay's onion service into a tor. The key alone is the service: with the same key every tor gives the
 * same name, and without it nobody can.
 */

export interface OnionService {
  readonly key: OnionKey
  readonly hostname: OnionHostname
  /** tor made the key; it must be kept before the name is told to anybody. */
  readonly isNew: boolean
  /** The service was in this tor already. Its descriptor may be uploaded, and no event will tell. */
  readonly wasThere: boolean
}

export interface Establish {
  readonly key: OnionKey | undefined
  readonly ports: readonly OnionPort[]
  /** `plainShape` when absent. */
  readonly shape?: OnionShape | undefined
  /** Take a service that is there already away first, because its ports may be others. */
  readonly renew?: boolean
}

/**
 * Adds the service, detached, with the kept key or with a new one, to a tor that runs in the mode of the service.
 *
 * @throws AppError `TOR_NOT_SINGLE_HOP`, `TOR_NOT_ANONYMOUS`, `TOR_POW`, `ONION_COLLISION`, `ONION_MISMATCH`, `TorRefusal`, `TOR_CONTROL_…`
 */
export async function establishOnion(control: TorControl, wanted: Establish): Promise<OnionService> {
  const { key, ports, shape = plainShape, renew } = wanted
  if (key && (await isThere(control, key))) {
    // Added once more, it would be refused, and tor would write a warning with a stack into its log.
    if (!renew) return there(key)
    await control.delOnion(key.serviceId)
  }
  try {
    const { pow, maxStreams } = shape
    const added = await control.addOnion({ key, ports, flags: flagsOf(shape), pow, maxStreams })
    const used = key ?? added.key
    // Two ways to the name: what tor says, and what follows from the key that will be kept.
    if (used?.serviceId !== added.serviceId) throw mismatch()
    return { key: used, hostname: used.hostname, isNew: !key, wasThere: false }
  } catch (error) {
    if (!(error instanceof TorRefusal)) throw error
    if (error.reason === 'Tor is in anonymous hidden service mode') throw notSingleHop(error)
    if (error.reason === 'Tor is in non-anonymous hidden service mode') throw notAnonymous(error)
    if (error.reason.includes('PoWDefensesEnabled')) throw withoutPow(control.version, error)
    if (!key || error.status !== 550) throw error
    // Another program was quicker, or the torrc has it: services of a torrc are in no list.
    if (await isThere(control, key)) return there(key)
    throw collision(error)
  }
}

async function isThere(control: TorControl, key: OnionKey): Promise<boolean> {
  return (await control.onions()).includes(key.serviceId)
}

function there(key: OnionKey): OnionService {
  return { key, hostname: key.hostname, isNew: false, wasThere: true }
}

function flagsOf({ mode, maxStreams }: OnionShape): OnionFlag[] {
  return [
    ...(mode === 'single-hop' ? (['NonAnonymous'] as const) : []),
    'Detach',
    ...(maxStreams === undefined ? [] : (['MaxStreamsCloseCircuit'] as const)),
  ]
}

/**
 * Asks a tor whether it runs in the mode that the service needs.
 *
 * @throws AppError `TOR_NOT_SINGLE_HOP`, `TOR_NOT_ANONYMOUS`
 */
export async function requireTorMode(control: TorControl, mode: OnionMode): Promise<void> {
  const options = ['HiddenServiceSingleHopMode', 'HiddenServiceNonAnonymousMode']
  const values = await control.getConf(...options)
  const isSingleHop = options.every((option) => values.get(option.toLowerCase())?.[0] === '1')
  if (isSingleHop === (mode === 'single-hop')) return
  throw isSingleHop ? notAnonymous() : notSingleHop()
}

function notSingleHop(cause?: unknown): AppError {
  return new AppError(
    'TOR_NOT_SINGLE_HOP',
    'This tor does not run in single-hop mode, and that cannot be changed while it runs.',
    'Run `smp-server tor setup` again, and restart the tor that it names.',
    { cause },
  )
}

function notAnonymous(cause?: unknown): AppError {
  return new AppError(
    'TOR_NOT_ANONYMOUS',
    'This tor runs in single-hop mode, which would show where the anonymous service is.',
    'Run `smp-server tor setup --onion-only` again, and restart the tor that it names.',
    { cause },
  )
}

function withoutPow(version: string, cause: unknown): AppError {
  return new AppError(
    'TOR_POW',
    `tor ${version} takes proof-of-work defences in its torrc only.`,
    'Install tor 0.4.9 or later, or take `pow` out of [TOR].',
    { cause },
  )
}

function collision(cause: unknown): AppError {
  return new AppError(
    'ONION_COLLISION',
    'This tor has a service with the same key that its torrc or another program keeps.',
    'Take the HiddenServiceDir with this key out of its torrc, and restart it.',
    { cause },
  )
}

function mismatch(): AppError {
  const remedy = 'Do not use this name; please report the version of tor.'
  return new AppError('ONION_MISMATCH', 'tor named the onion service otherwise than its key does.', remedy)
}
