/** The only way into this layer from outside: what the running relay and the commands need of Tor. */
export {
  type CheckResult,
  type CheckStep,
  type CheckTarget,
  type CheckRoute,
  checkReachability,
} from './check/check.ts'
export type { CheckStepName } from './check/faults.ts'
export { type ControlEndpoint, parseEndpoint } from './control/endpoint.ts'
export type { OnionPort } from './control/onion.ts'
export type { TorControl } from './control/tor-control.ts'
export { PublicationWatch } from './onion/await-publication.ts'
export type { OnionShape } from './onion/config.ts'
export { readForeignKey } from './onion/key-import.ts'
export { nextKeyFile, readOnionKey } from './onion/key.ts'
export { onionPorts, type WebPorts } from './onion/ports.ts'
export { modeOfIni, type OnionMode, readOnionMode, recordFile, requireMode, requireOwnKey } from './onion/record.ts'
export { takeAway } from './onion/sync-keys.ts'
export type { ClientTorOptions } from './process/client-tor.ts'
export { connectOwnTor } from './process/own-tor.ts'
export { connectRunningTor } from './process/running-tor.ts'
export type { TorForm } from './process/session.ts'
export { whoListens } from './process/socks-probe.ts'
export { SocksTor } from './process/socks-tor.ts'
export { instancePaths, outsider, processIsMember } from './process/system-instance.ts'
export { findTorrcService, type TorrcService, usualTorrcs } from './process/torrc-services.ts'
export { type Adopted, adoptKey } from './setup/adopt-key.ts'
export { type Adoption, planAdoption, serviceByHand } from './setup/adopt.ts'
export { type Installation, installTor } from './setup/apt.ts'
export { clockFacts } from './setup/clock-facts.ts'
export { judgeClock } from './setup/clock-findings.ts'
export { type Finding, judge } from './setup/findings.ts'
export { managedPlace, setupManagedTor } from './setup/managed.ts'
export { setupOwnTor } from './setup/own.ts'
export { changesNothing, type Plan, planDiff, planLines } from './setup/plan.ts'
export { judgePorts } from './setup/port-findings.ts'
export { type MachineFacts, preflight } from './setup/preflight.ts'
export { lookAtPorts } from './setup/relay-ports.ts'
export { findRemoval, type Removal, removeOnion, type RemoveOptions } from './setup/remove.ts'
export { abortRotation, beginRotation, finishRotation, type RotationFiles, rotationUnderWay } from './setup/rotate.ts'
export type { IniWishes } from './setup/setup-ini.ts'
export { planSetup } from './setup/setup-plan.ts'
export { defaultTimeouts, publicationSteps, type SetupProgress, type SetupResult, torMode } from './setup/setup.ts'
export { setupSystemTor } from './setup/system.ts'
export { instanceOf } from './setup/take-service-out.ts'
export type { CheckPlan } from './supervisor/check-watch.ts'
export type { OnionState } from './supervisor/metrics.ts'
export type { SupervisorState } from './supervisor/state.ts'
export { type Fact, onionStatus, type OnionStatus } from './supervisor/status-facts.ts'
export { readStatusFile, StatusFile } from './supervisor/status-file.ts'
export { type Observed, observeOnion } from './supervisor/status.ts'
export { OnionSupervisor } from './supervisor/supervisor.ts'
export { TorrcWatch } from './supervisor/torrc-watch.ts'

// Loaded only where they are used: their libraries take longer to load than most commands run.
export const loadKeyBackup = async (): Promise<typeof import('./onion/key-backup.ts')> =>
  await import('./onion/key-backup.ts')
export const loadOnionMetrics = async (): Promise<typeof import('./supervisor/metrics.ts')> =>
  await import('./supervisor/metrics.ts')
