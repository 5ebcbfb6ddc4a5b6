import type { OnionPort } from './control/onion.ts'
import type { TorControl } from './control/tor-control.ts'
import type { OnionKey } from './onion-key.ts'
import { keepOnionKey } from './onion-key.ts'
import { hasSamePorts, rememberPorts } from './onion-ports.ts'
import type { OnionService } from './onion-service.ts'
import { establishOnion } from './onion-service.ts'

export interface KeptOnion {
  /** What `keyFile` holds. */
  readonly key: OnionKey | undefined
  /** `onion.key` in the configuration directory. */
  readonly keyFile: string
  /** Remembers with which ports the service was added last. */
  readonly portsFile: string
  readonly ports: readonly OnionPort[]
}

/**
 * Brings the service into a tor, and keeps its key when tor has just made it. A service whose key cannot be kept is
 * taken away again: its name could not be had a second time.
 *
 * @throws AppError as of `establishOnion` and `keepOnionKey`
 */
export async function bringUpOnion(control: TorControl, kept: KeptOnion): Promise<OnionService> {
  const { key, keyFile, portsFile, ports } = kept
  const service = await establishOnion(control, { key, ports, renew: !(await hasSamePorts(portsFile, ports)) })
  if (service.isNew) {
    try {
      await keepOnionKey(keyFile, service.key)
    } catch (error) {
      await control.delOnion(service.key.serviceId).catch(() => undefined)
      throw error
    }
  }
  if (!service.wasThere) await rememberPorts(portsFile, ports)
  return service
}
