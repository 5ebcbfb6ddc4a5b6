import type { Logger } from '../config/log.ts'
import type { Paths } from '../config/paths.ts'
import type { Settings } from '../config/settings.ts'
import { isOnion } from '../protocol/host.ts'
import { type OnionHostname, parseOnionHostname } from '../crypto/onion-address.ts'
import {
  dashboardOnion,
  externalTarget,
  type OnionSetup,
  onionSetup,
  serviceConfig,
  servicePorts,
  torConfig,
} from './onion-settings.ts'
import { addressPort } from './address.ts'
import { readFingerprint } from './identity.ts'
import { supervisorRoute } from './check-route.ts'
import {
  type CheckPlan,
  type CheckResult,
  checkReachability,
  OnionSupervisor,
  StatusFile,
  type SupervisorState,
  torPlace,
  TorrcWatch,
} from '../tor/index.ts'

export interface OnionOptions {
  readonly settings: Settings
  readonly paths: Paths
  readonly log: Logger
}

/** The supervisor of the onion service while the relay runs. */
export interface RunningOnion {
  /** What is known of the service at this moment. */
  readonly state: SupervisorState
  /** Looks at the key files now. */
  follow(): Promise<void>
  /**
   * Ends the own tor and leaves the last state in the status file.
   *
   * @param isLast the relay ends too: a tor that is to be kept goes on
   */
  stop(isLast: boolean): Promise<void>
}

const DEFAULT_PORT = 5223

/**
 * Starts to supervise the onion service, if there is to be one; the relay runs whatever becomes of it.
 *
 * @throws AppError for settings that cannot be applied
 */
export function superviseOnion({ settings, paths, log }: OnionOptions): RunningOnion | undefined {
  const statusFile = new StatusFile(paths.torStatus, log)
  const onState = (state: SupervisorState): void => statusFile.write(state)
  const supervisor = supervisorOf(settings, paths, { check: checkPlan(settings, paths, log), log, onState })
  if (!supervisor) return undefined
  supervisor.start()
  return {
    get state() {
      return supervisor.state
    },
    follow: async () => {
      if (supervisor instanceof OnionSupervisor) await supervisor.follow()
    },
    stop: async (isLast) => {
      await supervisor.stop(isLast)
      await statusFile.close()
    },
  }
}

/** What is known of a service that another relay on the same database has. */
export function onionElsewhere({ settings, paths, log }: OnionOptions): RunningOnion {
  const statusFile = new StatusFile(paths.torStatus, log)
  const host = settings.transport.hosts.find(isOnion) ?? onionSetup(settings, paths).record?.hostname
  const hostname = parseOnionHostname(host ?? '')
  const state: SupervisorState = { phase: 'elsewhere', restarts: 0, ...(hostname && { hostname }) }
  statusFile.write(state)
  return {
    state,
    follow: () => Promise.resolve(),
    stop: () => statusFile.close(),
  }
}

interface Reporting {
  readonly check: CheckPlan
  readonly log: Logger
  readonly onState: (state: SupervisorState) => void
}

function supervisorOf(
  settings: Settings,
  paths: Paths,
  reporting: Reporting,
): OnionSupervisor | TorrcWatch | undefined {
  const setup = onionSetup(settings, paths)
  const host = settings.transport.hosts.find(isOnion)
  if (setup.mode === 'torrc') {
    const hostname = parseOnionHostname(host ?? setup.record?.hostname ?? '')
    return hostname && new TorrcWatch({ hostname, unit: torPlace(setup.instance).unit, ...reporting })
  }
  const tor = torConfig(settings, paths, setup)
  if (!tor) return undefined
  warnOfHost(settings, setup, reporting.log)
  return new OnionSupervisor({
    tor,
    keyFile: paths.onionKey,
    portsFile: paths.onionPorts,
    ports: servicePorts(settings, setup),
    config: serviceConfig(settings, setup),
    dashboard: dashboardOnion(settings, paths, setup),
    expectedHostname: host ?? setup.record?.hostname,
    ...reporting,
  })
}

/** The INI file was replaced since the setup, for example by a template tool: the address lacks the onion. */
function warnOfHost({ transport }: Settings, { mode, record, instance }: OnionSetup, log: Logger): void {
  if (!record || transport.hosts.some(isOnion)) return
  const how = { own: '--own', system: `--system (tor@${instance})`, external: '--control', torrc: '--torrc-managed' }
  log.warn(`onion service: ${record.hostname}, set up with ${how[mode ?? 'own']}, is not in host under [TRANSPORT]`, {
    remedy: 'Run `smp-server tor setup` to add it to the address.',
  })
}

function checkPlan(settings: Settings, paths: Paths, log: Logger): CheckPlan {
  const port = addressPort(settings.transport.ports) ?? DEFAULT_PORT
  const behind = externalTarget(settings, port)
  return {
    intervalMs: settings.tor.checkInterval * 1000,
    check: async (host: OnionHostname, signal: AbortSignal): Promise<CheckResult> => {
      const keyHash = Buffer.from(await readFingerprint(paths), 'base64url')
      return await checkReachability({ host, port, keyHash, behind }, supervisorRoute(settings, paths, log), { signal })
    },
  }
}

/**
 * What the supervisor depends on, to see whether it has changed. It follows the keys by itself: the end of a rotation
 * changes the first address of `host`, and must not restart the tor that has the service.
 */
export function onionFingerprint(settings: Settings, paths: Paths): string {
  const setup = onionSetup(settings, paths)
  const { mode, instance, record } = setup
  const { checkInterval, socksPort } = settings.tor
  const host = settings.transport.hosts.find(isOnion) ?? record?.hostname
  const tor = mode === 'torrc' ? [mode, instance, host] : torConfig(settings, paths, setup)
  return JSON.stringify([
    tor ?? null,
    servicePorts(settings, setup),
    serviceConfig(settings, setup),
    checkInterval,
    socksPort ?? null,
  ])
}
