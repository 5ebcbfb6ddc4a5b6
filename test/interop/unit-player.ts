import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { runCommand } from '../../src/system/command.ts'
import type { ServiceManager } from '../../src/system/service-manager.ts'
import { torPlace } from '../../src/tor/process/tor-place.ts'

/** Stands in for systemd for one tor instance: does what tor@.service says. */
export class UnitPlayer implements ServiceManager {
  readonly type = 'systemd'
  readonly calls: string[] = []
  readonly #instance: string
  #tor: ChildProcess | undefined

  constructor(instance: string) {
    this.#instance = instance
  }

  isActive(): Promise<boolean> {
    return Promise.resolve(this.#tor !== undefined)
  }

  async enable(unit: string): Promise<void> {
    this.calls.push(`enable ${unit}`)
    await this.#start()
  }

  async restart(unit: string): Promise<void> {
    this.calls.push(`restart ${unit}`)
    await this.stop()
    await this.#start()
  }

  async disable(unit: string): Promise<void> {
    this.calls.push(`disable ${unit}`)
    await this.stop()
  }

  async stop(signal: NodeJS.Signals = 'SIGINT'): Promise<void> {
    const tor = this.#tor
    if (!tor) return
    const ended = new Promise((resolve) => tor.once('close', resolve))
    tor.kill(signal)
    await ended
    this.#tor = undefined
  }

  async #start(): Promise<void> {
    const { user, torrc, defaults } = torPlace(this.#instance)
    const directory = `/run/tor-instances/${this.#instance}`
    await runCommand('install', ['-d', '/run/tor-instances'])
    await runCommand('install', ['-m', '02755', '-o', user, '-g', user, '-d', directory])
    const template = await readFile(defaults, 'utf8')
    await writeFile(`${directory}/defaults`, template.replaceAll('@@NAME@@', this.#instance))
    this.#tor = spawn('/usr/bin/tor', ['--defaults-torrc', `${directory}/defaults`, '-f', torrc], { stdio: 'ignore' })
  }
}
