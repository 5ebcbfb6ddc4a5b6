import { existsSync } from 'node:fs'
import { AppError } from '../errors/app-error.ts'
import type { Logger } from '../config/log.ts'
import type { Paths } from '../config/paths.ts'
import type { Settings } from '../config/settings.ts'
import { isOnion } from '../protocol/host.ts'
import { type OnionHostname, parseOnionHostname } from '../crypto/onion-address.ts'
import { serviceMode, servicePorts, serviceShape } from './onion-settings.ts'
import { addressPort } from './address.ts'
import { readFingerprint } from './identity.ts'
import { supervisorRoute } from './check-route.ts'
import {
  type ControlEndpoint,
  instancePaths,
  type SupervisorState,
  managedPlace,
  OnionSupervisor,
  parseEndpoint,
  type CheckResult,
  type CheckPlan,
  checkReachability,
  StatusFile,
  type TorForm,
  torMode,
  TorrcWatch,
} from '../tor/index.ts'

export interface OnionOptions {
  readonly settings: Settings
  readonly paths: Paths
  readonly log: Logger
}

/** What looks after the onion service while the relay runs. */
export interface RunningOnion {
  /** What is known of the service at this moment. */
  readonly state: SupervisorState
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
  const onState = (state: SupervisorState): void => statusFile.write(state)
  const looksAfter = onionWatch(settings, paths, { proof: checkPlan(settings, paths, log), log, onState })
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
  readonly proof: CheckPlan
  readonly log: Logger
  readonly onState: (state: SupervisorState) => void
}

function onionWatch(settings: Settings, paths: Paths, telling: Telling): OnionSupervisor | TorrcWatch | undefined {
  const { transport, tor } = settings
  const name = transport.hosts.find(isOnion)
  if (tor.mode === 'torrc') {
    const hostname = name === undefined ? undefined : parseOnionHostname(name)
    return hostname && new TorrcWatch({ hostname, unit: managedPlace(tor.instance).unit, ...telling })
  }
  const form = torForm(settings, paths)
  if (!form) return undefined
  return new OnionSupervisor({
    form,
    keyFile: paths.onionKey,
    portsFile: paths.onionPorts,
    ports: servicePorts(settings),
    shape: serviceShape(settings),
    expectedHostname: name,
    ...telling,
  })
}

function checkPlan(settings: Settings, paths: Paths, log: Logger): CheckPlan {
  const port = addressPort(settings.transport.ports) ?? usualPort
  return {
    intervalMs: settings.tor.checkInterval * 1000,
    prove: async (host: OnionHostname, signal: AbortSignal): Promise<CheckResult> => {
      const keyHash = Buffer.from(await readFingerprint(paths), 'base64url')
      return await checkReachability({ host, port, keyHash }, supervisorRoute(settings, paths, log), { signal })
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
