import { existsSync, unwatchFile, watchFile } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from '../config/log.ts'
import type { Paths } from '../config/paths.ts'
import type { Settings } from '../config/settings.ts'
import { loadSettings } from './load-settings.ts'
import type { Turns } from '../store/work.ts'
import { onionElsewhere, onionFingerprint, type RunningOnion, superviseOnion } from './onion.ts'
import { onionSetup } from './onion-settings.ts'
import {
  connectOwnTor,
  isSetupUnfinished,
  journalFile,
  recordFile,
  type SupervisorState,
  SocksTor,
} from '../tor/index.ts'

/*
 * Everything about Tor that runs beside the relay. It follows [TOR] in the INI file, the record of the setup and the
 * onion key; `tor setup` asks it to look at once, and it notices other changes within seconds.
 */

export interface TorPartsOptions {
  readonly settings: Settings
  readonly paths: Paths
  readonly log: Logger
  /** Where relays share a database, one of them at a time has the onion service. */
  readonly takeTurns?: ((onTurn: (isMine: boolean) => void) => Turns) | undefined
}

const LOOK_EVERY_MS = 2000

const TAKES_OVER = 'this one takes it over when that one ends'

export class TorParts {
  readonly #paths: Paths
  readonly #log: Logger
  readonly #abort = new AbortController()
  /** What the relay runs with, always the present values. */
  readonly #running: Settings
  #settings: Settings
  #applied: string
  #onion: RunningOnion | undefined
  #socks: SocksTor | undefined
  readonly #takeTurns: TorPartsOptions['takeTurns']
  #turns: Turns | undefined
  /** The log has said so. */
  #keyIsMissed = false
  /** Changes are applied one after the other. */
  #work: Promise<void> = Promise.resolve()

  private constructor({ settings, paths, log, takeTurns }: TorPartsOptions) {
    this.#takeTurns = takeTurns
    this.#running = settings
    this.#settings = settings
    this.#paths = paths
    this.#log = log
    this.#applied = onionFingerprint(settings, paths)
  }

  /** @throws AppError for settings that cannot be applied */
  static begin(options: TorPartsOptions): TorParts {
    const parts = new TorParts(options)
    parts.#start()
    for (const path of parts.#watched) {
      watchFile(path, { interval: LOOK_EVERY_MS, persistent: false }, parts.#changed)
    }
    return parts
  }

  /** What is known of the onion service at this moment; `undefined` while there is none. */
  get onion(): SupervisorState | undefined {
    return this.#onion?.state
  }

  /** Looks at the INI file, the record and the key now. */
  async reload(): Promise<void> {
    this.#changed()
    await this.#work
  }

  async stop(): Promise<void> {
    for (const path of this.#watched) unwatchFile(path, this.#changed)
    this.#abort.abort()
    await this.#work
    await this.#end(true)
  }

  get #watched(): string[] {
    const { ini, onionKey } = this.#paths
    return [ini, onionKey, recordFile(onionKey), journalFile(onionKey)]
  }

  readonly #changed = (): void => {
    this.#work = this.#work.then(() => this.#reload())
  }

  async #reload(): Promise<void> {
    try {
      // Its end is another change.
      if (isSetupUnfinished(this.#paths.onionKey)) return
      const { settings } = await loadSettings(this.#paths)
      // The service leads to what the relay listens on.
      const { transport, tor } = this.#running
      const next = {
        ...settings,
        transport: { ...settings.transport, ports: transport.ports },
        tor: { ...settings.tor, circuitPort: tor.circuitPort },
      }
      const wanted = onionFingerprint(next, this.#paths)
      if (this.#isStopped()) return
      if (wanted === this.#applied) {
        await this.#onion?.follow()
        return
      }
      if (this.#isKeyAway(next)) {
        this.#warnOfKey()
        return
      }
      this.#keyIsMissed = false
      if (this.onion !== undefined || onionSetup(next, this.#paths).mode !== undefined)
        this.#log.note('Reloaded the settings of the onion service.')
      await this.#end()
      this.#settings = next
      this.#applied = wanted
      await this.#untilTorIsFree()
      if (!this.#isStopped()) this.#start()
    } catch (error) {
      this.#log.warn('Reload of [TOR] failed; keeping the previous settings.', { error })
    }
  }

  /** A service that is running does not end because its key file is away; what changed is applied when it is back. */
  #isKeyAway(next: Settings): boolean {
    const { mode, record } = onionSetup(next, this.#paths)
    const isKept = mode !== undefined && mode !== 'torrc' && record !== undefined
    return isKept && this.onion?.hostname !== undefined && !existsSync(this.#paths.onionKey)
  }

  #warnOfKey(): void {
    if (this.#keyIsMissed) return
    this.#keyIsMissed = true
    const { onionKey } = this.#paths
    this.#log.warn(`onion service: its key ${onionKey} is missing; the running service keeps its previous settings`, {
      remedy: 'Restore it: `smp-server tor key restore FILE`.',
    })
  }

  #isStopped(): boolean {
    return this.#abort.signal.aborted
  }

  /** Two processes must not run tor in one data directory. */
  async #untilTorIsFree(): Promise<void> {
    const { signal } = this.#abort
    if (onionSetup(this.#settings, this.#paths).mode !== 'own') return
    for (;;) {
      const other = await connectOwnTor(this.#paths.tor, signal).catch(() => undefined)
      other?.close()
      if (!other || signal.aborted) return
      await sleep(1000, undefined, { signal }).catch(() => undefined)
    }
  }

  #start(): void {
    const { mode } = onionSetup(this.#settings, this.#paths)
    if (isSetupUnfinished(this.#paths.onionKey)) {
      this.#log.warn('onion service: `smp-server tor setup` was interrupted', {
        remedy: 'Run it again to finish, or `smp-server tor remove` to undo it.',
      })
    }
    // A tor that the operator keeps cannot be told to wait.
    const hasTurns = this.#takeTurns !== undefined && mode !== undefined && mode !== 'torrc'
    this.#serve(!hasTurns)
    if (!hasTurns) return
    const turns = this.#takeTurns((isMine) => {
      this.#work = this.#work.then(() => (this.#turns === turns ? this.#turn(isMine) : undefined))
    })
    this.#turns = turns
  }

  /** Takes the onion service over, or leaves it to another relay. */
  async #turn(isMine: boolean): Promise<void> {
    const hadIt = this.#onion !== undefined && this.#onion.state.phase !== 'elsewhere'
    if (hadIt === isMine || this.#isStopped()) {
      if (!isMine) this.#log.note(`onion service: another relay on this database has it; ${TAKES_OVER}`)
      return
    }
    if (hadIt) {
      this.#log.warn(
        'onion service: PostgreSQL has not answered in time, so that another relay may have it; it ends here',
      )
    }
    await this.#endParts()
    try {
      this.#serve(isMine)
    } catch (error) {
      this.#log.error('onion service: it could not be started', { error })
    }
  }

  #serve(isMine: boolean): void {
    // A tor that is kept would go on beside that of the relay whose turn it is.
    const keepTor = this.#settings.tor.keepTor && this.#takeTurns === undefined
    const settings = { ...this.#settings, tor: { ...this.#settings.tor, keepTor } }
    const options = { settings, paths: this.#paths, log: this.#log }
    this.#onion = isMine ? superviseOnion(options) : onionElsewhere(options)
    const { tor } = this.#settings
    const { serviceType } = onionSetup(this.#settings, this.#paths)
    // An anonymous own tor has the SOCKS port itself.
    if (tor.socksPort === undefined || (isMine && serviceType === 'anonymous')) return
    const { torSocks: directory } = this.#paths
    this.#socks = new SocksTor({ directory, port: tor.socksPort, torrcExtra: tor.torrcExtra, log: this.#log })
    this.#socks.start()
  }

  async #end(isLast = false): Promise<void> {
    const turns = this.#turns
    this.#turns = undefined
    await this.#endParts(isLast)
    // Only now another relay may begin.
    await turns?.end()
  }

  async #endParts(isLast = false): Promise<void> {
    await Promise.all([this.#onion?.stop(isLast), this.#socks?.stop()])
    this.#onion = undefined
    this.#socks = undefined
  }
}
