import cluster, { type Worker as Process } from 'node:cluster'
import type { LogLevel, Logger } from '../../config/log.ts'
import type { Settings } from '../../config/settings.ts'
import { AppError } from '../../errors/app-error.ts'
import type { Ask } from '../../server/process-answers.ts'
import type { ServingWorkers } from '../../server/serve-options.ts'
import { addGrowth } from '../../server/statistics/growth.ts'
import type { Stats } from '../../server/statistics/counters.ts'
import { programBuild } from '../version.ts'
import type { WorkerReport, WorkerSettings, WorkerSetup } from './messages.ts'
import { WorkerProcess } from './worker-process.ts'

export interface WorkersOptions {
  /** With the ports that can be opened. */
  readonly settings: Settings
  readonly level: LogLevel
  /** The pages of the site have been written. */
  readonly hasSite: boolean
  readonly log: Logger
}

/** Milliseconds before a worker that ended is started again: the first time, and at most. */
const FIRST_DELAY_MS = 500
const MAX_DELAY_MS = 30_000
/** One that served for so long is no worker that ends again and again. */
const STEADY_MS = 60_000
/** For an orderly end; one that takes longer is killed. Nothing that got OK is lost by that. */
const STOP_LIMIT_MS = 30_000
/** A worker reports every second; one that says nothing for so long hangs. */
const SILENCE_LIMIT_MS = 120_000
const LOOK_EVERY_MS = 10_000

/**
 * The processes that serve the clients of this relay. They share the ports: the kernel gives each connection to one of
 * them. One that ends is started again, and its clients connect to the others meanwhile.
 */
export class Workers implements ServingWorkers {
  readonly wanted: number
  readonly rejected = { total: 0, perAddress: 0, perCircuit: 0 }
  wrongPasswords = 0
  /** Microseconds of processor time since the start. */
  cpu = 0
  /** How often one was started again. */
  restarts = 0
  #options: WorkersOptions
  readonly #program = programBuild()
  /** By number; only those that serve. */
  readonly #serving = new Map<number, WorkerProcess>()
  readonly #delays = new Map<number, number>()
  readonly #timers = new Set<NodeJS.Timeout>()
  readonly #all = new Set<WorkerProcess>()
  #stats: Stats | undefined
  #isStopping = false

  constructor(options: WorkersOptions) {
    this.#options = options
    this.wanted = options.settings.cluster.workers
  }

  /**
   * Starts them; resolves when all of them serve.
   *
   * @param stats what they count is added to
   * @throws AppError `WORKER_START` with what one of them says; none is left then
   */
  async start(stats: Stats): Promise<void> {
    this.#stats = stats
    // Not round robin: this process would have to pass on every connection.
    cluster.schedulingPolicy = cluster.SCHED_NONE
    cluster.setupPrimary({ args: ['start'], serialization: 'advanced' })
    const looking = setInterval(() => this.#endSilent(), LOOK_EVERY_MS).unref()
    this.#timers.add(looking)
    try {
      await Promise.all(Array.from({ length: this.wanted }, (_, index) => this.#begin(index + 1)))
    } catch (error) {
      await this.stop()
      throw error
    }
  }

  get running(): number {
    return this.#serving.size
  }

  get ports(): readonly number[] {
    return [...new Set(this.#reports().flatMap(({ ports }) => ports))]
  }

  get connections(): number {
    return this.#reports().reduce((sum, { connections }) => sum + connections, 0)
  }

  /** Bytes. */
  get memory(): number {
    return this.#reports().reduce((sum, { memory }) => sum + memory, 0)
  }

  readonly ask: Ask = async (question) => {
    const answers = await Promise.all([...this.#serving.values()].map((worker) => worker.ask(question)))
    return answers.filter((answer) => answer !== undefined)
  }

  /** Has them log at this level from the next {@link adapt} on. */
  setLevel(level: LogLevel): void {
    this.#options = { ...this.#options, level }
  }

  /**
   * Has all of them take over settings, one after the other.
   *
   * @throws AppError `WORKER_RELOAD` when one could not; all have the previous ones then
   */
  async adapt(settings: Settings, hasSite: boolean): Promise<void> {
    const before = this.#options
    this.#options = { ...before, settings, hasSite }
    const adapted: WorkerProcess[] = []
    try {
      for (const worker of this.#all) {
        await worker.adapt(this.#use)
        adapted.push(worker)
      }
    } catch (error) {
      this.#options = before
      // One that cannot go back ends, and is started again with them.
      for (const worker of adapted) await worker.revert().catch(() => worker.kill())
      throw error
    }
  }

  /** Resolves when all of them have ended, and what they counted is added. */
  async stop(): Promise<void> {
    this.#isStopping = true
    for (const timer of this.#timers) clearTimeout(timer)
    const killing = setTimeout(() => {
      this.#options.log.warn(`A worker takes longer than ${STOP_LIMIT_MS / 1000} seconds to stop, and is killed`)
      for (const worker of this.#all) worker.kill()
    }, STOP_LIMIT_MS)
    await Promise.all([...this.#all].map((worker) => worker.stop()))
    clearTimeout(killing)
  }

  #reports(): WorkerReport[] {
    return [...this.#serving.values()].flatMap(({ report }) => report ?? [])
  }

  /** @throws AppError */
  async #begin(number: number): Promise<void> {
    const process: Process = cluster.fork()
    const worker = new WorkerProcess(process, {
      setup: this.#setup(number),
      onReport: (report) => this.#count(report),
    })
    this.#all.add(worker)
    const startedAt = performance.now()
    const ready = await worker.ready
    void worker.ended.then((how) => this.#ended(number, worker, how, performance.now() - startedAt))
    if (ready.ok) {
      this.#serving.set(number, worker)
      return
    }
    this.#all.delete(worker)
    throw new AppError('WORKER_START', `Worker ${number} could not start: ${ready.message}`, ready.remedy)
  }

  #ended(number: number, worker: WorkerProcess, how: string, livedMs: number): void {
    this.#all.delete(worker)
    if (this.#serving.get(number) !== worker) return
    this.#serving.delete(number)
    if (this.#isStopping) return
    if (livedMs >= STEADY_MS) this.#delays.delete(number)
    this.#again(number, `Worker ${number} ${how}`)
  }

  #again(number: number, sentence: string): void {
    const delay = this.#delays.get(number) ?? FIRST_DELAY_MS
    this.#delays.set(number, Math.min(delay * 2, MAX_DELAY_MS))
    this.#options.log.warn(`${sentence.replace(/\.?$/, '')}; it is started again in ${delay / 1000} s`)
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      this.restarts++
      this.#begin(number).then(
        () => this.#options.log.note(`Worker ${number} serves again`),
        (error: unknown) => {
          if (this.#isStopping) return
          const remedy = error instanceof AppError ? ` ${error.remedy ?? ''}` : ''
          this.#again(number, `${error instanceof Error ? error.message : String(error)}${remedy}`.trim())
        },
      )
    }, delay)
    this.#timers.add(timer)
  }

  #endSilent(): void {
    for (const [number, worker] of this.#serving) {
      if (performance.now() - worker.heardAt < SILENCE_LIMIT_MS) continue
      this.#options.log.error(`Worker ${number} has not answered for ${SILENCE_LIMIT_MS / 1000} seconds, and is killed`)
      worker.kill()
    }
  }

  #count({ growth, wrongPasswords, rejected, cpu }: WorkerReport): void {
    if (this.#stats) addGrowth(this.#stats, growth)
    this.wrongPasswords += wrongPasswords
    this.rejected.total += rejected.total
    this.rejected.perAddress += rejected.perAddress
    this.rejected.perCircuit += rejected.perCircuit
    this.cpu += cpu
  }

  get #use(): WorkerSettings {
    const { level, hasSite, settings } = this.#options
    return { level, hasSite, settings: workerSettings(settings, this.wanted) }
  }

  #setup(number: number): WorkerSetup {
    return { number, program: this.#program, ...this.#use }
  }
}

/** Without what the primary does, and with a share of the limits. */
function workerSettings(settings: Settings, workers: number): Settings {
  const { store, transport, tor } = settings
  const share = (limit: number): number => Math.ceil(limit / workers)
  return {
    ...settings,
    store: { ...store, logStats: false, prometheusInterval: undefined },
    transport: {
      ...transport,
      controlPort: undefined,
      maxConnections: transport.maxConnections && share(transport.maxConnections),
      maxConnectionsPerAddress: share(transport.maxConnectionsPerAddress),
    },
    tor: { ...tor, maxConnectionsPerCircuit: share(tor.maxConnectionsPerCircuit) },
  }
}
