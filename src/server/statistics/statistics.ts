import { copyFile, readFile } from 'node:fs/promises'
import { AppError } from '../../errors/app-error.ts'
import { every } from '../timer.ts'
import { beginPeriod } from './counters.ts'
import { dailyLine, endedPeriods, nextMidnight } from './daily-line.ts'
import { exposition } from './exposition.ts'
import { readLive, type Observed } from './live.ts'
import type { Facts } from './metric.ts'
import { readSnapshot } from './read-snapshot.ts'
import { textPieces, writeDurably } from '../../system/durable-file.ts'
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

/** Sums only, for the operator's tools: the group of the relay may be given to another program. */
const SUMS_MODE = 0o640
const SNAPSHOT_MODE = 0o600
const SAVE_EVERY_MS = 60_000
/** So that a snapshot with the hashes of very many queues takes at most this part of the time. */
const SAVE_SHARE = 1 / 100
/** The clock may be set meanwhile. */
const LOOK_EVERY_MS = 60_000

/** Keeps the statistics of a relay across restarts, and writes them where the operator wants them. */
export class Statistics {
  readonly #observed: Observed
  readonly #options: StatisticsOptions
  /** When the next daily line is due, milliseconds since the epoch. */
  #lineDue: number
  /** Lines of ended periods that are not in the file yet, because of a full disk for instance. */
  readonly #lines: string[] = []
  #saveTookMs = 0
  /** Files are written one after the other. */
  #writing: Promise<void> = Promise.resolve()

  constructor(observed: Observed, options: StatisticsOptions = {}) {
    this.#observed = observed
    this.#options = options
    this.#lineDue = nextMidnight(observed.core.now())
  }

  /**
   * Goes on with the counters that this or another SMP relay saved when it ended, before anything is counted.
   *
   * @throws AppError `STATISTICS_FILE`
   */
  async restore(): Promise<void> {
    const { daily } = this.#options
    if (daily === undefined) return
    const { snapshot } = daily
    const { log, stats } = this.#observed.core
    const text = await readText(snapshot)
    if (text === undefined) return
    log.note(`restoring server stats from file ${snapshot}`)
    const result = readSnapshot(text, stats)
    if ('fault' in result) {
      throw new AppError(
        'STATISTICS_FILE',
        `The counters in ${snapshot} cannot be read: line ${result.fault.line}: ${result.fault.what}.`,
        `Move it away to begin at zero: mv ${snapshot} ${snapshot}.damaged (queues and messages are elsewhere).`,
      )
    }
    if (result.unknown.length > 0) log.warn(`counters that are not known here are lost: ${result.unknown.join(', ')}`)
    await copyFile(snapshot, `${snapshot}.bak`)
    log.note('server stats restored')
  }

  /** Begins to write; what it returns is to be stopped before the last {@link save}. */
  begin(): { stop(): void }[] {
    const { daily, metrics } = this.#options
    const { log, now } = this.#observed.core
    const untilLine = (): number => Math.max(1, Math.min(this.#lineDue - now(), LOOK_EVERY_MS))
    const untilSave = (): number => Math.max(daily?.saveEveryMs ?? SAVE_EVERY_MS, this.#saveTookMs / SAVE_SHARE)
    return [
      ...(daily ? [every(untilLine, log, () => this.writeDueLine()), every(untilSave, log, () => this.#save())] : []),
      ...(metrics ? [every(metrics.everyMs, log, () => this.#writeMetrics(metrics.file))] : []),
    ]
  }

  /** Begins a new period if it is time to, and writes the line of the one that is over. */
  async writeDueLine(): Promise<void> {
    const { daily } = this.#options
    const { core } = this.#observed
    const now = core.now()
    if (daily === undefined) return
    if (now >= this.#lineDue) {
      const { stats } = core
      this.#lines.push(dailyLine(stats, core.store.counts(), now))
      stats.activeQueues.end(endedPeriods(now))
      beginPeriod(stats, now)
      this.#lineDue = nextMidnight(now)
    }
    if (this.#lines.length === 0) return
    await this.#write(async () => {
      const lines = [...this.#lines]
      if (lines.length > 0) await appendLine(daily.lines, lines.join('\n'), SUMS_MODE)
      this.#lines.splice(0, lines.length)
    })
    await this.#save()
  }

  /** Saves the counters, as at the end of the relay. */
  async save(): Promise<void> {
    const { daily } = this.#options
    if (daily === undefined) return
    const { log } = this.#observed.core
    log.note(`saving server stats to file ${daily.snapshot}`)
    await this.#save()
    log.note('server stats saved')
  }

  /** The metrics of this moment, in the text format of Prometheus. */
  async metrics(): Promise<string> {
    return exposition(await this.#facts())
  }

  async #writeMetrics(file: string): Promise<void> {
    const text = exposition(await this.#facts(), this.#observed.core.now())
    await this.#write(() => writeDurably(file, text, { mode: SUMS_MODE, ifExists: 'replace' }))
  }

  async #facts(): Promise<Facts> {
    const { stats, store } = this.#observed.core
    const counts = store.counts()
    const live = await readLive(this.#observed)
    return { stats, counts, live, version: this.#options.version ?? '' }
  }

  async #save(): Promise<void> {
    const { daily } = this.#options
    if (daily === undefined) return
    const { stats, store } = this.#observed.core
    const beganMs = performance.now()
    const text = snapshotText(stats, store.counts().queues)
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

async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'latin1')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw new AppError(
      'STATISTICS_FILE',
      `The counters in ${path} cannot be read: ${error instanceof Error ? error.message : String(error)}.`,
      'Give the file to the user that runs the relay (chown), or move it away to begin at zero.',
      { cause: error },
    )
  }
}
