import type { MachineFacts } from './preflight.ts'

/*
 * What the facts about a machine mean for what the operator wants. No I/O.
 */

export interface Wishes {
  readonly form: 'own' | 'system'
  readonly anonymous: boolean
  readonly torrcManaged: boolean
  readonly officialRepository: boolean
  /** The directory of a service to take over. */
  readonly adopts: boolean
  /** Where smp-server itself writes a service. */
  readonly ownTorrc?: string | undefined
  readonly pow: boolean
  /** The relay has an onion key, or gets one that is adopted or imported. */
  readonly hasKey: boolean
}

/** `stop`: it cannot go on like this. `note`: it goes on, and this should be known. */
export interface Finding {
  readonly level: 'ok' | 'note' | 'stop'
  readonly code: string
  /** A sentence. */
  readonly text: string
  readonly remedy?: string
}

/** tor takes a detached service with proof of work through its control port since 0.4.9. */
const minimumTor = '0.4.6'
const powThroughControl = '0.4.9'

/** All findings, in the order in which an operator wants to read them. */
export function judge(facts: MachineFacts, wishes: Wishes): Finding[] {
  return [
    ...judgeUser(facts, wishes),
    ...judgeTor(facts, wishes),
    ...judgeSystem(facts, wishes),
    ...judgeServices(facts, wishes),
  ]
}

/**
 * Whether root works for the relay of another user. Its own tor has to run as that user, so all that root can do is to
 * put a key in its place; the tor starts with the relay.
 */
export function isForAnother(isRoot: boolean, relayUid: number | undefined): boolean {
  return isRoot && relayUid !== undefined && relayUid !== 0
}

/** What root is told who would have to run that tor, since there is no key yet. */
export function ownAsRoot(ini: string): Finding & { readonly code: 'OWN_AS_ROOT'; readonly remedy: string } {
  const text = `${ini} belongs to another user, whose tor root should not run.`
  const remedy = 'Run it as that user: sudo -u USER smp-server tor setup --own'
  return { level: 'stop', code: 'OWN_AS_ROOT', text, remedy }
}

function judgeUser({ isRoot, relayUid }: MachineFacts, { form, adopts, hasKey }: Wishes): Finding[] {
  const needsTheirTor = form === 'own' && !hasKey && isForAnother(isRoot.value, relayUid.value)
  if (needsTheirTor) return [ownAsRoot(relayUid.source)]
  if (isRoot.value) return []
  const remedy = 'Run it with sudo, or let the relay run its own tor, which needs no root.'
  if (form === 'system') {
    return [{ level: 'stop', code: 'NEEDS_ROOT', text: 'Only root can make a tor instance of the system.', remedy }]
  }
  if (!adopts) return []
  const text = 'Only root can take a service over: its key and its torrc belong to the system.'
  return [{ level: 'stop', code: 'NEEDS_ROOT', text, remedy: 'Run it with sudo.' }]
}

function judgeTor({ torVersion, release, isRoot }: MachineFacts, wishes: Wishes): Finding[] {
  const version = torVersion.value
  if (version === undefined) {
    if (isRoot.value && isDebian({ release })) {
      return [{ level: 'note', code: 'TOR_INSTALL', text: 'tor is not installed; it will be.' }]
    }
    const remedy = 'Install it, on Debian and Ubuntu with: apt install tor'
    return [{ level: 'stop', code: 'TOR_MISSING', text: 'tor is not installed.', remedy }]
  }
  if (isOlder(version, minimumTor)) {
    const text = `tor ${version} is too old: ${minimumTor} or later is needed.`
    return [{ level: 'stop', code: 'TOR_OLD', text, remedy: 'Take a newer one: --official-repo.' }]
  }
  if (wishes.pow && !wishes.torrcManaged && isOlder(version, powThroughControl)) {
    const text = `tor ${version} takes proof-of-work defences in its torrc only.`
    const remedy = `Take tor ${powThroughControl} or later (--official-repo), or --torrc-managed.`
    return [{ level: 'stop', code: 'TOR_OLD', text, remedy }]
  }
  return [{ level: 'ok', code: 'TOR', text: `tor ${version} is installed.` }]
}

function judgeSystem({ release, serviceManager, appArmor }: MachineFacts, wishes: Wishes): Finding[] {
  const findings: Finding[] = []
  const name = release.value?.name ?? 'an unknown system'
  if (wishes.officialRepository && (!isDebian({ release }) || release.value?.codename === undefined)) {
    const text = `The Tor Project has no package repository for ${name}.`
    findings.push({ level: 'stop', code: 'NO_REPOSITORY', text, remedy: 'Leave --official-repo out.' })
  }
  if (wishes.form === 'own') return findings
  if (!isDebian({ release })) {
    const text = `This is ${name}; instances of tor are known of Debian and Ubuntu only.`
    findings.push({ level: 'stop', code: 'NOT_DEBIAN', text, remedy: 'Use --own.' })
  }
  if (serviceManager.value === 'none') {
    const text = 'This machine was not booted with systemd, so nothing would start a tor instance.'
    findings.push({ level: 'stop', code: 'NO_SERVICE_MANAGER', text, remedy: 'Use --own.' })
  }
  if (appArmor.value) {
    const text = 'AppArmor confines tor@default to /etc/tor and /var/lib/tor, which is enough.'
    findings.push({ level: 'ok', code: 'APPARMOR', text })
  }
  return findings
}

function judgeServices({ hiddenServices }: MachineFacts, { adopts, ownTorrc }: Wishes): Finding[] {
  const found = hiddenServices.value.filter(
    ({ ports, lines }) => ports.includes(5223) && (ownTorrc === undefined || lines[0]?.file !== ownTorrc),
  )
  if (found.length === 0 || adopts) return []
  return found.map(({ directory, torrc }) => ({
    level: 'note',
    code: 'SERVICE_THERE',
    text: `${torrc} has an onion service for port 5223 already, in ${directory}.`,
    remedy: `To keep its name, take it over: --adopt ${directory}`,
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
