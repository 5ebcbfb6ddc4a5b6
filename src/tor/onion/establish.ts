import type { OnionPort } from '../control/onion.ts'
import type { TorControl } from '../control/tor-control.ts'
import type { OnionKey } from '../../crypto/onion-key.ts'
import { keepOnionKey } from './key.ts'
import { hasSamePorts, rememberPorts } from './ports.ts'
import { readOnionMode, requireMode, writeOnionRecord } from './record.ts'
import type { OnionService } from './service.ts'
import { type OnionShape, plainShape } from './config.ts'
import { establishOnion } from './service.ts'

export interface KeptOnion {
  /** What `keyFile` holds. */
  readonly key: OnionKey | undefined
  /** The key that will take its place, while both are published. */
  readonly next?: OnionKey | undefined
  /** `onion.key` in the configuration directory. */
  readonly keyFile: string
  /** Remembers with which ports the service was added last. */
  readonly portsFile: string
  readonly ports: readonly OnionPort[]
  /** `plainShape` when absent. */
  readonly shape?: OnionShape | undefined
}

/**
 * Brings the service into a tor, and keeps its key when tor has just made it. A service whose key cannot be kept is
 * taken away again: its name could not be had a second time.
 *
 * @throws AppError as of `establishOnion`, `keepOnionKey` and `requireMode`
 */
export async function bringUpOnion(control: TorControl, kept: KeptOnion): Promise<OnionService> {
  const { key, next, keyFile, portsFile, ports, shape = plainShape } = kept
  const mode = key && (await readOnionMode(keyFile, key))
  requireMode(mode, shape.mode, keyFile)
  const renew = !(await hasSamePorts(portsFile, ports, shape))
  const service = await establishOnion(control, { key, ports, shape, renew })
  try {
    if (service.isNew) await keepOnionKey(keyFile, service.key)
  } catch (error) {
    await control.delOnion(service.key.serviceId).catch(() => undefined)
    throw error
  }
  // Without it nothing but the refusal of a key in the wrong mode is lost.
  if (mode === undefined) await writeOnionRecord(keyFile, service.key, shape.mode).catch(() => undefined)
  if (next) await establishOnion(control, { key: next, ports, shape, renew })
  if (!service.wasThere) await rememberPorts(portsFile, ports, shape)
  return service
}
