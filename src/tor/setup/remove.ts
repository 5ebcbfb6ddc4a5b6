import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { AppError } from '../../errors/app-error.ts'
import { copyAside, deleteKey } from './adopt-key.ts'
import type { CommandRunner } from '../../system/command.ts'
import type { TorControl } from '../control/tor-control.ts'
import { takeAway } from '../onion/sync-keys.ts'
import { withHosts } from '../../config/ini-hosts.ts'
import { readIni, replaceIni } from '../../config/ini-file.ts'
import type { OnionHostname } from '../../crypto/onion-address.ts'
import type { OnionKey } from '../../crypto/onion-key.ts'
import { nextKeyFile, readOnionKey } from '../onion/key.ts'
import { connectOwnTor } from '../process/own-tor.ts'
import { connectRunningTor } from '../process/running-tor.ts'
import type { ServiceManager } from '../../system/service-manager.ts'
import type { TorForm } from '../process/session.ts'
import { type Change, SetupJournal } from './journal.ts'
import { ownTorDirectories, type Undone, undoChanges } from './undo.ts'

/*
 * `smp-server tor remove`: everything back to how it was before `tor setup`. The journal says what that is; what no
 * journal need say, because it is always this program's own, goes too.
 */

export interface RemoveOptions {
  readonly ini: string
  readonly keyFile: string
  readonly portsFile: string
  /** Data directory of the own tor. */
  readonly torDirectory: string
  /** Further files and directories of the state directory that are there because of the onion service only. */
  readonly traces: readonly string[]
  /** The tor that carries the service, as far as the INI file says. */
  readonly form: TorForm | undefined
  readonly run: CommandRunner
  readonly services: ServiceManager
}

/** What there is to remove. */
export interface Removal {
  readonly keys: readonly { readonly file: string; readonly key: OnionKey }[]
  readonly hostnames: readonly OnionHostname[]
  readonly journal: SetupJournal
  /** Users, units and files outside of the relay's directories are among it. */
  readonly isSystem: boolean
}

export interface Removed {
  /** Where the keys are now. */
  readonly keptAs: readonly string[]
  /** A running relay had its tor taken away. */
  readonly relayRuns: boolean
  /** Sentences about what stays, because somebody has changed it since. */
  readonly left: readonly string[]
}

/**
 * Looks what there is; `undefined` when nothing is.
 *
 * @throws AppError `NEEDS_ROOT`, and as of `readOnionKey` and `SetupJournal.open`
 */
export async function findRemoval(options: RemoveOptions): Promise<Removal | undefined> {
  const { keyFile, torDirectory, portsFile, traces } = options
  const keys = []
  for (const file of [keyFile, nextKeyFile(keyFile)]) {
    const key = await readOnionKey(file)
    if (key) keys.push({ file, key })
  }
  const journal = await SetupJournal.open(keyFile)
  const isSystem = journal.changes.some(({ type }) => type !== 'made' && type !== 'ini')
  if (isSystem && process.geteuid?.() !== 0) {
    const message = 'The onion service is carried by a tor instance of the system, which only root can remove.'
    throw new AppError('NEEDS_ROOT', message, 'Run it with sudo.')
  }
  const files = [...ownTorDirectories(torDirectory), portsFile, ...traces]
  const isNothing = keys.length === 0 && journal.changes.length === 0 && !files.some((path) => existsSync(path))
  return isNothing ? undefined : { keys, hostnames: keys.map(({ key }) => key.hostname), journal, isSystem }
}

/**
 * Removes it. What fails does not keep the rest from being removed, except the INI file, which comes first; another
 * run goes on with what is left.
 *
 * @throws AppError as of `readIni` and `replaceIni`, and `REMOVE_UNFINISHED`
 */
export async function removeOnion(options: RemoveOptions, removal: Removal, keepKey: boolean): Promise<Removed> {
  const { keys, journal } = removal
  const undo = (wanted: (change: Change) => boolean): Promise<Undone> => {
    const { run, services } = options
    return undoChanges(journal, journal.changes.filter(wanted), { places: options, run, services })
  }
  const ini = await undo(({ type }) => type === 'ini')
  if (ini.failures.length > 0) throw unfinished(ini.failures)
  await takeOutNames(options.ini, removal.hostnames)
  const tors = await runningTors(options)
  try {
    for (const { control } of tors) for (const { key } of keys) await takeAway(control, key)
    const keptAs = []
    for (const { file } of keys) if (keepKey) keptAs.push(await copyAside(file))
    for (const file of [options.keyFile, nextKeyFile(options.keyFile)]) await deleteKey(file)
    // A relay that runs does not start its tor again now, without a key.
    for (const { control, isOwn } of tors) if (isOwn) await endTor(control)
    const system = await undo(({ type }) => type !== 'made')
    for (const path of [...ownTorDirectories(options.torDirectory), options.portsFile, ...options.traces]) {
      await rm(path, { recursive: true, force: true, maxRetries: 5 })
    }
    if (system.failures.length > 0) throw unfinished(system.failures)
    for (const change of journal.changes) await journal.strike(change)
    return { keptAs, relayRuns: tors.some(({ isOwn }) => isOwn), left: [...ini.left, ...system.left] }
  } finally {
    for (const { control } of tors) control.close()
  }
}

/** Names that are in the INI file although no journal says how they came there. */
async function takeOutNames(path: string, names: readonly string[]): Promise<void> {
  const ini = await readIni(path)
  const text = withHosts(ini.text, (hosts) => hosts.filter((host) => !names.includes(host.toLowerCase())))
  if (text !== ini.text) await replaceIni(path, ini, text)
}

interface RunningTor {
  readonly control: TorControl
  readonly isOwn: boolean
}

/** Every tor that may have the services. One that does not answer loses them when it ends. */
async function runningTors({ torDirectory, form }: RemoveOptions): Promise<RunningTor[]> {
  const own = await connectOwnTor(torDirectory).catch(() => undefined)
  const system = form?.mode === 'system' ? await connectRunningTor(form).catch(() => undefined) : undefined
  return [...(own ? [{ control: own, isOwn: true }] : []), ...(system ? [{ control: system, isOwn: false }] : [])]
}

async function endTor(control: TorControl): Promise<void> {
  await control.signal('HALT').catch(() => undefined)
  const timer = new AbortController()
  await Promise.race([control.closed, sleep(10_000, undefined, { signal: timer.signal }).catch(() => undefined)])
  timer.abort()
}

function unfinished(failures: readonly unknown[]): AppError {
  const reasons = failures.map((error) => (error instanceof Error ? error.message : String(error)))
  const message = `Not everything could be removed: ${reasons.join(' ')}`
  return new AppError('REMOVE_UNFINISHED', message, 'Mend that and run the command again; it goes on with the rest.')
}
