import { type ChildProcess, spawn } from 'node:child_process'
import type { ServiceManager } from '../../src/system/service-manager.ts'

/** Plays systemd for a tor with these files, in whatever directory they are. */
export class PlayedUnit implements ServiceManager {
  readonly type = 'systemd'
  readonly calls: string[] = []
  binary = '/usr/bin/tor'
  readonly #args: readonly string[]
  #tor: ChildProcess | undefined

  constructor(torrc: string, defaults: string) {
    this.#args = ['--defaults-torrc', defaults, '-f', torrc, '--RunAsDaemon', '0']
  }

  /** Of the tor that runs. */
  get pid(): number | undefined {
    return this.#tor?.pid
  }

  isActive(): Promise<boolean> {
    return Promise.resolve(this.#tor !== undefined)
  }

  enable(unit: string): Promise<void> {
    this.calls.push(`enable ${unit}`)
    this.#start()
    return Promise.resolve()
  }

  async restart(unit: string): Promise<void> {
    this.calls.push(`restart ${unit}`)
    await this.stop()
    this.#start()
  }

  async disable(unit: string): Promise<void> {
    this.calls.push(`disable ${unit}`)
    await this.stop()
  }

  async stop(): Promise<void> {
    const tor = this.#tor
    this.#tor = undefined
    if (tor?.exitCode !== null) return
    const ended = new Promise((resolve) => tor.once('close', resolve))
    tor.kill('SIGKILL')
    await ended
  }

  #start(): void {
    this.#tor = spawn(this.binary, this.#args, { stdio: 'ignore' })
  }
}
