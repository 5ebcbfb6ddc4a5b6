import { type AdjustableLogger, createLogger, type Logger } from '../../config/log.ts'
import type { Paths } from '../../config/paths.ts'
import * as v from 'valibot'
import { AppError } from '../../errors/app-error.ts'
import { answerOf } from '../../server/process-answers.ts'
import type { ConfiguredRelay } from '../../server/relay.ts'
import type { ServingRelay } from '../../server/serve.ts'
import { takeGrowth } from '../../server/statistics/growth.ts'
import { ConnectionLimits, type RejectedConnections } from '../../transport/connection-limits.ts'
import { connectionLimits } from '../connection-limits.ts'
import { openSite } from '../site.ts'
import { packageVersion, programBuild } from '../version.ts'
import {
  type FromWorker,
  toWorker,
  type WorkerFailure,
  type WorkerReport,
  type WorkerSettings,
  type WorkerSetup,
} from './messages.ts'

const REPORT_EVERY_MS = 1000

/**
 * Serves clients in this process until the primary says that it is enough, or is gone. The primary counts, and does
 * everything else: statistics, metrics, the control port, the onion service.
 */
export async function runWorker(paths: Paths): Promise<void> {
  // From a terminal these reach every process; the primary decides.
  for (const signal of ['SIGINT', 'SIGHUP'] as const) process.on(signal, () => undefined)
  const worker = new Worker(paths)
  await worker.ended
}

class Worker {
  readonly ended: Promise<void>
  readonly #paths: Paths
  #end: () => void = () => undefined
  #relay: ConfiguredRelay | undefined
  #limits: ConnectionLimits | undefined
  #log: AdjustableLogger | undefined
  #reporter: Reporter | undefined
  #used: WorkerSettings | undefined
  /** What it had before the last settings. */
  #before: WorkerSettings | undefined
  #isStopping = false

  constructor(paths: Paths) {
    this.#paths = paths
    this.ended = new Promise((resolve) => {
      this.#end = resolve
    })
    process.on('SIGTERM', () => void this.#stop())
    process.on('message', (message) => {
      if (v.is(toWorker, message)) this.#receive(message)
    })
  }

  #receive(message: v.InferOutput<typeof toWorker>): void {
    switch (message.type) {
      case 'setup':
        void this.#start(message.setup)
        break
      case 'ask':
        void this.#answer(message.id, message.question)
        break
      case 'adapt':
        void this.#change(() => this.#adapt(message.use))
        break
      case 'revert':
        void this.#change(() => this.#revert())
        break
      case 'stop':
        void this.#stop()
    }
  }

  async #start(setup: WorkerSetup): Promise<void> {
    const { settings, number, level } = setup
    const log = createLogger({ level, name: `worker ${number}` })
    process.on('uncaughtException', (error) => {
      log.error('The worker failed and stops', { error })
      process.exitCode = 1
      void this.#stop()
    })
    try {
      requireSameProgram(setup.program)
      const limits = new ConnectionLimits(connectionLimits(settings, log))
      this.#limits = limits
      this.#used = setup
      this.#log = log
      const relay = await serve(setup, this.#paths, log, limits)
      this.#relay = relay
      this.#reporter = new Reporter(relay, limits)
      await send({ type: 'ready', report: this.#reporter.report() })
      this.#reporter.begin()
      if (this.#isStopping) await this.#finish()
    } catch (error) {
      await send({ type: 'failed', failure: failureOf(error) })
      process.exitCode = 1
      this.#leave()
    }
  }

  async #answer(id: number, question: Parameters<typeof answerOf>[1]): Promise<void> {
    const relay = this.#relay
    if (relay === undefined) return
    await send({ type: 'answer', id, answer: await answerOf(relay, question) })
  }

  async #change(change: () => Promise<void>): Promise<void> {
    try {
      await change()
      await send({ type: 'adapted' })
    } catch (error) {
      await send({ type: 'adapted', failure: failureOf(error) })
    }
  }

  async #adapt(next: WorkerSettings): Promise<void> {
    const log = this.#log
    if (log === undefined) return
    const { settings, hasSite } = next
    const site = hasSite ? await openSite({ settings, paths: this.#paths, log }) : undefined
    await this.#relay?.adapt(settings, site)
    this.#before = this.#used
    this.#use(next)
  }

  async #revert(): Promise<void> {
    const before = this.#before
    this.#before = undefined
    await this.#relay?.revert()
    if (before !== undefined) this.#use(before)
  }

  #use(next: WorkerSettings): void {
    const log = this.#log
    if (log === undefined) return
    log.setLevel(next.level)
    this.#limits?.change(connectionLimits(next.settings, log))
    this.#used = next
  }

  async #stop(): Promise<void> {
    if (this.#isStopping) return
    this.#isStopping = true
    if (this.#relay !== undefined) await this.#finish()
  }

  async #finish(): Promise<void> {
    this.#reporter?.stop()
    await this.#relay?.stop()
    if (this.#reporter) await send({ type: 'report', report: this.#reporter.report() })
    this.#leave()
  }

  #leave(): void {
    this.#end()
    if (process.connected) process.disconnect()
  }
}

function requireSameProgram(program: string): void {
  if (program === programBuild()) return
  throw new AppError(
    'WORKER_START',
    `The program on the disk is ${programBuild()}, and the relay runs ${program}.`,
    'Restart the relay: `systemctl restart smp-server`.',
  )
}

async function serve(
  { settings, hasSite }: WorkerSetup,
  paths: Paths,
  log: Logger,
  limits: ConnectionLimits,
): Promise<ConfiguredRelay> {
  const { startRelay } = await import('../../server/relay.ts')
  const site = hasSite ? await openSite({ settings, paths, log }) : undefined
  return await startRelay({ settings, paths, log, version: packageVersion(), site, connectionLimits: limits })
}

/** Tells the primary once a second what has happened. */
class Reporter {
  readonly #relay: ServingRelay
  readonly #limits: ConnectionLimits
  #wrongPasswords = 0
  #rejected: RejectedConnections = { total: 0, perAddress: 0, perCircuit: 0 }
  #cpu = 0
  #timer: NodeJS.Timeout | undefined

  constructor(relay: ServingRelay, limits: ConnectionLimits) {
    this.#relay = relay
    this.#limits = limits
  }

  begin(): void {
    this.#timer = setInterval(() => void send({ type: 'report', report: this.report() }), REPORT_EVERY_MS)
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  report(): WorkerReport {
    const { stats, core } = this.#relay
    const { wrong } = core.creationPassword
    const rejected = { ...this.#limits.rejected }
    const { user, system } = process.cpuUsage()
    const report = {
      growth: takeGrowth(stats),
      wrongPasswords: wrong - this.#wrongPasswords,
      rejected: {
        total: rejected.total - this.#rejected.total,
        perAddress: rejected.perAddress - this.#rejected.perAddress,
        perCircuit: rejected.perCircuit - this.#rejected.perCircuit,
      },
      cpu: user + system - this.#cpu,
      memory: process.memoryUsage.rss(),
      connections: this.#relay.connections(),
      ports: this.#relay.ports(),
    }
    this.#wrongPasswords = wrong
    this.#rejected = rejected
    this.#cpu = user + system
    return report
  }
}

/** Resolves when it is on its way; a primary that is gone is no fault. */
function send(message: FromWorker): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined || !process.connected) resolve()
    else process.send(message, undefined, {}, () => resolve())
  })
}

function failureOf(error: unknown): WorkerFailure {
  if (error instanceof AppError) {
    const { code, message, remedy } = error
    return { code, message, ...(remedy !== undefined && { remedy }) }
  }
  return { message: error instanceof Error ? error.message : String(error) }
}
