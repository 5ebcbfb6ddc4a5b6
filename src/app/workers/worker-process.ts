import type { Worker as Process } from 'node:cluster'
import * as v from 'valibot'
import { AppError } from '../../errors/app-error.ts'
import type { ProcessAnswers, Question } from '../../server/process-answers.ts'
import {
  answerTo,
  fromWorker,
  type FromWorker,
  type ToWorker,
  type WorkerFailure,
  type WorkerSettings,
  type WorkerReport,
  type WorkerSetup,
} from './messages.ts'

interface WorkerProcessOptions {
  readonly setup: WorkerSetup
  readonly onReport: (report: WorkerReport) => void
}

/** Whether a worker began to serve. */
type Ready = { readonly ok: true } | { readonly ok: false; readonly message: string; readonly remedy?: string }

/** How long a worker that is busy is waited for. */
const ANSWER_LIMIT_MS = 5000

/** One worker, as the primary sees it. */
export class WorkerProcess {
  readonly ready: Promise<Ready>
  /** How it ended: `was killed (SIGKILL)`, say. */
  readonly ended: Promise<string>
  /** The last one. */
  report: WorkerReport | undefined
  /** When it said something last, as `performance.now()`. */
  heardAt = performance.now()
  readonly #process: Process
  readonly #options: WorkerProcessOptions
  readonly #waiting = new Map<number, (answer: unknown) => void>()
  #asked = 0
  #isReady: (ready: Ready) => void = () => undefined
  #adapted: (failure: WorkerFailure | undefined) => void = () => undefined

  constructor(process: Process, options: WorkerProcessOptions) {
    this.#process = process
    this.#options = options
    this.ready = new Promise((resolve) => {
      this.#isReady = resolve
    })
    process.on('message', (message: unknown) => {
      if (v.is(fromWorker, message)) this.#receive(message)
    })
    // It may be gone already when something is sent to it.
    process.on('error', () => undefined)
    // Its last messages arrive before its disconnection.
    const gone = new Promise<void>((resolve) => process.once('disconnect', resolve))
    const exited = new Promise<string>((resolve) =>
      process.once('exit', (code, signal) => resolve(endText(code, signal))),
    )
    this.ended = Promise.all([exited, gone]).then(([how]) => {
      this.#isReady({ ok: false, message: `it ${how}` })
      for (const answer of this.#waiting.values()) answer(undefined)
      return how
    })
    this.#send({ type: 'setup', setup: options.setup })
  }

  /** Undefined when it ends, or does not answer in time. */
  async ask<Q extends Question>(question: Q): Promise<ProcessAnswers[Q] | undefined> {
    const id = ++this.#asked
    const answer = await new Promise<unknown>((resolve) => {
      const timer = setTimeout(() => resolve(undefined), ANSWER_LIMIT_MS)
      this.#waiting.set(id, (found) => {
        clearTimeout(timer)
        resolve(found)
      })
      this.#send({ type: 'ask', id, question })
    })
    this.#waiting.delete(id)
    return answer === undefined ? undefined : answerTo(question, answer)
  }

  /** Has it take over settings. @throws AppError when it could not */
  async adapt(use: WorkerSettings): Promise<void> {
    await this.#change({ type: 'adapt', use })
  }

  /** Has it go back to what it had before the last settings that it took over. @throws AppError when it could not */
  async revert(): Promise<void> {
    await this.#change({ type: 'revert' })
  }

  async #change(message: ToWorker): Promise<void> {
    const failure = await new Promise<WorkerFailure | undefined>((resolve) => {
      this.#adapted = resolve
      this.#send(message)
      // One that ends is started again with the present settings.
      void this.ended.then(() => resolve(undefined))
    })
    if (failure) throw new AppError('WORKER_RELOAD', failure.message, failure.remedy)
  }

  /** Resolves when it has ended. */
  async stop(): Promise<void> {
    this.#send({ type: 'stop' })
    await this.ended
  }

  kill(): void {
    this.#process.process.kill('SIGKILL')
  }

  #send(message: ToWorker): void {
    if (this.#process.isConnected()) this.#process.send(message, undefined, () => undefined)
  }

  #receive(message: FromWorker): void {
    this.heardAt = performance.now()
    switch (message.type) {
      case 'ready':
      case 'report':
        this.report = message.report
        this.#options.onReport(message.report)
        if (message.type === 'ready') this.#isReady({ ok: true })
        break
      case 'failed':
        this.#isReady({ ok: false, ...message.failure })
        break
      case 'answer':
        this.#waiting.get(message.id)?.(message.answer)
        break
      case 'adapted':
        this.#adapted(message.failure)
    }
  }
}

function endText(code: number | null, signal: string | null): string {
  return signal === null ? `ended with status ${code ?? 0}` : `was killed (${signal})`
}
