import type { TorMode } from '../onion/record.ts'
import { isOfRelay } from './adopt.ts'
import type { MachineFacts } from './preflight.ts'

/*
 * Preflight checks: what the facts about a machine mean for a setup. No I/O.
 */

/** What of a setup the machine has to allow. */
export interface PreflightRequest {
  readonly mode: TorMode
  readonly officialRepository: boolean
  /** A service is adopted. */
  readonly adopts: boolean
  /** Where smp-server itself writes a service. */
  readonly ownTorrc?: string | undefined
  readonly pow: boolean
  readonly relayPorts: readonly number[]
}

/** `stop`: the setup cannot go on. `note`: it goes on, and the operator should know this. */
export interface Finding {
  readonly level: 'ok' | 'note' | 'stop'
  readonly code: string
  /** A sentence. */
  readonly text: string
  readonly remedy?: string
}

/** tor supports proof of work for services of its control port since 0.4.9. */
export const MINIMUM_TOR = '0.4.6'
const POW_IN_TORRC = '0.4.8'
export const POW_THROUGH_CONTROL = '0.4.9'

/** All findings, in the order in which an operator wants to read them. */
export function preflightFindings(facts: MachineFacts, request: PreflightRequest): Finding[] {
  return [
    ...userFindings(facts, request),
    ...torFindings(facts, request),
    ...systemFindings(facts, request),
    ...serviceFindings(facts, request),
  ]
}

function userFindings({ isRoot, configAccess }: MachineFacts, { mode, adopts }: PreflightRequest): Finding[] {
  const { directory, owner, relayUser, mayWrite } = configAccess.value
  const findings: Finding[] = []
  if (!mayWrite) {
    findings.push({
      level: 'stop',
      code: 'CONFIG_OWNER',
      text: `The relay's user ${relayUser} may not write to ${directory}, which belongs to ${owner}; the onion key is stored there.`,
      remedy: `As root: chown -R ${relayUser} ${directory}`,
    })
  }
  const isOfSystem = mode === 'system' || mode === 'torrc'
  if (isRoot.value || (!isOfSystem && !adopts)) return findings
  const text = !isOfSystem
    ? 'Only root can adopt a service: its key and its torrc belong to the system.'
    : 'Only root can set up a tor of the system.'
  const remedy = !isOfSystem ? 'Run it with sudo.' : 'Run it with sudo, or use --own, which needs no root.'
  return [...findings, { level: 'stop', code: 'NEEDS_ROOT', text, remedy }]
}

function torFindings({ torVersion, torHasPow, release, isRoot }: MachineFacts, request: PreflightRequest): Finding[] {
  const version = torVersion.value
  if (request.mode === 'external') {
    if (version !== undefined) return []
    const text = 'tor is not installed here, so the relay cannot check from outside whether it is reachable.'
    const remedy = 'Set socks_proxy under [PROXY] to the SOCKS port of a tor, or install tor.'
    return [{ level: 'note', code: 'TOR_MISSING', text, remedy }]
  }
  if (version === undefined) {
    if (isRoot.value && isDebian({ release })) {
      return [{ level: 'note', code: 'TOR_INSTALL', text: 'tor is not installed; setup will install it.' }]
    }
    const remedy = 'On Debian and Ubuntu: apt install tor'
    return [{ level: 'stop', code: 'TOR_MISSING', text: 'tor is not installed.', remedy }]
  }
  if (isOlder(version, MINIMUM_TOR)) {
    const text = `tor ${version} is too old: ${MINIMUM_TOR} or later is required.`
    return [{ level: 'stop', code: 'TOR_OLD', text, remedy: 'Install a newer one with --official-repo.' }]
  }
  if (request.pow && isOlder(version, POW_IN_TORRC)) {
    const text = `tor ${version} has no proof-of-work defences.`
    return [{ level: 'stop', code: 'TOR_OLD', text, remedy: 'Install a newer one with --official-repo.' }]
  }
  if (request.pow && !torHasPow.value) {
    const text = `This tor ${version} was built without proof-of-work defences.`
    const remedy = "Install the Tor Project's with --official-repo, or leave out --pow (pow = off under [TOR])."
    return [{ level: 'stop', code: 'TOR_WITHOUT_POW', text, remedy }]
  }
  if (request.pow && request.mode !== 'torrc' && isOlder(version, POW_THROUGH_CONTROL)) {
    const text = `tor ${version} supports proof-of-work defences only for services in its torrc.`
    const remedy = `Install tor ${POW_THROUGH_CONTROL} or later (--official-repo), or use --torrc-managed.`
    return [{ level: 'stop', code: 'TOR_OLD', text, remedy }]
  }
  return [{ level: 'ok', code: 'TOR', text: `tor ${version} is installed.` }]
}

function systemFindings({ release, serviceManager, appArmor }: MachineFacts, request: PreflightRequest): Finding[] {
  const findings: Finding[] = []
  const name = release.value?.name ?? 'an unknown system'
  if (request.officialRepository && (!isDebian({ release }) || release.value?.codename === undefined)) {
    const text = `The Tor Project has no package repository for ${name}.`
    findings.push({ level: 'stop', code: 'NO_REPOSITORY', text, remedy: 'Leave out --official-repo.' })
  }
  if (request.mode === 'own' || request.mode === 'external') return findings
  if (!isDebian({ release })) {
    const text = `This is ${name}; only Debian and Ubuntu have tor instances.`
    findings.push({ level: 'stop', code: 'NOT_DEBIAN', text, remedy: 'Use --own.' })
  }
  if (serviceManager.value === 'none') {
    const text = 'This machine was not booted with systemd, so nothing would start a tor instance.'
    findings.push({ level: 'stop', code: 'NO_SERVICE_MANAGER', text, remedy: 'Use --own.' })
  }
  if (appArmor.value) {
    const text = 'AppArmor limits tor@default to /etc/tor and /var/lib/tor, which is sufficient.'
    findings.push({ level: 'ok', code: 'APPARMOR', text })
  }
  return findings
}

function serviceFindings({ hiddenServices }: MachineFacts, request: PreflightRequest): Finding[] {
  const { adopts, ownTorrc, relayPorts } = request
  if (adopts) return []
  return hiddenServices.value
    .filter((service) => isOfRelay(service, relayPorts))
    .filter(({ lines }) => ownTorrc === undefined || lines[0]?.file !== ownTorrc)
    .map(({ directory, torrc }) => ({
      level: 'note',
      code: 'SERVICE_THERE',
      text: `${torrc} already has an onion service for this relay, in ${directory}.`,
      remedy: `To keep its address, adopt it: --adopt ${directory}`,
    }))
}

function isDebian({ release }: Pick<MachineFacts, 'release'>): boolean {
  const { id = '', like = [] } = release.value ?? {}
  return [id, ...like].some((name) => name === 'debian' || name === 'ubuntu')
}

/** Compares dotted numbers. */
export function isOlder(version: string, than: string): boolean {
  const [a, b] = [version, than].map((text) => text.split('.').map(Number))
  for (const [index, number] of (b ?? []).entries()) {
    const other = a?.[index] ?? 0
    if (other !== number) return other < number
  }
  return false
}
