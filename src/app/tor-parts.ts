import { unwatchFile, watchFile } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from '../config/log.ts'
import type { Paths } from '../config/paths.ts'
import type { Settings } from '../config/settings.ts'
import { loadSettings } from './load-settings.ts'
import { keepOnion, onionShape, type RunningOnion, torForm } from './onion.ts'
import { connectOwnTor, type SupervisorState, SocksTor } from '../tor/index.ts'

/*
 * Everything about Tor that runs beside the relay. It follows [TOR] in the INI file: `tor setup` only writes that file,
 * and the relay finds it out by itself. A signal would need a file with a process id, which whoever may write it could
 * use to have root send signals elsewhere, and SIGHUP has to end a relay whose terminal is closed.
 */

export interface TorPartsOptions {
  readonly settings: Settings
  readonly paths: Paths
  readonly log: Logger
}

const lookEveryMs = 2000

export class TorParts {
  readonly #paths: Paths
  readonly #log: Logger
  readonly #abort = new AbortController()
  #settings: Settings
  #onion: RunningOnion | undefined
  #socks: SocksTor | undefined
  /** Changes are taken one after the other. */
  #work: Promise<void> = Promise.resolve()

  private constructor({ settings, paths, log }: TorPartsOptions) {
    this.#settings = settings
    this.#paths = paths
    this.#log = log
  }

  /** @throws AppError as of `keepOnion`, for settings that cannot be followed */
  static begin(options: TorPartsOptions): TorParts {
    const parts = new TorParts(options)
    parts.#start()
    watchFile(options.paths.ini, { interval: lookEveryMs, persistent: false }, parts.#changed)
    return parts
  }

  /** What is known of the onion service at this moment; `undefined` while the INI file has none. */
  get onion(): SupervisorState | undefined {
    return this.#onion?.state
  }

  async stop(): Promise<void> {
    unwatchFile(this.#paths.ini, this.#changed)
    this.#abort.abort()
    await this.#work
    await this.#end()
  }

  readonly #changed = (): void => {
    this.#work = this.#work.then(() => this.#follow())
  }

  async #follow(): Promise<void> {
    try {
      const { settings } = await loadSettings(this.#paths)
      // What the relay listens on stays as it was at its start.
      const { ports } = this.#settings.transport
      const next = { ...settings, transport: { ...settings.transport, ports } }
      if (this.#isStopped() || this.#shape(next) === this.#shape(this.#settings)) return
      this.#log.note('[TOR] in the INI file has changed, and is followed')
      await this.#end()
      this.#settings = next
      await this.#untilTorIsFree()
      if (!this.#isStopped()) this.#start()
    } catch (error) {
      this.#log.warn('the changed INI file cannot be followed', { error })
    }
  }

  #isStopped(): boolean {
    return this.#abort.signal.aborted
  }

  /** While a setup runs the tor of the own form, it is not ours to start. */
  async #untilTorIsFree(): Promise<void> {
    const { signal } = this.#abort
    if (torForm(this.#settings, this.#paths)?.mode !== 'own') return
    for (;;) {
      const other = await connectOwnTor(this.#paths.tor).catch(() => undefined)
      other?.close()
      if (!other || signal.aborted) return
      await sleep(1000, undefined, { signal }).catch(() => undefined)
    }
  }

  /** What the parts are made of, to see whether it has changed. */
  #shape(settings: Settings): string {
    return JSON.stringify([onionShape(settings, this.#paths), settings.tor.socksPort])
  }

  #start(): void {
    const { tor } = this.#settings
    this.#onion = keepOnion({ settings: this.#settings, paths: this.#paths, log: this.#log })
    // An anonymous own tor has the SOCKS port itself.
    if (tor.socksPort === undefined || !tor.singleHop) return
    const { torSocks: directory } = this.#paths
    this.#socks = new SocksTor({ directory, port: tor.socksPort, torrcExtra: tor.torrcExtra, log: this.#log })
    this.#socks.start()
  }

  async #end(): Promise<void> {
    await Promise.all([this.#onion?.stop(), this.#socks?.stop()])
    this.#onion = undefined
    this.#socks = undefined
  }
}
