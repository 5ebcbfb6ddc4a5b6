import { stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { AppError } from '../errors/app-error.ts'
import { systemError } from '../errors/system-error.ts'
import type { Logger } from '../config/log.ts'
import type { Paths } from '../config/paths.ts'
import type { BackupLock } from '../config/settings.ts'
import { bytesText } from '../system/bytes-text.ts'
import { exists } from '../store/upstream/files.ts'
import { type BackupFailure, type BackupList, type MadeBackup, readBackupList, writeBackupList } from './backup-list.ts'
import { requireBackupDirectory } from './directory-check.ts'
import { pruneBackups, removeUnfinished, sortBackups } from './retention.ts'
import type { BackupRunner } from './run-in-process.ts'
import { Timetable } from './timetable.ts'

/*
 *            due                     made
 *   waiting ─────▶ making a backup ───────▶ waiting for the next scheduled time
 *      ▲                  │ failed
 *      └──────────────────┘ again after 5 minutes, then 10, 20 … up to 6 hours
 *
 * A backup is due when a scheduled time has passed since the last one that was made, whether the relay ran then or not.
 */

export interface AutomaticBackupOptions {
  readonly directory: string
  /** Five fields of a crontab. */
  readonly schedule: string
  readonly keep: number
  readonly lock: BackupLock
  readonly paths: Paths
  /** Of the relay: a part of it is in the names of the files. */
  readonly fingerprint: string
  readonly log: Logger
  readonly run: BackupRunner
  /** Called for each backup. */
  readonly onMade: (madeAt: Date) => Promise<void>
  readonly now?: () => Date
  /** Milliseconds, never set by anybody. */
  readonly monotonicMs?: () => number
}

export interface AutomaticBackupStatus {
  readonly directory: string
  /** One is being made. */
  readonly isRunning: boolean
  readonly last: MadeBackup | undefined
  /** Undefined when the schedule has no further time. */
  readonly next: Date | undefined
  /** Why the last attempt failed; undefined when it did not. */
  readonly failure: BackupFailure | undefined
}

/** The relay is busy enough when it has just started. */
const FIRST_LOOK_MS = 5000
const LOOK_MS = 20_000
const FIRST_RETRY_MS = 5 * 60_000
const LAST_RETRY_MS = 6 * 3_600_000
/** A last backup that is further ahead than this comes from a clock that was wrong, in milliseconds. */
const CLOCK_TOLERANCE_MS = 60_000

/** Makes backups of a running relay by its schedule, and deletes the oldest ones. */
export class AutomaticBackups {
  readonly #options: AutomaticBackupOptions
  readonly #timetable: Timetable
  readonly #now: () => Date
  readonly #monotonicMs: () => number
  readonly #abort = new AbortController()
  #list: BackupList
  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> | undefined
  #retryAtMs = -Infinity
  #retryMs = FIRST_RETRY_MS

  private constructor(options: AutomaticBackupOptions, list: BackupList) {
    this.#options = options
    this.#timetable = new Timetable(options.schedule)
    this.#now = options.now ?? ((): Date => new Date())
    this.#monotonicMs = options.monotonicMs ?? ((): number => performance.now())
    this.#list = list
  }

  /** Reads the list of backups, and says what keeps the next one from being made. */
  static async start(options: AutomaticBackupOptions): Promise<AutomaticBackups> {
    const { paths, log, directory, keep } = options
    const list = await readBackupList(paths.backupList).catch(() => undefined)
    if (list === undefined) log.warn(`${paths.backupList} cannot be read. Delete the backups made so far manually.`)
    const backups = new AutomaticBackups(options, list ?? { format: 1, made: [] })
    log.note(`Automatic backups to ${directory}, keeping ${keep}; the next one: ${backups.#nextText()}`)
    await requireBackupDirectory(directory).catch((error: unknown) => log.error(failureText(error)))
    backups.#look(FIRST_LOOK_MS)
    return backups
  }

  status(): AutomaticBackupStatus {
    const { made, succeededAt, failure } = this.#list
    const next = succeededAt === undefined ? this.#now() : this.#timetable.after(new Date(succeededAt))
    const { directory } = this.#options
    return { directory, isRunning: this.#running !== undefined, last: made.at(-1), next, failure }
  }

  /** Makes a backup now if one is due. */
  async look(): Promise<void> {
    await this.#forgetWrongClock()
    if (this.#running === undefined && this.#monotonicMs() >= this.#retryAtMs && this.#isDue()) {
      this.#running = this.#attempt().finally(() => (this.#running = undefined))
    }
    await this.#running
  }

  /** Ends a backup that is being made; it is due again at the next start. */
  async stop(): Promise<void> {
    clearTimeout(this.#timer)
    this.#abort.abort(new AppError('BACKUP_INTERRUPTED', 'The relay stops.'))
    await this.#running
  }

  #nextText(): string {
    if (this.#isDue()) return 'now'
    const { next } = this.status()
    return next?.toLocaleString('en-GB', { dateStyle: 'medium', timeStyle: 'short' }) ?? 'never, by this schedule'
  }

  #look(ms: number): void {
    this.#timer = setTimeout(() => {
      this.look()
        .catch((error: unknown) => this.#options.log.error(`Automatic backups: ${failureText(error)}`))
        .finally(() => {
          if (!this.#abort.signal.aborted) this.#look(LOOK_MS)
        })
    }, ms).unref()
  }

  #isDue(): boolean {
    const { succeededAt } = this.#list
    if (succeededAt === undefined) return true
    const next = this.#timetable.after(new Date(succeededAt))
    return next !== undefined && next <= this.#now()
  }

  /** A clock that is set back must not stop the backups until it is where it was. */
  async #forgetWrongClock(): Promise<void> {
    const { succeededAt } = this.#list
    const now = this.#now()
    if (succeededAt === undefined || Date.parse(succeededAt) <= now.getTime() + CLOCK_TOLERANCE_MS) return
    await this.#remember({ succeededAt: now.toISOString() })
  }

  async #attempt(): Promise<void> {
    const { log } = this.#options
    try {
      await this.#make()
      this.#retryMs = FIRST_RETRY_MS
    } catch (error) {
      if (this.#abort.signal.aborted) return
      const again = Math.round(this.#retryMs / 60_000)
      log.error(`Backup failed; trying again in ${again} minutes. ${failureText(error)}`)
      this.#retryAtMs = this.#monotonicMs() + this.#retryMs
      this.#retryMs = Math.min(2 * this.#retryMs, LAST_RETRY_MS)
      const { message, remedy } = asFailure(error)
      const failure = { at: this.#now().toISOString(), message, ...(remedy !== undefined && { remedy }) }
      await this.#remember({ failure })
    }
  }

  async #make(): Promise<void> {
    const { paths, lock, log, run, onMade } = this.#options
    await requireBackupDirectory(this.#options.directory)
    await this.#warnOfLostDisk()
    await this.#tidy()
    const begun = this.#monotonicMs()
    const madeAt = this.#now()
    const unfinished = { file: await this.#newFile(madeAt), madeAt: madeAt.toISOString() }
    await this.#remember({ unfinished })
    this.#abort.signal.throwIfAborted()
    const { counts, size } = await run({ paths, lock, ...unfinished }, this.#abort.signal)
    const made = await this.#add(unfinished)
    await this.#remember({ made, succeededAt: unfinished.madeAt, unfinished: undefined, failure: undefined })
    await onMade(madeAt)
    const seconds = ((this.#monotonicMs() - begun) / 1000).toFixed(1)
    const content = counts ? `${counts.queues} queues, ${counts.messages} messages` : 'no queues'
    log.note(`Backed up to ${unfinished.file}: ${bytesText(size)}, ${content}, in ${seconds} s`)
    await this.#prune()
  }

  /** What a killed relay left behind: a file that is complete counts. */
  async #tidy(): Promise<void> {
    const { unfinished } = this.#list
    if (unfinished === undefined) return
    await removeUnfinished(unfinished.file)
    if (await exists(unfinished.file))
      await this.#remember({ made: await this.#add(unfinished), unfinished: undefined })
  }

  async #add({ file, madeAt }: { readonly file: string; readonly madeAt: string }): Promise<MadeBackup[]> {
    const { size, mtimeMs } = await stat(file)
    return [...this.#list.made, { file, size, modifiedMs: mtimeMs, madeAt }]
  }

  async #prune(): Promise<void> {
    const { directory, keep, log } = this.#options
    try {
      const { made, deleted } = await pruneBackups(this.#list.made, { directory, keep })
      await this.#remember({ made: [...made] })
      if (deleted.length > 0) log.info(`Deleted old backups: ${deleted.join(', ')}`)
    } catch (error) {
      log.warn(`Old backups cannot be deleted. ${failureText(error)}`)
    }
  }

  async #newFile(madeAt: Date): Promise<string> {
    const { directory, fingerprint } = this.#options
    const time = madeAt.toISOString().replace(/\.\d+/, '').replaceAll(':', '')
    const name = `smp-server-${fingerprint.slice(0, 8)}-${time}`
    for (let n = 1; ; n++) {
      const file = join(directory, `${name}${n === 1 ? '' : `-${n}`}.age`)
      if (!(await exists(file))) return file
    }
  }

  /** A disk that is not mounted leaves an empty directory. */
  async #warnOfLostDisk(): Promise<void> {
    const { directory, log } = this.#options
    const earlier = this.#list.made.filter(({ file }) => dirname(file) === directory)
    if (earlier.length === 0 || (await sortBackups(earlier)).present.length > 0) return
    log.warn(`None of the earlier backups (${earlier.length}) is in ${directory}. If a disk belongs there, mount it.`)
  }

  /** What cannot be written is known until the relay stops. */
  async #remember(changes: { [Key in keyof BackupList]?: BackupList[Key] | undefined }): Promise<void> {
    const { made, ...others } = { ...this.#list, ...changes }
    const known = Object.fromEntries(Object.entries(others).filter(([, value]) => value !== undefined))
    this.#list = { ...known, format: 1, made: made ?? this.#list.made }
    const { paths, log } = this.#options
    await writeBackupList(paths.backupList, this.#list).catch((error: unknown) => log.warn(failureText(error)))
  }
}

function asFailure(error: unknown): { readonly message: string; readonly remedy: string | undefined } {
  const known = error instanceof AppError ? error : systemError(error)
  if (known) return known
  return { message: error instanceof Error ? error.message : String(error), remedy: undefined }
}

function failureText(error: unknown): string {
  const { message, remedy } = asFailure(error)
  return remedy === undefined ? message : `${message} ${remedy}`
}
