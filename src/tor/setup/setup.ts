import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { AppError } from '../../errors/app-error.ts'
import { iniValue } from '../../config/ini.ts'
import type { Adoption } from './adopt.ts'
import type { Logger } from '../../config/log.ts'
import type { Timeouts, PublicationListeners, PublicationOutcome } from '../onion/await-publication.ts'
import { PublicationWatch } from '../onion/await-publication.ts'
import type { CommandRunner } from '../../system/command.ts'
import type { OnionPort } from '../control/onion.ts'
import { TorControl } from '../control/tor-control.ts'
import { iniHosts, requireSameOnion } from '../../config/ini-hosts.ts'
import { isOnion } from '../../protocol/host.ts'
import type { IniFile } from '../../config/ini-file.ts'
import { readIni } from '../../config/ini-file.ts'
import { ownAsRoot } from './findings.ts'
import { bringUpOnion } from '../onion/establish.ts'
import type { OnionHostname } from '../../crypto/onion-address.ts'
import type { OnionKey } from '../../crypto/onion-key.ts'
import { keepOnionKey, readOnionKey } from '../onion/key.ts'
import { readOnionMode, recordFile, requireMode, writeOnionRecord } from '../onion/record.ts'
import type { OnionService } from '../onion/service.ts'
import { type OnionShape, plainShape } from '../onion/config.ts'
import type { ServiceManager } from '../../system/service-manager.ts'
import type { Change } from './journal.ts'
import { changeIni, SetupJournal } from './journal.ts'
import { editIni, type IniWishes } from './setup-ini.ts'
import { takeServiceOut } from './take-service-out.ts'
import { findTorrcService, usualTorrcs } from '../process/torrc-services.ts'
import { undoChanges } from './undo.ts'
import type { UndoTools } from './undo-tools.ts'

/*
 * What all forms of `smp-server tor setup` have in common. It leads from a relay without an onion name to one that has
 * it in its INI file. Every step first looks whether it is done, so a second run changes nothing, and a run that was cut
 * off goes on where it ended. A run that fails takes back what it has changed.
 */

export type SetupStep = 'check' | 'tor' | 'onion' | 'ini' | 'bootstrap' | 'publication' | 'undo'

/** How the steps are shown; the command line draws bars on a terminal and plain lines elsewhere. */
export interface SetupProgress {
  begin(step: SetupStep, text: string): void
  /** `percent` 0..100 where there is one. */
  update(step: SetupStep, text: string, percent?: number): void
  done(step: SetupStep, text: string): void
  /** The step did not succeed, and setup goes on. */
  left(step: SetupStep, text: string): void
}

export interface SetupOptions {
  readonly ini: string
  readonly keyFile: string
  readonly portsFile: string
  readonly ports: readonly OnionPort[]
  /** From the command line; is written into the INI file. */
  readonly torrcExtra?: string | undefined
  /** A single-hop service without limits when absent. */
  readonly shape?: OnionShape | undefined
  /** What else is written into the INI file. */
  readonly wishes?: Pick<IniWishes, 'web' | 'introDefence' | 'socksPort' | 'socksProxy'>
  /** A service that was set up by hand, to take over. */
  readonly adoption?: Adoption | undefined
  /** The torrc files of this machine, where they are not the usual ones. */
  readonly torrcs?: readonly string[] | undefined
  /** A key that was kept elsewhere. */
  readonly importKey?: OnionKey | undefined
  /** The name of the service whose key tor keeps. */
  readonly managedHostname?: OnionHostname | undefined
  readonly patience?: Timeouts
  readonly log: Logger
}

export interface OwnSetupOptions extends SetupOptions {
  /** tor's data directory. */
  readonly directory: string
  readonly binary?: string | undefined
  /** Restarts the tor that an adopted service leaves. */
  readonly services?: ServiceManager | undefined
}

export interface SystemSetupOptions extends SetupOptions {
  readonly instance: string
  readonly services: ServiceManager
  readonly run: CommandRunner
}

export interface SetupResult {
  readonly hostname: OnionHostname
  /** As `[TRANSPORT] host` has them now. */
  readonly hosts: readonly string[]
  /** No public name or address is among them: clients without tor cannot reach the relay. */
  readonly onionOnly: boolean
  /** Paths of the files and names of the groups that were made or changed; empty when all was as it should be. */
  readonly changes: readonly string[]
  readonly publication: PublicationOutcome
  /** The user who was let into the control socket of the system's tor, which a process that runs does not notice. */
  readonly joined?: string | undefined
  /** The tor of a running relay was used, and carries the service on. */
  readonly relayRuns: boolean
}

export const defaultTimeouts: Timeouts = { stallMs: 30_000, totalMs: 180_000 }

interface Finish {
  readonly relayRuns: boolean
  readonly mode: 'own' | 'system'
  readonly instance?: string
  /** `undefined`: not ours to switch on. */
  readonly enableNetwork?: (() => Promise<void>) | undefined
}

/** What all forms have in common. */
export class Setup {
  readonly changes: string[] = []
  /** The operator's torrc lines: of the command line, else of the INI file. */
  readonly torrcExtra: string | undefined
  /** Who owns the INI file; the relay runs as this user. */
  readonly uid: number
  readonly shape: OnionShape
  readonly #options: SetupOptions
  readonly #progress: SetupProgress
  readonly #ini: IniFile
  readonly #journal: SetupJournal
  readonly #tools: UndoTools

  private constructor(
    options: SetupOptions,
    progress: SetupProgress,
    tools: UndoTools,
    ini: IniFile,
    journal: SetupJournal,
  ) {
    this.#options = options
    this.#progress = progress
    this.#tools = tools
    this.#ini = ini
    this.#journal = journal
    this.uid = ini.uid
    this.shape = options.shape ?? plainShape
    const extra = options.torrcExtra ?? iniValue(ini.text, 'TOR', 'torrc_extra') ?? ''
    this.torrcExtra = extra === '' ? undefined : resolve(extra)
  }

  /** Looks at everything that could make the setup fail later, before anything is changed. */
  static async begin(options: SetupOptions, progress: SetupProgress, tools: UndoTools): Promise<Setup> {
    const { ini: path, keyFile } = options
    progress.begin('check', 'Looking at the configuration')
    const ini = await readIni(path)
    const kept = await readOnionKey(keyFile)
    const key = keyToUse(options, kept)
    requireSameOnion(ini.text, key?.hostname ?? options.managedHostname)
    if (key) {
      const { mode: wanted } = options.shape ?? plainShape
      const mode =
        (await readOnionMode(keyFile, key)) ?? (await findTorrcService(key, keyFile, await usualTorrcs()))?.mode
      requireMode(options.adoption?.service.mode ?? mode, wanted, options.adoption?.service.directory ?? keyFile)
    }
    const journal = await SetupJournal.open(keyFile)
    progress.done('check', kept ? 'The relay has an onion key already' : 'The relay has no onion key yet')
    return new Setup(options, progress, tools, ini, journal)
  }

  /** Takes back what was changed, and recorded, in the course of work that fails. */
  async orTakeBack<T>(work: () => Promise<T>): Promise<T> {
    const before = this.#journal.changes.length
    try {
      return await work()
    } catch (error) {
      const mine = this.#journal.changes.slice(before).filter((change) => !isOfAnother(change, error))
      if (mine.length > 0) await this.#takeBack(mine)
      throw error
    }
  }

  async #takeBack(changes: readonly Change[]): Promise<void> {
    this.#progress.begin('undo', 'Taking back what was changed')
    const { failures } = await undoChanges(this.#journal, changes, this.#tools)
    this.#progress.left(
      'undo',
      failures.length === 0
        ? 'Everything that was changed has been taken back'
        : 'Not everything that was changed could be taken back: `smp-server tor remove` tries again',
    )
  }

  /** Writes down what is going to be changed. */
  async record(change: Change): Promise<void> {
    await this.#journal.add(change)
  }

  /** The same for something new; nothing when it is there already. */
  async willMake(what: 'key' | 'record' | 'ports' | 'tor', path: string): Promise<void> {
    if (!existsSync(path)) await this.record({ type: 'made', what })
  }

  async finish(control: TorControl, how: Finish): Promise<SetupResult> {
    const { keyFile, portsFile, ports } = this.#options
    const progress = this.#progress
    progress.begin('onion', 'Asking tor for the onion service')
    const watch = await PublicationWatch.open(control)
    const key = await this.#takeOver()
    await this.willMake('key', keyFile)
    await this.willMake('record', recordFile(keyFile))
    await this.willMake('ports', portsFile)
    const service = await bringUpOnion(control, { key, keyFile, portsFile, ports, shape: this.shape })
    if (service.isNew) this.changes.push(keyFile)
    progress.done('onion', `${service.hostname} ${service.isNew ? 'is new' : 'is the name of the kept key'}`)
    try {
      return await this.#announce(service, watch, how)
    } catch (error) {
      // This tor may go on without us.
      if (service.isNew) await control.delOnion(service.key.serviceId).catch(() => undefined)
      throw error
    }
  }

  /**
   * For root, who must not run the tor of the relay's user: with the key alone the name is known, and the tor starts
   * with the relay.
   *
   * @throws AppError `OWN_AS_ROOT`
   */
  async finishWithoutTor(): Promise<SetupResult> {
    const key = await this.#takeOver()
    if (!key) {
      const { code, text, remedy } = ownAsRoot(this.#options.ini)
      throw new AppError(code, text, remedy)
    }
    const hosts = await this.writeIni(key.hostname, { mode: 'own' })
    const publication = { published: false, why: 'tor starts with the relay' } as const
    return this.result(key.hostname, hosts, publication, false)
  }

  /** Makes the key of an adopted service, or an imported one, the relay's own; returns the relay's key. */
  async #takeOver(): Promise<OnionKey | undefined> {
    const { keyFile, adoption } = this.#options
    const kept = await readOnionKey(keyFile)
    const key = keyToUse(this.#options, kept)
    if (key && !kept) {
      await this.willMake('key', keyFile)
      await this.willMake('record', recordFile(keyFile))
      await keepOnionKey(keyFile, key)
      await writeOnionRecord(keyFile, key, this.shape.mode)
      this.changes.push(keyFile)
    }
    if (adoption) {
      const { changed, restarted } = await takeServiceOut(adoption, this.#tools, (change) => this.record(change))
      this.changes.push(...changed)
      const { torrc } = adoption.service
      if (changed.length > 0 && !restarted) {
        this.#progress.left('onion', `If a tor runs with ${torrc}, restart it: it publishes the service until then`)
      }
    }
    return key
  }

  async #announce(service: OnionService, watch: PublicationWatch, how: Finish): Promise<SetupResult> {
    const { patience = defaultTimeouts } = this.#options
    const progress = this.#progress
    const hosts = await this.writeIni(service.hostname, how)
    let publication: PublicationOutcome = { published: false, why: 'the torrc lines switch the network off' }
    if (how.enableNetwork || how.relayRuns || how.mode === 'system') {
      progress.begin('bootstrap', 'Connecting to the Tor network')
      await how.enableNetwork?.()
      publication = await watch.published(service, patience, publicationSteps(progress))
    }
    if (publication.published) progress.done('publication', 'The Tor network has the descriptor')
    else progress.left('publication', `Not published yet: ${publication.why}`)
    return this.result(service.hostname, hosts, publication, how.relayRuns)
  }

  result(
    hostname: OnionHostname,
    hosts: readonly string[],
    publication: PublicationOutcome,
    relayRuns: boolean,
  ): SetupResult {
    return { hostname, hosts, onionOnly: hosts.every(isOnion), changes: this.changes, publication, relayRuns }
  }

  async writeIni(hostname: OnionHostname, how: Pick<IniWishes, 'mode' | 'instance'>): Promise<readonly string[]> {
    const { ini: path, torrcExtra } = this.#options
    const before = this.#ini
    this.#progress.begin('ini', `Writing ${path}`)
    const { wishes } = this.#options
    const { mode, instance } = how
    const editor = editIni(before.text, hostname, { ...wishes, mode, instance, torrcExtra, shape: this.shape })
    const { hosts } = iniHosts(editor.text)
    if (!(await changeIni(path, before, editor, this.#journal))) {
      this.#progress.done('ini', `${path} is right as it is`)
      return hosts
    }
    this.changes.push(path)
    this.#progress.done('ini', `[TRANSPORT] host = ${hosts.join(',')}`)
    return hosts
  }
}

/** Shows the way to the network and the uploads as the steps `bootstrap` and `publication`. */
export function publicationSteps(progress: SetupProgress): PublicationListeners {
  let connected = false
  return {
    bootstrap: ({ progress: percent, summary, warning }) => {
      if (connected) return
      if (percent < 100) {
        progress.update('bootstrap', warning === undefined ? summary : `${summary}: ${warning}`, percent)
        return
      }
      connected = true
      progress.done('bootstrap', 'Connected to the Tor network')
      progress.begin('publication', 'Waiting for the descriptor')
    },
    publication: ({ uploads, uploaded }) => {
      if (uploads > 0) progress.update('publication', `${uploaded} of ${uploads} directories have the descriptor`)
    },
  }
}

/**
 * Which tor a relay looks after: what `[TOR] mode` says, and without it its own as soon as there is an onion key, so
 * that the setup of the own form changes one line of the INI file only.
 */
export function torMode<Mode extends string>(mode: Mode | undefined, hasOnionKey: boolean): Mode | 'own' | undefined {
  return mode ?? (hasOnionKey ? 'own' : undefined)
}

export function inMode({ mode }: OnionShape): string {
  return mode === 'single-hop' ? 'in single-hop mode' : 'as an ordinary, anonymous one'
}

/** @throws AppError `ONION_KEY_OTHER` */
function keyToUse({ keyFile, adoption, importKey }: SetupOptions, kept: OnionKey | undefined): OnionKey | undefined {
  const brought = adoption?.key ?? importKey
  if (!brought || !kept || brought.serviceId === kept.serviceId) return kept ?? brought
  const message = `${keyFile} holds another key, that of ${kept.hostname}.`
  throw new AppError('ONION_KEY_OTHER', message, 'Run `smp-server tor remove --keep-key` first.')
}

/** What another process made while this one was about to: two setups at once, or a relay that has just started. */
function isOfAnother(change: Change, error: unknown): boolean {
  if (change.type !== 'made' || !(error instanceof AppError)) return false
  if (change.what === 'tor') return error.code === 'TOR_RUNS_ALREADY'
  return error.code === 'ONION_KEY_EXISTS'
}

/** systemd reports a tor as started before its control socket and cookie are there. */
export async function connectSoon(endpoint: Parameters<typeof TorControl.connect>[0]['endpoint']): Promise<TorControl> {
  const deadline = performance.now() + 10_000
  for (;;) {
    try {
      return await TorControl.connect({ endpoint })
    } catch (error) {
      const soon = error instanceof AppError && ['TOR_CONTROL_ABSENT', 'TOR_CONTROL_CLOSED'].includes(error.code)
      if (!soon || performance.now() > deadline) throw error
      await sleep(100)
    }
  }
}
