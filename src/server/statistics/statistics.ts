import { copyFile, readFile, rename } from 'node:fs/promises'
import type { Logger } from '../../config/log.ts'
import type { StoreCounts } from '../../store/store.ts'
import { textPieces, writeDurably } from '../../system/durable-file.ts'
import { errorCode } from '../../system/error-code.ts'
import { every } from '../timer.ts'
import { beginPeriod, type Stats } from './counters.ts'
import { dailyLine, endedPeriods, nextMidnight } from './daily-line.ts'
import { exposition } from './exposition.ts'
import type { Live } from './live.ts'
import type { Facts } from './metric.ts'
import { readSnapshot } from './read-snapshot.ts'
import { appendLine } from './text-file.ts'
import { snapshotText } from './write-snapshot.ts'

/** Where the statistics are written to. */
export interface StatisticsOptions {
  readonly daily?: {
    /** One line per day is appended. */
    readonly lines: string
    /** What the counters are restored from at the next start. */
    readonly snapshot: string
    /** Milliseconds between two snapshots, what a crash may cost; a minute when absent. */
    readonly saveEveryMs?: number
  }
  /** Rewritten every `everyMs` milliseconds. */
  readonly metrics?: { readonly file: string; readonly everyMs: number }
  /** Of this program, for the metrics. */
  readonly version?: string
}

/** What the statistics are about. */
export interface StatisticsSource {
  readonly stats: Stats
  /** What is in the store. */
  readonly counts: () => Promise<StoreCounts>
  /** Who is connected and subscribed. */
  readonly live: () => Promise<Live>
  /** Wrong creation passwords since the start. */
  readonly wrongPasswords: () => number
  /** Milliseconds since the epoch. */
  readonly now: () => number
  readonly log: Logger
}

/** Sums only, for the operator's tools: the group of the relay may be given to another program. */
const SUMS_MODE = 0o640
const SNAPSHOT_MODE = 0o600
const SAVE_EVERY_MS = 60_000
/** So that a snapshot with the hashes of very many queues takes at most this part of the time. */
const SAVE_SHARE = 1 / 100
/** The clock may be set in between. */
const LOOK_EVERY_MS = 60_000

/** Saves the statistics of a relay across restarts, and writes them where the operator wants them. */
export class Statistics {
  readonly #source: StatisticsSource
  readonly #options: StatisticsOptions
  /** When the next daily line is due, milliseconds since the epoch. */
  #lineDue: number
  /** Lines of ended periods that are not in the file yet, because of a full disk for instance. */
  readonly #lines: string[] = []
  #saveTookMs = 0
  /** False while a foreign file is in the place of the snapshot. */
  #isSaving = true
  /** Files are written one after the other. */
  #writing: Promise<void> = Promise.resolve()

  constructor(source: StatisticsSource, options: StatisticsOptions = {}) {
    this.#source = source
    this.#options = options
    this.#lineDue = nextMidnight(source.now())
  }

  /**
   * Continues with the counters that this or another SMP relay saved when it stopped. A file that cannot be used is set
   * aside, and the counting begins at zero: statistics never keep a relay from serving.
   */
  async restore(): Promise<void> {
    const { daily } = this.#options
    if (daily === undefined) return
    const { snapshot } = daily
    const { log } = this.#source
    const read = await readCounters(snapshot, this.#source.stats)
    if (read === 'none') return
    log.note(`restoring server stats from file ${snapshot}`)
    if ('fault' in read) {
      await this.#setAside(snapshot, read.fault)
      return
    }
    if (read.unknown.length > 0) log.warn(`counters unknown to this version are dropped: ${read.unknown.join(', ')}`)
    await copyFile(snapshot, `${snapshot}.bak`).catch((error: unknown) => {
      log.warn(`cannot copy ${snapshot} to ${snapshot}.bak`, { error })
    })
    log.note('server stats restored')
  }

  /** Starts writing; stop what it returns before the last {@link save}. */
  begin(): { stop(): void }[] {
    const { daily, metrics } = this.#options
    const { log, now } = this.#source
    const untilLine = (): number => Math.max(1, Math.min(this.#lineDue - now(), LOOK_EVERY_MS))
    const untilSave = (): number => Math.max(daily?.saveEveryMs ?? SAVE_EVERY_MS, this.#saveTookMs / SAVE_SHARE)
    return [
      ...(daily ? [every(untilLine, log, () => this.writeDueLine()), every(untilSave, log, () => this.#save())] : []),
      ...(metrics ? [every(metrics.everyMs, log, () => this.#writeMetrics(metrics.file))] : []),
    ]
  }

  /** Starts a new period if it is due, and writes the line of the one that ended. */
  async writeDueLine(): Promise<void> {
    const { daily } = this.#options
    const { stats, counts } = this.#source
    const now = this.#source.now()
    if (daily === undefined) return
    if (now >= this.#lineDue) {
      const held = await counts()
      // Meanwhile somebody else may have done it.
      if (now >= this.#lineDue) this.#endPeriod(dailyLine(stats, held, now), now)
    }
    if (this.#lines.length === 0) return
    await this.#write(async () => {
      const lines = [...this.#lines]
      if (lines.length > 0) await appendLine(daily.lines, lines.join('\n'), SUMS_MODE)
      this.#lines.splice(0, lines.length)
    })
    await this.#save()
  }

  #endPeriod(line: string, now: number): void {
    const { stats } = this.#source
    this.#lines.push(line)
    stats.activeQueues.end(endedPeriods(now))
    beginPeriod(stats, now)
    this.#lineDue = nextMidnight(now)
  }

  /** Saves the counters, as when the relay stops. */
  async save(): Promise<void> {
    const { daily } = this.#options
    if (daily === undefined || !this.#isSaving) return
    const { log } = this.#source
    log.note(`saving server stats to file ${daily.snapshot}`)
    await this.#save()
    log.note('server stats saved')
  }

  /** The current metrics in the text format of Prometheus. */
  async metrics(): Promise<string> {
    return exposition(await this.#facts())
  }

  /** Renames a damaged file of counters; one that cannot be renamed is not overwritten. */
  async #setAside(snapshot: string, fault: string): Promise<void> {
    const { log, now } = this.#source
    const aside = `${snapshot}.damaged-${new Date(now()).toISOString().replace(/\.\d+Z$|[-:]/g, '')}`
    const text = `cannot read the counters in ${snapshot} (${fault}); counting starts at zero`
    try {
      await rename(snapshot, aside)
      log.warn(`${text}; the file is now ${aside}`)
    } catch (error) {
      this.#isSaving = false
      log.warn(`${text} and is not saved: move the file away and restart the relay`, { error })
    }
  }

  async #writeMetrics(file: string): Promise<void> {
    const text = exposition(await this.#facts(), this.#source.now())
    await this.#write(() => writeDurably(file, text, { mode: SUMS_MODE, ifExists: 'replace' }))
  }

  async #facts(): Promise<Facts> {
    const { stats, counts, live, wrongPasswords } = this.#source
    return {
      stats,
      counts: await counts(),
      live: await live(),
      wrongPasswords: wrongPasswords(),
      version: this.#options.version ?? '',
    }
  }

  async #save(): Promise<void> {
    const { daily } = this.#options
    if (daily === undefined || !this.#isSaving) return
    const { stats, counts } = this.#source
    const { queues } = await counts()
    const beganMs = performance.now()
    const text = snapshotText(stats, queues)
    await this.#write(() =>
      writeDurably(daily.snapshot, textPieces(text), { mode: SNAPSHOT_MODE, ifExists: 'replace' }),
    )
    this.#saveTookMs = performance.now() - beganMs
  }

  #write(task: () => Promise<void>): Promise<void> {
    const written = this.#writing.then(task)
    this.#writing = written.catch(() => undefined)
    return written
  }
}

type CountersRead = 'none' | { readonly unknown: readonly string[] } | { readonly fault: string }

async function readCounters(path: string, stats: Stats): Promise<CountersRead> {
  try {
    const result = readSnapshot(await readFile(path, 'latin1'), stats)
    return 'fault' in result ? { fault: `line ${result.fault.line}: ${result.fault.what}` } : result
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return 'none'
    return { fault: error instanceof Error ? error.message : String(error) }
  }
}
