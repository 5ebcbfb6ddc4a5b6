import { isIP } from 'node:net'
import { AppError } from '../../errors/app-error.ts'
import { type HostPort, hostPortText, isLoopback } from '../../protocol/host-port.ts'
import { generateOnionKey } from '../../crypto/onion-key.ts'
import { endpointText, isLocal } from '../control/endpoint.ts'
import type { OnionPort } from '../control/onion.ts'
import type { TorControl } from '../control/tor-control.ts'
import { addService, removeService, requireTorType, withoutPow } from '../onion/service.ts'
import type { OnionServiceConfig } from '../onion/service-config.ts'
import { connectControl, type ControlAccess } from '../process/control-access.ts'
import { type Finding, isOlder, POW_THROUGH_CONTROL } from './findings.ts'

/*
 * A tor that runs elsewhere, and that the relay controls through a port: in another container, on a gateway, on another
 * machine. Setup changes nothing there but the onion service itself.
 */

export interface ExternalTor {
  readonly access: ControlAccess
  /** Where that tor reaches this relay. */
  readonly target: HostPort
  /** It lets every controller in. */
  readonly isOpen: boolean
}

/**
 * Logs in to that tor.
 *
 * @param target where it reaches this relay; by default the address from which this machine reaches it
 * @throws AppError whatever `connectControl` throws
 */
export async function lookAtTor(access: ControlAccess, target: HostPort | undefined): Promise<ExternalTor> {
  const control = await connectControl(access)
  try {
    const host = isLocal(access.control) ? undefined : control.localAddress?.replace(/^::ffff:/, '')
    return { access, target: target ?? { host: host ?? '127.0.0.1' }, isOpen: control.method === 'NULL' }
  } finally {
    control.close()
  }
}

/**
 * Makes sure that this tor can have the service, before anything is changed.
 *
 * @throws AppError whatever `connectControl`, `requireTorType` and `addService` throw
 */
export async function verifyTor(
  { access }: ExternalTor,
  config: OnionServiceConfig,
  ports: readonly OnionPort[],
): Promise<void> {
  const control = await connectControl(access)
  try {
    await requireTorType(control, config.type, true)
    if (config.pow && isOlder(control.version, POW_THROUGH_CONTROL)) throw withoutPow(control.version)
    await requireKnownTargets(control, config, ports)
  } finally {
    control.close()
  }
}

/** Only that tor knows which names it can look up, and it looks them up when it gets a service: here one without a future. */
async function requireKnownTargets(
  control: TorControl,
  { type }: OnionServiceConfig,
  ports: readonly OnionPort[],
): Promise<void> {
  const named = ports.filter(
    ({ target }) => isIP(target.slice(0, target.lastIndexOf(':')).replace(/^\[|\]$/g, '')) === 0,
  )
  if (named.length === 0) return
  const key = generateOnionKey()
  await addService(control, { key, ports: named, config: { type } })
  await removeService(control, key)
}

/** @param listenHost `[TRANSPORT] listen_host` */
export function externalFindings({ access, target, isOpen }: ExternalTor, listenHost: string | undefined): Finding[] {
  const findings: Finding[] = []
  const at = endpointText(access.control)
  if (listenHost !== undefined && isLoopback(listenHost) && !isLoopback(target.host)) {
    findings.push({
      level: 'stop',
      code: 'TARGET_LOOPBACK',
      text: `The relay listens on ${listenHost} only, and the tor at ${at} would connect to ${target.host}.`,
      remedy: `Set listen_host under [TRANSPORT] to an address that this tor reaches, and restart the relay.`,
    })
  }
  if (isOpen && !isLocal(access.control)) {
    findings.push({
      level: 'note',
      code: 'TOR_OPEN',
      text: `The tor at ${at} lets every controller in that reaches this port.`,
      remedy: 'Add HashedControlPassword to its torrc, and pass --control-password-file.',
    })
  }
  return findings
}

/**
 * Another control port is another tor, and the first one would keep the service.
 *
 * @param present `[TOR] control` before the setup
 * @throws AppError `TOR_MODE_OTHER`
 */
export function refuseOtherTor({ access }: ExternalTor, present: string | undefined): void {
  const wanted = endpointText(access.control)
  if (present === undefined || present === wanted) return
  const remedy =
    'Run `smp-server tor remove --keep-key`, then `smp-server tor setup --import-key FILE` with the key it names. If it is the same tor under another name, change control under [TOR].'
  throw new AppError('TOR_MODE_OTHER', `The onion service was set up in the tor at ${present}.`, remedy)
}

/** As `[TOR] target` has it. */
export function targetText({ host, port }: HostPort): string {
  return port === undefined ? (host.includes(':') ? `[${host}]` : host) : hostPortText(host, port)
}
