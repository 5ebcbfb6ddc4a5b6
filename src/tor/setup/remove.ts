import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { AppError } from '../../errors/app-error.ts'
import { asOwnerOf } from '../../system/owner.ts'
import { withHosts } from '../../config/ini-hosts.ts'
import { readIni, replaceIni } from '../../config/ini-file.ts'
import type { OnionHostname } from '../../crypto/onion-address.ts'
import type { OnionKey } from '../../crypto/onion-key.ts'
import type { TorControl } from '../control/tor-control.ts'
import { nextKeyFile, readOnionKey } from '../onion/key.ts'
import { type OnionRecord, readOnionRecord } from '../onion/record.ts'
import { removeService } from '../onion/service.ts'
import { directoryKey } from '../onion/service-directory.ts'
import { adoptedServices } from './adopt.ts'
import { type HiddenService, hiddenServices, usualTorrcs } from '../process/hidden-services.ts'
import { connectOwnTor } from '../process/own-tor.ts'
import { ownTorPaths } from '../process/own-torrc.ts'
import { connectRunningTor, type TorConfig } from '../process/session.ts'
import { torPlace } from '../process/tor-place.ts'
import type { JournalEntry } from './entries.ts'
import { SetupJournal } from './journal.ts'
import { copyKeyAside, deleteKey, saveKeyAside } from './key-copies.ts'
import { type Reverted, revertEntries } from './revert.ts'
import type { RevertTools } from './step.ts'

/*
 * `smp-server tor remove`: everything as it was before `tor setup`. The journal says what that is; what needs no journal,
 * because it always belongs to this program, is removed too. A key is never lost by the way: it is kept or deleted as the
 * operator chooses, wherever tor holds it.
 */

export interface RemoveOptions {
  readonly tools: RevertTools
  /** Data directory of the own tor. */
  readonly torDirectory: string
  /** Further files and directories of the state directory that exist only because of the onion service. */
  readonly traces: readonly string[]
  /** The tor that carries the service, according to the INI file and the record. */
  readonly tor: TorConfig | undefined
  /** Lets a running relay see that its onion service is gone. */
  readonly reload?: (() => Promise<void>) | undefined
}

/** What there is to remove. */
export interface Removal {
  readonly keys: readonly RemovedKey[]
  readonly journal: SetupJournal
  /** Users, units or files outside of the relay's directories are part of it. */
  readonly isSystem: boolean
}

export interface RemovedKey {
  readonly key: OnionKey
  /** Where it is; the removal deletes it there. */
  readonly file: string
  /** A torrc that has the service, with a key of its own, when everything is removed. */
  readonly staysIn: HiddenService | undefined
}

export interface Removed {
  /** Where the keys are now. */
  readonly keptAs: readonly string[]
  /** Sentences about what stays, because somebody has changed it since. */
  readonly left: readonly string[]
}

/**
 * Looks what there is; `undefined` when there is nothing.
 *
 * @throws AppError `NEEDS_ROOT`, and whatever `readOnionKey` and `SetupJournal.open` throw
 */
export async function findRemoval(options: RemoveOptions): Promise<Removal | undefined> {
  const { tools, torDirectory, traces } = options
  const { places } = tools
  const journal = await SetupJournal.open(places.keyFile)
  const isSystem = journal.entries.some(({ type }) => !['key', 'record', 'ini'].includes(type))
  if (isSystem && process.geteuid?.() !== 0) {
    const message = 'The onion service uses a tor of the system, which only root can change.'
    throw new AppError('NEEDS_ROOT', message, 'Run it with sudo: sudo smp-server tor remove')
  }
  const record = await readOnionRecord(places.keyFile)
  const keys = await findKeys(tools, journal, record)
  const files = [...ownTorDirectories(torDirectory), places.portsFile, ...traces]
  const isNothing =
    keys.length === 0 && !record && journal.entries.length === 0 && !files.some((path) => existsSync(path))
  return isNothing ? undefined : { keys, journal, isSystem }
}

/** The keys of the relay, and the one that a tor of the system keeps because the setup put it there. */
async function findKeys(
  { places }: RevertTools,
  journal: SetupJournal,
  record: OnionRecord | undefined,
): Promise<RemovedKey[]> {
  const torrcs = places.torrcs ?? (await usualTorrcs())
  const adopted = await adoptedServices(
    journal.entries.filter((entry) => entry.type === 'adopted'),
    torrcs,
  )
  const keys: RemovedKey[] = []
  for (const file of [places.keyFile, nextKeyFile(places.keyFile)]) {
    const key = await readOnionKey(file)
    // Its lines in the torrc are restored, and its tor publishes it again.
    if (key) keys.push({ key, file, staysIn: await serviceOf(key, adopted) })
  }
  for (const entry of journal.entries) {
    if (entry.type !== 'service-key') continue
    const { serviceDirectory } = (places.torPlace ?? torPlace)(entry.name)
    const key = await directoryKey(serviceDirectory)
    if (key) keys.push({ key, file: serviceDirectory, staysIn: undefined })
  }
  // A service that was left in its torrc goes on there; the relay only forgets its address.
  for (const service of record?.mode === 'torrc' && keys.length === 0 ? await hiddenServices(torrcs) : []) {
    const key = await directoryKey(service.directory).catch(() => undefined)
    if (key && key.hostname === record?.hostname) keys.push({ key, file: service.directory, staysIn: service })
  }
  return keys
}

async function serviceOf(key: OnionKey, services: readonly HiddenService[]): Promise<HiddenService | undefined> {
  for (const service of services) {
    const theirs = await directoryKey(service.directory).catch(() => undefined)
    if (theirs?.serviceId === key.serviceId) return service
  }
  return undefined
}

/** The addresses that will not be reachable any more. */
export function lostAddresses({ keys }: Removal): OnionHostname[] {
  return keys.filter(({ staysIn }) => !staysIn).map(({ key }) => key.hostname)
}

/**
 * Removes it. What fails does not keep the rest from being removed, except the INI file, which comes first; another run
 * continues with what is left.
 *
 * @param keepKeys copies the keys that would be lost into the configuration directory
 * @throws AppError `REMOVE_UNFINISHED`, and whatever `readIni` and `replaceIni` throw
 */
export async function removeOnion(options: RemoveOptions, removal: Removal, keepKeys: boolean): Promise<Removed> {
  const { tools, torDirectory, traces } = options
  const { keyFile, portsFile } = tools.places
  const { keys, journal } = removal
  const revert = (wanted: (entry: JournalEntry) => boolean): Promise<Reverted> =>
    revertEntries(journal, journal.entries.filter(wanted), tools)
  const keptAs: string[] = []
  for (const { key, file, staysIn } of keepKeys ? keys : []) {
    if (staysIn) continue
    keptAs.push(existsSync(file) && file.endsWith('.key') ? await copyKeyAside(file) : await saveKeyAside(keyFile, key))
  }
  const ini = await revert(({ type }) => type === 'ini')
  if (ini.failures.length > 0) throw unfinished(ini.failures)
  await removeHosts(
    tools.places.ini,
    keys.map(({ key }) => key.hostname),
  )
  const tors = await runningTors(options)
  try {
    for (const { control } of tors) for (const { key } of keys) await removeService(control, key)
    for (const file of [keyFile, nextKeyFile(keyFile)]) await deleteKey(file)
    // A running relay ends its tor by itself, now that there is nothing to serve.
    await options.reload?.()
    for (const { control, isOwn } of tors) if (isOwn) await endTor(control)
    const system = await revert(() => true)
    // A record that was there before the setup belongs to the key.
    for (const file of [keyFile, nextKeyFile(keyFile)]) await deleteKey(file)
    for (const path of [...ownTorDirectories(torDirectory), portsFile, ...traces]) {
      await asOwnerOf(dirname(path), () => rm(path, { recursive: true, force: true, maxRetries: 5 }))
    }
    if (system.failures.length > 0) throw unfinished(system.failures)
    await journal.finish()
    const isAway = options.tor?.mode === 'external' && tors.every(({ isOwn }) => isOwn)
    const away = isAway ? [AWAY] : []
    return { keptAs, left: [...ini.left, ...system.left, ...away] }
  } finally {
    for (const { control } of tors) control.close()
  }
}

const AWAY = 'Its tor could not be asked; if that tor still runs, it serves the address until it is restarted.'

/** Addresses that are in the INI file although no journal says how they came there. */
async function removeHosts(path: string, addresses: readonly string[]): Promise<void> {
  const ini = await readIni(path)
  const text = withHosts(ini.text, (hosts) => hosts.filter((host) => !addresses.includes(host.toLowerCase())))
  if (text !== ini.text) await replaceIni(path, ini, text)
}

/** The data directory, and that of the control socket when it had to be a shorter one. */
function ownTorDirectories(directory: string): string[] {
  return [...new Set([dirname(ownTorPaths(directory).controlSocket), directory])]
}

interface RunningTor {
  readonly control: TorControl
  readonly isOwn: boolean
}

/** Every tor that may have the services. One that does not answer loses them when it ends. */
async function runningTors({ torDirectory, tor }: RemoveOptions): Promise<RunningTor[]> {
  const own = await connectOwnTor(torDirectory).catch(() => undefined)
  const system = tor && tor.mode !== 'own' ? await connectRunningTor(tor).catch(() => undefined) : undefined
  return [...(own ? [{ control: own, isOwn: true }] : []), ...(system ? [{ control: system, isOwn: false }] : [])]
}

/** For a tor whose relay could not be asked to reload. */
const OWNER_GRACE_MS = 6000
const END_TIMEOUT_MS = 10_000

async function endTor(control: TorControl): Promise<void> {
  if (await isClosedWithin(control, OWNER_GRACE_MS)) return
  await control.signal('HALT').catch(() => undefined)
  await isClosedWithin(control, END_TIMEOUT_MS)
}

async function isClosedWithin(control: TorControl, ms: number): Promise<boolean> {
  const timer = new AbortController()
  const outcome = await Promise.race([
    control.closed.then(() => true),
    sleep(ms, false, { signal: timer.signal }).catch(() => false),
  ])
  timer.abort()
  return outcome
}

function unfinished(failures: readonly unknown[]): AppError {
  const reasons = failures.map((error) => (error instanceof Error ? error.message : String(error)))
  const message = `Removal incomplete: ${reasons.join(' ')}`
  return new AppError('REMOVE_UNFINISHED', message, 'Fix that, and run `smp-server tor remove` again to continue.')
}
