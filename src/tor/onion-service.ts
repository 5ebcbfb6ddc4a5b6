import { AppError } from '../config/app-error.ts'
import { TorRefusal } from './control/errors.ts'
import type { OnionPort } from './control/onion.ts'
import type { TorControl } from './control/tor-control.ts'
import type { OnionHostname } from './onion-address.ts'
import type { OnionKey } from './onion-key.ts'

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
  /** Take a service that is there already away first, because its ports may be others. */
  readonly renew?: boolean
}

/**
 * Adds the service, detached, to a single-hop tor, with the kept key or with a new one.
 *
 * @throws AppError `TOR_NOT_SINGLE_HOP`, `ONION_COLLISION`, `ONION_MISMATCH`, `TorRefusal`, `TOR_CONTROL_…`
 */
export async function establishOnion(control: TorControl, { key, ports, renew }: Establish): Promise<OnionService> {
  if (key && (await isThere(control, key))) {
    // Added once more, it would be refused, and tor would write a warning with a stack into its log.
    if (!renew) return there(key)
    await control.delOnion(key.serviceId)
  }
  try {
    const added = await control.addOnion({ key, ports, flags: ['NonAnonymous', 'Detach'] })
    const used = key ?? added.key
    // Two ways to the name: what tor says, and what follows from the key that will be kept.
    if (used?.serviceId !== added.serviceId) throw mismatch()
    return { key: used, hostname: used.hostname, isNew: !key, wasThere: false }
  } catch (error) {
    if (!(error instanceof TorRefusal)) throw error
    if (error.reason === 'Tor is in anonymous hidden service mode') throw notSingleHop(error)
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

/**
 * Asks a tor whether it runs in single-hop mode.
 *
 * @throws AppError `TOR_NOT_SINGLE_HOP`
 */
export async function requireSingleHop(control: TorControl): Promise<void> {
  const options = ['HiddenServiceSingleHopMode', 'HiddenServiceNonAnonymousMode']
  const values = await control.getConf(...options)
  if (!options.every((option) => values.get(option.toLowerCase())?.[0] === '1')) throw notSingleHop()
}

function notSingleHop(cause?: unknown): AppError {
  return new AppError(
    'TOR_NOT_SINGLE_HOP',
    'This tor does not run in single-hop mode, and that cannot be changed while it runs.',
    'Run `smp-server tor setup` again, and restart the tor that it names.',
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
