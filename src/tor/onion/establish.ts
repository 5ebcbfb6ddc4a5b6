import type { OnionPort } from '../control/onion.ts'
import type { OnionKey } from '../../crypto/onion-key.ts'
import type { OnionHost } from './configured-onions.ts'
import { hasSamePorts, rememberPorts } from './ports.ts'
import { readServiceType, requireServiceType, writeOnionRecord } from './record.ts'
import { addService, type OnionService } from './service.ts'
import { type OnionServiceConfig, singleHopService } from './service-config.ts'

export interface RelayService {
  readonly key: OnionKey
  /** The key that will replace it, while both are published. */
  readonly next?: OnionKey | undefined
  /** `onion.key` in the configuration directory. */
  readonly keyFile: string
  /** Remembers with which ports the service was added last. */
  readonly portsFile: string
  readonly ports: readonly OnionPort[]
  /** A plain single-hop service when absent. */
  readonly config?: OnionServiceConfig | undefined
}

/**
 * Adds the relay's service to a tor, and that of its next key. One that is there with other ports is replaced.
 *
 * @throws AppError whatever `addService` and `requireServiceType` throw
 */
export async function establishService(host: OnionHost, service: RelayService): Promise<OnionService> {
  const { key, next, keyFile, portsFile, ports, config = singleHopService } = service
  const recorded = await readServiceType(keyFile, key)
  requireServiceType(recorded, config.type, keyFile)
  const renew = !(await hasSamePorts(portsFile, ports, config))
  const added = await addService(host, { key, ports, config, renew })
  // Without it, only the protection against a change of the service type is lost.
  if (recorded === undefined) await writeOnionRecord(keyFile, key, config.type).catch(() => undefined)
  if (next) await addService(host, { key: next, ports, config, renew })
  if (!added.wasThere) await rememberPorts(portsFile, ports, config)
  return added
}
