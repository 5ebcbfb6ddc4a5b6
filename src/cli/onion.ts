import { existsSync } from 'node:fs'
import { AppError } from '../config/app-error.ts'
import type { Logger } from '../config/log.ts'
import type { Paths } from '../config/paths.ts'
import type { Settings } from '../config/settings.ts'
import { type ControlEndpoint, parseEndpoint } from '../tor/control/endpoint.ts'
import { isOnion } from '../tor/ini-hosts.ts'
import { OnionKeeper } from '../tor/keeper.ts'
import type { KeeperState } from '../tor/keeper-state.ts'
import { type OnionHostname, parseOnionHostname } from '../tor/onion-address.ts'
import { serviceMode, servicePorts, serviceShape } from './onion-settings.ts'
import { type Proof, proveRelay } from '../tor/proof.ts'
import type { TorForm } from '../tor/session.ts'
import type { ProofPlan } from '../tor/proof-watch.ts'
import { torMode } from '../tor/setup.ts'
import { managedPlace } from '../tor/setup-managed.ts'
import { StatusFile } from '../tor/status-file.ts'
import { instancePaths } from '../tor/system-instance.ts'
import { TorrcWatch } from '../tor/torrc-watch.ts'
import { addressPort } from './address-text.ts'
import { readFingerprint } from './identity.ts'
import { wayOfKeeper } from './proof-way.ts'

export interface OnionOptions {
  readonly settings: Settings
  readonly paths: Paths
  readonly log: Logger
}

/** What looks after the onion service while the relay runs. */
export interface RunningOnion {
  /** What is known of the service at this moment. */
  readonly state: KeeperState
  /** Ends the own tor and leaves the last state in the status file. */
  stop(): Promise<void>
}

const usualPort = 5223

/**
 * Begins to look after the onion service, if there is to be one; the relay runs whatever becomes of it.
 *
 * @throws AppError for settings that cannot be followed
 */
export function keepOnion({ settings, paths, log }: OnionOptions): RunningOnion | undefined {
  const statusFile = new StatusFile(paths.torStatus, log)
  const onState = (state: KeeperState): void => statusFile.write(state)
  const looksAfter = onionWatch(settings, paths, { proof: proofPlan(settings, paths, log), log, onState })
  if (!looksAfter) return undefined
  looksAfter.start()
  return {
    get state() {
      return looksAfter.state
    },
    stop: async () => {
      await looksAfter.stop()
      await statusFile.close()
    },
  }
}

interface Telling {
  readonly proof: ProofPlan
  readonly log: Logger
  readonly onState: (state: KeeperState) => void
}

function onionWatch(settings: Settings, paths: Paths, telling: Telling): OnionKeeper | TorrcWatch | undefined {
  const { transport, tor } = settings
  const name = transport.hosts.find(isOnion)
  if (tor.mode === 'torrc') {
    const hostname = name === undefined ? undefined : parseOnionHostname(name)
    return hostname && new TorrcWatch({ hostname, unit: managedPlace(tor.instance).unit, ...telling })
  }
  const form = torForm(settings, paths)
  if (!form) return undefined
  return new OnionKeeper({
    form,
    keyFile: paths.onionKey,
    portsFile: paths.onionPorts,
    ports: servicePorts(settings),
    shape: serviceShape(settings),
    expectedHostname: name,
    ...telling,
  })
}

function proofPlan(settings: Settings, paths: Paths, log: Logger): ProofPlan {
  const port = addressPort(settings.transport.ports) ?? usualPort
  return {
    intervalMs: settings.tor.checkInterval * 1000,
    prove: async (host: OnionHostname, signal: AbortSignal): Promise<Proof> => {
      const keyHash = Buffer.from(await readFingerprint(paths), 'base64url')
      return await proveRelay({ host, port, keyHash }, wayOfKeeper(settings, paths, log), { signal })
    },
  }
}

/** What decides about the onion service, to see whether it has changed. */
export function onionShape(settings: Settings, paths: Paths): string {
  const { mode, instance, checkInterval } = settings.tor
  const carrier = mode === 'torrc' ? [mode, instance, settings.transport.hosts.find(isOnion)] : torForm(settings, paths)
  return JSON.stringify([carrier, servicePorts(settings), serviceShape(settings), checkInterval])
}

/** The tor that carries the service; `undefined` when no onion service was ever set up. */
export function torForm({ tor }: Settings, paths: Paths): TorForm | undefined {
  switch (torMode(tor.mode, existsSync(paths.onionKey))) {
    case 'own':
      return {
        mode: 'own',
        directory: paths.tor,
        torrcExtra: tor.torrcExtra,
        service: serviceMode(tor),
        socksPort: tor.socksPort,
      }
    case 'system':
      return { mode: 'system', control: controlEndpoint(tor), service: serviceMode(tor) }
    // That tor has the service in its torrc, and the relay has no access to it.
    case 'torrc':
    case undefined:
      return undefined
  }
}

function controlEndpoint(tor: Settings['tor']): ControlEndpoint {
  if (tor.control === undefined) return instancePaths(tor.instance).control
  const endpoint = parseEndpoint(tor.control)
  if (endpoint) return endpoint
  throw new AppError(
    'TOR_CONTROL',
    `[TOR] control = ${tor.control} must be the path of a socket, or a port of this machine.`,
    'Correct it, or comment it out to have it found.',
  )
}
