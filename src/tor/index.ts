/** The only way into this layer from outside: what the running relay and the commands need of Tor. */
export {
  type CheckResult,
  type CheckStep,
  type CheckTarget,
  type CheckRoute,
  checkReachability,
} from './check/check.ts'
export type { CheckStepName } from './check/faults.ts'
export { type ControlEndpoint, endpointText, isLocal, parseEndpoint } from './control/endpoint.ts'
export type { OnionPort } from './control/onion.ts'
export type { TorControl } from './control/tor-control.ts'
export { PublicationWatch, type PublicationOutcome } from './onion/await-publication.ts'
export { CONTESTED } from './onion/descriptor.ts'
export { isClientName, MAX_CLIENTS, newClient, readClients, writeClients } from './onion/authorised-clients.ts'
export { readForeignKey } from './onion/key-import.ts'
export { nextKeyFile, readOnionKey, saveOnionKey } from './onion/key.ts'
export { onionPorts, type WebPorts } from './onion/ports.ts'
export {
  type OnionRecord,
  parseOnionRecord,
  readOnionRecord,
  readServiceType,
  recordFile,
  requireServiceType,
  type TorMode,
} from './onion/record.ts'
export { type OnionServiceConfig, type ServiceType, serviceTypeText } from './onion/service-config.ts'
export { removeService } from './onion/service.ts'
export { directoryKey } from './onion/service-directory.ts'
export { modeOfIni, requireOwnKey, serviceTypeFrom, serviceTypeOf, torModeOf } from './onion/tor-mode.ts'
export type { ClientTorOptions } from './process/client-tor.ts'
export { type HiddenService, serviceWithKey, usualTorrcs } from './process/hidden-services.ts'
export { connectOwnTor } from './process/own-tor.ts'
export { connectRunningTor, type TorConfig } from './process/session.ts'
export { whoListens } from './process/socks-probe.ts'
export { SocksTor } from './process/socks-tor.ts'
export { processIsMember } from './process/system-instance.ts'
export { instanceOf, torPlace } from './process/tor-place.ts'
export { adoptedFeatures, type Adoption, manualService, planAdoption } from './setup/adopt.ts'
export { defaultTimeouts, publicationProgress, type RelayLink } from './setup/await-setup.ts'
export { clockFacts } from './setup/clock-facts.ts'
export { clockFindings } from './setup/clock-findings.ts'
export { type Finding, isOlder, MINIMUM_TOR, preflightFindings, type PreflightRequest } from './setup/findings.ts'
export { externalFindings, type ExternalTor, lookAtTor } from './setup/external.ts'
export type { IniOptions } from './setup/ini-options.ts'
export { NEW_ADDRESS, type PlanOptions, planSetup, type SetupRequest } from './setup/plan-setup.ts'
export { isSetupUnfinished, journalFile } from './setup/journal.ts'
export { portFindings } from './setup/port-findings.ts'
export { installedTor, type MachineFacts, preflight } from './setup/preflight.ts'
export { portFacts } from './setup/relay-ports.ts'
export { type ReplacedKey, replaceKey } from './setup/replace-key.ts'
export {
  findRemoval,
  lostAddresses,
  type Removal,
  type RemovedKey,
  removeOnion,
  type RemoveOptions,
} from './setup/remove.ts'
export { abortRotation, beginRotation, finishRotation, type RotationFiles, rotationInProgress } from './setup/rotate.ts'
export type { SetupProgress } from './setup/run-steps.ts'
export { setUpTor, type SetupResult } from './setup/setup.ts'
export { planDiff, planLines, type RevertTools, type Step, toDo } from './setup/step.ts'
export type { Installation } from './setup/steps/install.ts'
export type { DashboardOnionConfig } from './supervisor/dashboard-onion.ts'
export type { CheckPlan } from './supervisor/check-watch.ts'
export type { OnionState } from './supervisor/metrics.ts'
export type { SupervisorState } from './supervisor/state.ts'
export { type Fact, onionStatus, type OnionStatus } from './supervisor/status-facts.ts'
export { parseState, readStatusFile, StatusFile } from './supervisor/status-file.ts'
export { type Observed, observeOnion } from './supervisor/status.ts'
export { OnionSupervisor } from './supervisor/supervisor.ts'
export { TorrcWatch } from './supervisor/torrc-watch.ts'

// Loaded only where they are used: their libraries take longer to load than most commands run.
export const loadKeyBackup = async (): Promise<typeof import('./onion/key-backup.ts')> =>
  await import('./onion/key-backup.ts')
export const loadOnionMetrics = async (): Promise<typeof import('./supervisor/metrics.ts')> =>
  await import('./supervisor/metrics.ts')
