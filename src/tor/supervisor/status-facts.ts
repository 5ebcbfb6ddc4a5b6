import { AppError } from '../../errors/app-error.ts'
import { NO_NETWORK_REMEDY } from '../control/bootstrap.ts'
import { type ClockSkew, clockRemedy, skewClause } from '../control/clock-skew.ts'
import { endpointText } from '../control/endpoint.ts'
import { CONTESTED, CONTESTED_REMEDY } from '../onion/descriptor.ts'
import type { SupervisorState } from './state.ts'
import { ownTorPaths } from '../process/own-torrc.ts'
import type { TorConfig } from '../process/session.ts'
import type { Observed, ObservedTor } from './status.ts'

/*
 * What was observed as facts that can be read: each with its source, whether it is as it should be, and what to do
 * when it is not. Texts hold no relative times, so that they change only when the fact does.
 */

export type FactName =
  | 'setup'
  | 'key'
  | 'name'
  | 'relay'
  | 'unit'
  | 'control'
  | 'tor'
  | 'mode'
  | 'bootstrap'
  | 'service'
  | 'descriptor'
  | 'circuits'
  | 'check'
  | 'restarts'
  | 'socks'

export interface Fact {
  readonly name: FactName
  readonly text: string
  /** Who says so: a file, tor or the relay. */
  readonly source: string
  /** `undefined`: neither right nor wrong, or not known. */
  readonly ok: boolean | undefined
  /** What to do when it is wrong. */
  readonly remedy?: string
  /** The same for programs. */
  readonly value: unknown
}

export interface OnionStatus {
  readonly healthy: boolean
  /** `unknown`: nothing is wrong as far as is known, but nobody has seen the service yet. */
  readonly state: 'healthy' | 'unhealthy' | 'unknown'
  /** When a directory or a check from outside last confirmed that it is healthy. */
  readonly confirmedAt?: Date
  /** Of the first fact that is wrong. */
  readonly problem?: { readonly fact: FactName; readonly text: string; readonly remedy: string }
  readonly facts: readonly Fact[]
}

/** Facts in the order in which one depends on the other, so the first that is wrong is the cause of those after it. */
export function onionStatus(observed: Observed): OnionStatus {
  const facts = allFacts(observed).map((fact) => (fact.ok === false ? fact : withoutRemedy(fact)))
  const first = facts.find(({ ok }) => ok === false)
  if (!first) {
    const healthy = facts.some(({ name, ok }) => ok === true && (name === 'descriptor' || name === 'check'))
    const confirmedAt = healthy ? lastConfirmed(observed) : undefined
    return { healthy, state: healthy ? 'healthy' : 'unknown', ...(confirmedAt && { confirmedAt }), facts }
  }
  const { name, text, remedy = 'Run `smp-server tor setup` again.' } = first
  return { healthy: false, state: 'unhealthy', problem: { fact: name, text, remedy }, facts }
}

function lastConfirmed({ relay: { record } }: Observed): Date | undefined {
  const { confirmedAt, check } = record?.state ?? {}
  const reachedAt = check && !check.last.fault ? check.last.at : undefined
  if (confirmedAt === undefined || reachedAt === undefined) return confirmedAt ?? reachedAt
  return confirmedAt > reachedAt ? confirmedAt : reachedAt
}

function allFacts(observed: Observed): Fact[] {
  const { config } = observed
  if (!config) return [setupFact(observed)]
  const { running, record } = observed.relay
  if (running && record?.state.phase === 'elsewhere') {
    return [keyFact(observed), nameFact(observed), relayFact(observed), elsewhereFact(), ...socksFacts(observed)]
  }
  const ofUnit = unitFacts(observed)
  if (config === 'torrc') {
    return [torrcFact(), nameFact(observed), ...ofUnit, relayFact(observed), ...watchedFacts(observed)]
  }
  const ofTor = [...ofUnit, ...torFacts(observed, config)]
  const facts = [keyFact(observed), nameFact(observed), relayFact(observed), ...ofTor, ...relayFacts(observed)]
  return [...facts, ...socksFacts(observed)]
}

function withoutRemedy({ name, text, source, ok, value }: Fact): Fact {
  return { name, text, source, ok, value }
}

const start = 'Start the relay: `smp-server start`, or `systemctl start smp-server`.'
const restart = 'Restart the relay.'

function setupFact({ keyFile }: Observed): Fact {
  return {
    name: 'setup',
    text: 'this relay has no onion service',
    source: keyFile,
    ok: false,
    remedy: 'Run `smp-server tor setup`.',
    value: null,
  }
}

function torrcFact(): Fact {
  const text = 'in the torrc of a tor of the system; `smp-server tor check` shows whether it is reachable'
  return { name: 'setup', text, source: 'INI file', ok: undefined, value: { mode: 'torrc' } }
}

function keyFact({ key, keyFile, configured }: Observed): Fact {
  const fact = { name: 'key', source: keyFile } as const
  if (key instanceof AppError) return { ...fact, ...wrong(key), value: null }
  if (!key) {
    const remedy =
      configured.length === 0 ? 'Run `smp-server tor setup`.' : 'Restore it: `smp-server tor key restore FILE`.'
    return { ...fact, text: 'missing', ok: false, remedy, value: null }
  }
  const mode = key.mode.toString(8).padStart(4, '0')
  const isPrivate = (key.mode & 0o077) === 0
  return {
    ...fact,
    text: isPrivate ? `present, mode ${mode}` : `present, but others may read it: mode ${mode}`,
    ok: isPrivate,
    remedy: `chmod 600 ${keyFile}`,
    value: { mode },
  }
}

function nameFact({ key, next, configured, relay }: Observed): Fact {
  const ofKey = key instanceof AppError ? undefined : key?.hostname
  const ofRelay = relay.running ? relay.record?.state.hostname : undefined
  const names = configured.map((name) => name.toLowerCase())
  const value = { key: ofKey ?? null, next: next ?? null, ini: names, relay: ofRelay ?? null }
  const fact = { name: 'name', source: 'INI file', value } as const
  const wrong = (text: string, remedy: string): Fact => ({ ...fact, text, ok: false, remedy })
  if (names.length === 0) {
    const text = `${ofKey ?? 'the onion address'} is not in host under [TRANSPORT], so not in the server address`
    return wrong(text, 'Run `smp-server tor setup`, which adds it.')
  }
  const stranger = names.find((name) => name !== ofKey && name !== next)
  if (ofKey !== undefined && (stranger !== undefined || !names.includes(ofKey))) {
    const text = `host under [TRANSPORT] has ${stranger ?? names.join(' and ')}, but the key is that of ${ofKey}`
    const remedy = `Restore the key of that address: \`smp-server tor key restore FILE\`. Or write ${ofKey} into host instead.`
    return wrong(text, remedy)
  }
  if (ofKey !== undefined && ofRelay !== undefined && ofRelay !== ofKey) {
    return wrong(`the relay serves ${ofRelay}, but the key is that of ${ofKey}`, restart)
  }
  if (ofKey === undefined) {
    return { ...fact, text: `${names.join(' and ')} in host and the server address`, ok: undefined }
  }
  const rotation = next === undefined ? '' : `, and ${next} as its next address`
  const text = `${ofKey}: the key, host and the server address agree${rotation}`
  return { ...fact, source: 'key and INI file', text, ok: true }
}

function unitFacts({ unit }: Observed): Fact[] {
  if (!unit) return []
  const { name, state } = unit
  const remedy = `systemctl status ${name}; journalctl -u ${name} -n 20`
  const ok = state === 'active'
  return [{ name: 'unit', text: `${name} is ${state}`, source: 'systemd', ok, remedy, value: { name, state } }]
}

function relayFact({ relay: { running, record } }: Observed): Fact {
  const fact = { name: 'relay', source: 'status file' } as const
  if (running && record) {
    const { pid, startedAt } = record.relay
    const text = `running since ${moment(startedAt)}, process ${pid}`
    return { ...fact, text, ok: true, value: { pid, startedAt } }
  }
  const ended = record?.state.phase === 'stopped'
  const text = record
    ? `not running: it ${ended ? 'was stopped at' : 'was killed or crashed some time after'} ${moment(record.writtenAt)}`
    : 'not running, or never started with an onion service'
  return { ...fact, text, ok: false, remedy: start, value: null }
}

function torFacts(observed: Observed, config: TorConfig): Fact[] {
  const { tor, relay } = observed
  const place = config.mode === 'own' ? ownTorPaths(config.directory).controlSocket : endpointText(config.control)
  const control = { name: 'control', source: place } as const
  if (tor instanceof AppError) return [{ ...control, ...wrong(tor), value: null }]
  if (!tor) {
    const lastError = relay.running ? relay.record?.state.lastError : undefined
    const remedy = !relay.running ? start : (lastError?.remedy ?? 'The relay restarts it; see its log.')
    const text = lastError ? `tor is not running. ${lastError.message}` : 'tor is not running'
    return [{ ...control, text, ok: false, remedy, value: null }]
  }
  const skew = relay.running ? relay.record?.state.clockSkew : undefined
  const unit = observed.unit?.name
  return [
    { ...control, text: 'connected', ok: true, value: { endpoint: place } },
    ...liveFacts(tor, config, skew, unit),
  ]
}

const UPGRADED = {
  own: () => ', upgraded meanwhile; the relay restarts it when no client is connected',
  system: (unit: string) => `, upgraded meanwhile: systemctl restart ${unit}`,
  external: () => '',
} as const

/** @param skew as far as the relay has heard of it from tor */
function liveFacts(
  tor: ObservedTor,
  { mode, serviceType: service = 'single-hop' }: TorConfig,
  skew: ClockSkew | undefined,
  unit = 'tor',
): Fact[] {
  const { version, pid, replaced = false, singleHop, bootstrap, hasService } = tor
  const { progress, summary } = bootstrap
  const warning = skew === undefined ? bootstrap.warning : skewClause(skew)
  const source = 'tor'
  const isWanted = singleHop === (service === 'single-hop')
  const whose = { own: 'run by the relay', system: 'run by the system', external: 'elsewhere' }[mode]
  return [
    {
      name: 'tor',
      source,
      text: `${version}, ${whose}, process ${pid}${replaced ? UPGRADED[mode](unit) : ''}`,
      ok: true,
      value: { version, pid, mode, replaced },
    },
    {
      name: 'mode',
      source,
      text: `${singleHop ? 'single-hop' : 'anonymous'}${isWanted ? '' : `, but ${service} was set up`}`,
      ok: isWanted,
      remedy: 'Run `smp-server tor setup` again; it restarts that tor.',
      value: { singleHop },
    },
    {
      name: 'bootstrap',
      source,
      text: `${progress} %, ${summary}${progress < 100 && warning !== undefined ? ` (${warning})` : ''}`,
      ok: progress === 100,
      remedy: skew === undefined ? NO_NETWORK_REMEDY : `Correct the clock: ${clockRemedy}`,
      value: { progress, summary, warning: warning ?? null },
    },
    {
      name: 'service',
      source,
      text: hasService ? 'tor has the onion service' : 'tor does not have the onion service',
      ok: hasService,
      remedy: `The relay adds it within seconds. If it does not: ${restart}`,
      value: { present: hasService },
    },
  ]
}

/** Without access to its tor the relay knows of a service what its checks find. */
function watchedFacts({ relay: { running, record } }: Observed): Fact[] {
  return record ? [checkFact(record.state, running)] : []
}

/** What only the relay knows. */
function relayFacts({ relay: { running, record } }: Observed): Fact[] {
  if (!record) return []
  const { state } = record
  const live = running ? [descriptorFact(state), ...circuitsFacts(state)] : []
  return [...live, checkFact(state, running), restartsFact(state)]
}

function elsewhereFact(): Fact {
  const text = 'another relay on the same database has the service; this one takes it over when that one ends'
  return { name: 'descriptor', text, source: 'relay', ok: undefined, value: null }
}

function descriptorFact({
  publication,
  publishedAt,
  uploadedAt,
  contestedAt,
  confirmedAt,
  networkUp,
  phase,
  clockSkew,
}: SupervisorState): Fact {
  const { uploads = 0, uploaded = 0, failed = 0, failure } = publication ?? {}
  const fact = {
    name: 'descriptor',
    source: 'relay',
    value: {
      publishedAt: publishedAt ?? null,
      uploadedAt: uploadedAt ?? null,
      confirmedAt: confirmedAt ?? null,
      contestedAt: contestedAt ?? null,
      directories: uploaded,
      uploads,
      rejected: failed,
    },
  } as const
  if (contestedAt) {
    const text = `contested since ${moment(contestedAt)}: ${CONTESTED}`
    return { ...fact, text, ok: false, remedy: CONTESTED_REMEDY }
  }
  if (publishedAt && networkUp === false) {
    const text = `published ${moment(publishedAt)}, but tor has lost the connection to its network`
    return { ...fact, text, ok: false, remedy: NO_NETWORK_REMEDY }
  }
  if (publishedAt) {
    const to = uploaded > 0 ? ` to ${uploaded} of ${uploads} directories` : ', found in the network'
    const refused = failed > 0 ? ` (${failed} rejected it: ${failure ?? 'no reason'})` : ''
    const seen = confirmedAt ? `, last confirmed ${moment(confirmedAt)}` : ''
    return { ...fact, text: `published ${moment(publishedAt)}${to}${refused}${seen}`, ok: true }
  }
  const why = failure === undefined ? '' : `, a directory rejected it: ${failure}`
  const text = `not published yet (${phase})${why}`
  if (clockSkew !== undefined) {
    return {
      ...fact,
      text: `${text}; ${skewClause(clockSkew)}`,
      ok: false,
      remedy: `Correct the clock: ${clockRemedy}`,
    }
  }
  const remedy = `Wait a minute: tor uploads it once it is connected. If it does not: ${restart}`
  return { ...fact, text, ok: false, remedy }
}

function circuitsFacts({ figures }: SupervisorState): Fact[] {
  if (!figures) return []
  const { introPoints, rendezvous, rejected, powEffort, powQueue } = figures
  const parts = [
    counted(introPoints, 'introduction point'),
    counted(rendezvous, 'client circuit'),
    ...(rejected > 0 ? [`${counted(rejected, 'introduction')} rejected`] : []),
    ...(powEffort > 0 ? [`proof of work with effort ${powEffort}`] : []),
    ...(powQueue > 0 ? [`${counted(powQueue, 'request')} waiting`] : []),
  ]
  return [{ name: 'circuits', text: parts.join(', '), source: 'tor, through the relay', ok: undefined, value: figures }]
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`
}

/** The tor through which this relay reaches others. */
function socksFacts({ socks, relay }: Observed): Fact[] {
  if (!socks) return []
  const { port, listener } = socks
  const fact = { name: 'socks', source: `127.0.0.1:${port}`, value: socks } as const
  if (listener === 'tor') return [{ ...fact, text: 'answers', ok: true }]
  if (!relay.running) return [{ ...fact, text: 'runs with the relay', ok: undefined }]
  const text =
    listener === 'other' ? 'another program listens there' : 'the SOCKS tor does not answer, so others are not reached'
  const remedy =
    listener === 'other'
      ? `Stop that program (\`ss -ltnp\` shows it), or set another socks_port under [TOR].`
      : 'The relay restarts it; its log says why it ended.'
  return [{ ...fact, text, ok: false, remedy }]
}

function checkFact({ check }: SupervisorState, running: boolean): Fact {
  const fact = { name: 'check', source: 'relay', value: check ?? null } as const
  if (!check) {
    return { ...fact, text: running ? 'none yet; the first runs within a minute' : 'none', ok: undefined }
  }
  const { last, nextAt, failures } = check
  const next = running ? `, next ${moment(nextAt)}` : ''
  if (!last.fault) {
    const text = `reached from outside ${moment(last.at)} in ${(last.ms / 1000).toFixed(2)} s${next}`
    return { ...fact, text, ok: running ? true : undefined }
  }
  const times = failures > 1 ? `, ${failures} times in a row` : ''
  const text = `failed ${moment(last.at)}${times}: ${last.fault.message}${next}`
  return { ...fact, text, ok: running ? false : undefined, remedy: last.fault.remedy }
}

function restartsFact({ restarts, lastError }: SupervisorState): Fact {
  const why = lastError ? `, last at ${moment(lastError.at)}: ${lastError.message}` : ''
  const text = `Tor connection failed ${restarts === 1 ? 'once' : `${restarts} times`}${why}`
  const value = { restarts, lastError: lastError ?? null }
  return { name: 'restarts', source: 'relay', text: restarts === 0 ? 'none' : text, ok: undefined, value }
}

function wrong({ message, remedy }: AppError): { text: string; ok: false; remedy?: string } {
  return { text: message, ok: false, ...(remedy !== undefined && { remedy }) }
}

/** To the second, UTC. */
function moment(date: Date): string {
  return `${date.toISOString().slice(0, 19)}Z`
}
