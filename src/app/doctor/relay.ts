import { existsSync } from 'node:fs'
import type { Paths } from '../../config/paths.ts'
import type { Settings } from '../../config/settings.ts'
import { checkRelay } from '../../backup/check-relay.ts'
import { readBackupList } from '../../backup/backup-list.ts'
import { checkStoreAt } from '../../store/check/store-check.ts'
import { asOwnerOf } from '../../system/owner.ts'
import { hasNotice } from '../../store/upstream/notice.ts'
import { onionStatus } from '../../tor/index.ts'
import { missingHost } from '../address.ts'
import { readFingerprint } from '../identity.ts'
import { askHealth } from '../health.ts'
import { certificateHealth, MIN_RELAY_DAYS, MIN_WEB_DAYS } from '../health-facts.ts'
import { lastBackup } from '../last-backup.ts'
import { observedOnion } from '../observed-onion.ts'
import { checkOptionalPorts } from '../port-check.ts'
import { checkStorage } from '../storage-check.ts'
import { databaseFinding } from './database.ts'
import { firewallFinding } from './firewall/firewall.ts'
import { checked, faultFinding, type Finding } from './finding.ts'
import { reachFindings } from './reach.ts'
import { torFinding } from './tors.ts'

const DAY_MS = 86_400_000
const MAX_BACKUP_DAYS = 8

export interface RelayFacts {
  readonly settings: Settings
  readonly paths: Paths
  /** Of the running relay. */
  readonly pid: number | undefined
}

/** What depends on the settings. */
export async function relayFindings(facts: RelayFacts): Promise<Finding[]> {
  return [
    await checked('identity', () => identity(facts)),
    caKey(facts),
    ...(await certificates(facts)),
    ...(await hosts(facts)),
    ...(await listening(facts)),
    await checked('firewall', () => firewallFinding(facts.settings)),
    await torFinding({ settings: facts.settings }),
    await checked('onion', () => onion(facts)),
    await checked('store', () => store(facts)),
    await checked('backup', () => backup(facts)),
  ]
}

async function identity({ paths, settings }: RelayFacts): Promise<Omit<Finding, 'check'>> {
  const { fingerprint } = await checkRelay(paths, settings)
  return { level: 'ok', text: `Certificates, keys and the fingerprint ${fingerprint} belong together.` }
}

function caKey({ paths }: RelayFacts): Finding {
  const check = 'ca.key'
  if (!existsSync(paths.caKey)) return { check, level: 'ok', text: 'The key of the identity is not on this machine.' }
  const text = `${paths.caKey} is still on this machine. Only \`smp-server cert\` needs it, and whoever has it can be your relay for ever.`
  return {
    check,
    level: 'warn',
    text,
    remedy: `Copy it to a safe place, and delete it here: \`shred -u ${paths.caKey}\``,
  }
}

async function certificates({ paths, settings }: RelayFacts): Promise<Finding[]> {
  const now = new Date()
  const own = await certificateHealth(
    paths.serverCertificate,
    MIN_RELAY_DAYS,
    'Run `smp-server cert` and `smp-server reload`.',
    now,
  )
  const { https } = settings.web
  const web = https && (await certificateHealth(https.certificate, MIN_WEB_DAYS, 'Renew it.', now))
  return [...(own ? [certificate('certificate', own)] : []), ...(web ? [certificate('web certificate', web)] : [])]
}

function certificate(
  check: string,
  { ok, days, problem }: NonNullable<Awaited<ReturnType<typeof certificateHealth>>>,
): Finding {
  if (ok) return { check, level: 'ok', text: `It is valid for ${days} days.` }
  return { check, level: days < 0 ? 'fail' : 'warn', text: problem ?? '' }
}

async function hosts(facts: RelayFacts): Promise<Finding[]> {
  const missing = missingHost(facts.settings, facts.paths.ini)
  if (missing !== undefined) return [{ check: 'host', level: 'fail', text: missing }]
  return await reachFindings(facts).catch((error: unknown) => [faultFinding('host', 'fail', error)])
}

async function listening({ settings, paths, pid }: RelayFacts): Promise<Finding[]> {
  const check = 'relay'
  if (pid !== undefined) {
    return [
      await checked(check, async () => {
        const { healthy, line } = await askHealth(paths)
        return { level: healthy ? 'ok' : 'fail', text: line }
      }),
    ]
  }
  const { ports, webSocketPorts, listenHost } = settings.transport
  const { faults } = await checkOptionalPorts([...new Set([...ports, ...webSocketPorts])], listenHost)
  const stopped: Finding = {
    check,
    level: 'warn',
    text: 'The relay does not run.',
    remedy: 'Start it: `systemctl start smp-server` or `smp-server start`',
  }
  return [stopped, ...faults.map((fault) => faultFinding('port', 'fail', fault))]
}

async function onion({ settings, paths, pid }: RelayFacts): Promise<Omit<Finding, 'check'>> {
  const observed = await observedOnion(settings, paths)
  const [address] = observed.configured
  if (observed.config === undefined && address !== undefined) {
    const text = `\`host\` contains ${address}, but this relay has no key for it, and knows no Tor that has.`
    const remedy =
      'Restore the key with `smp-server tor key restore FILE`, take over a service of a torrc with `smp-server tor setup --adopt DIR`, or remove the address from `host`.'
    return { level: 'fail', text, remedy }
  }
  if (observed.config === undefined) return { level: 'ok', text: 'There is no onion service.' }
  const { state, problem, facts } = onionStatus(observed)
  if (state === 'healthy') return { level: 'ok', text: 'The onion service is healthy.' }
  const wrong = facts.find(({ name }) => name === problem?.fact)
  const isStopped = pid === undefined && problem?.fact === 'relay'
  const text = isStopped
    ? 'The relay publishes its onion service when it runs.'
    : (wrong?.text ?? 'The onion service is not seen to work yet.')
  const isFailure = state === 'unhealthy' && pid !== undefined
  return {
    level: isStopped ? 'ok' : isFailure ? 'fail' : 'warn',
    text,
    ...(!isStopped && { remedy: problem?.remedy ?? 'More: `smp-server tor status`' }),
  }
}

async function store({ settings, paths }: RelayFacts): Promise<Omit<Finding, 'check'>> {
  await checkStorage(settings, paths)
  const { database } = settings.store
  if (database !== undefined) return await databaseFinding(database, await readFingerprint(paths))
  if (!existsSync(paths.store) && !(await hasNotice(paths.stateDir)))
    return { level: 'ok', text: 'There is no message store yet.' }
  const { counts, faults } = await asOwnerOf(paths.stateDir, () => checkStoreAt(paths.store))
  if (faults.length === 0) {
    return { level: 'ok', text: `The message store is sound: ${counts.queues} queues, ${counts.messages} messages.` }
  }
  const text = `The message store is damaged: ${faults.slice(0, 3).join('; ')}.`
  return {
    level: 'fail',
    text,
    remedy: 'Restore a backup, or save what can be read with `smp-server store check --repair`.',
  }
}

async function backup({ settings, paths }: RelayFacts): Promise<Omit<Finding, 'check'>> {
  const { directory } = settings.backup
  const { failure } = (await readBackupList(paths.backupList)) ?? {}
  if (directory !== undefined && failure) {
    return { level: 'fail', text: `The last automatic backup failed. ${failure.message}`, remedy: failure.remedy }
  }
  const last = await lastBackup(paths)
  const remedy =
    'Make one: `smp-server backup FILE`; or set `directory` in [BACKUP], and the relay makes them by itself.'
  if (last === undefined) return { level: 'warn', text: 'No backup of this relay is known.', remedy }
  const days = Math.floor((Date.now() - last.getTime()) / DAY_MS)
  if (days > MAX_BACKUP_DAYS) return { level: 'warn', text: `The last backup is ${days} days old.`, remedy }
  return { level: 'ok', text: `The last backup is of ${last.toISOString()}.` }
}
