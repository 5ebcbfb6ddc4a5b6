import { setTimeout as sleep } from 'node:timers/promises'
import { AppError } from '../../errors/app-error.ts'
import type { Logger } from '../../config/log.ts'
import { OwnTor } from './own-tor.ts'
import { clientExtra, readTorrcExtra } from './torrc-extra.ts'

export interface SocksTorOptions {
  /** tor's data directory. */
  readonly directory: string
  /** On 127.0.0.1. */
  readonly port: number
  readonly torrcExtra?: string | undefined
  readonly binary?: string | undefined
  readonly log: Logger
}

const firstPauseMs = 500
const longestPauseMs = 60_000

/** An ordinary tor for connections to other relays, restarted for as long as the relay runs. */
export class SocksTor {
  readonly #options: SocksTorOptions
  readonly #abort = new AbortController()
  #running: Promise<void> | undefined

  constructor(options: SocksTorOptions) {
    this.#options = options
  }

  /** Starts, and returns at once; never throws, never rejects. */
  start(): void {
    this.#running ??= this.#run(this.#abort.signal)
  }

  async stop(): Promise<void> {
    this.#abort.abort()
    await this.#running
  }

  async #run(signal: AbortSignal): Promise<void> {
    let pause = firstPauseMs
    let logged = ''
    while (!this.#isStopped()) {
      const beganAt = performance.now()
      const why = await this.#once(signal)
      if (this.#isStopped()) return
      if (performance.now() - beganAt > longestPauseMs) pause = firstPauseMs
      if (why !== logged) this.#options.log.warn(`SOCKS tor: ${why}`)
      logged = why
      await sleep(pause, undefined, { signal }).catch(() => undefined)
      pause = Math.min(pause * 2, longestPauseMs)
    }
  }

  #isStopped(): boolean {
    return this.#abort.signal.aborted
  }

  /** One tor, from its start to its end; returns why it ended. */
  async #once(signal: AbortSignal): Promise<string> {
    const { directory, port, torrcExtra, binary, log } = this.#options
    try {
      const extra = torrcExtra === undefined ? undefined : clientExtra(await readTorrcExtra(torrcExtra))
      const tor = await OwnTor.start({ directory, binary, extra, template: 'socks', socksPort: port, log, signal })
      try {
        const stopped = new Promise<string>((resolve) => {
          if (signal.aborted) resolve('')
          signal.addEventListener('abort', () => resolve(''), { once: true })
        })
        await tor.enableNetwork()
        log.info(`SOCKS tor: listening on 127.0.0.1:${port}`)
        return `tor exited: ${await Promise.race([tor.exited, stopped])}.`
      } finally {
        await tor.stop()
      }
    } catch (error) {
      return error instanceof AppError ? [error.message, error.remedy].join(' ') : String(error)
    }
  }
}
