import { setTimeout as sleep } from 'node:timers/promises'
import { AppError } from '../../errors/app-error.ts'
import type { Logger } from '../../config/log.ts'
import { systemError } from '../../errors/system-error.ts'
import type { OnionPort } from '../control/onion.ts'
import { type SupervisorState, PresentState } from './state.ts'
import { NetworkNotice } from './network-notice.ts'
import type { OnionKey } from '../../crypto/onion-key.ts'
import { readOnionKey } from '../onion/key.ts'
import type { OnionServiceConfig } from '../onion/service-config.ts'
import type { CheckResult } from '../check/check.ts'
import { callsForRenewal } from '../check/schedule.ts'
import { type CheckPlan, CheckWatch } from './check-watch.ts'
import type { FetchResult } from '../onion/publication.ts'
import type { DashboardOnionConfig } from './dashboard-onion.ts'
import { ServedOnion } from './served-onion.ts'
import type { TorConfig, TorSession } from '../process/session.ts'
import { openTorSession } from '../process/session.ts'

/*
 * Keeps the onion service alive beside the running relay: brings it into a tor, and begins again whenever tor ends,
 * hangs or has lost it. Whatever happens to tor, the relay goes on.
 *
 *              start()             tor answers, has the key           bootstrapped          a directory has the descriptor
 *   stopped ───────────► starting ──────────────────────► bootstrapping ─────────► publishing ─────────► published
 *      ▲                  ▲    │                                │                   │    ▲                    │
 *      │                  │    │ no tor or no key               │ tor ends or hangs │    └─ it is gone there ─┤
 *      │            pause │    ▼                                ▼                   ▼                         │
 *      │                 waiting ◄──────────────────────────────┴───────────────────┴─────────────────────────┘
 *      │
 *      └─ stop(), from every state
 *
 * The pause is none after a publication; otherwise 0.5 s, doubled up to 60 s with an own tor and 5 s with one of the system.
 */

export interface SupervisorOptions {
  readonly tor: TorConfig
  /** `onion.key` in the configuration directory. */
  readonly keyFile: string
  /** Remembers with which ports the service was added last: a tor that outlives the relay cannot tell. */
  readonly portsFile: string
  readonly ports: readonly OnionPort[]
  /** A plain single-hop service when absent. */
  readonly config?: OnionServiceConfig | undefined
  /** With a dashboard. */
  readonly dashboard?: DashboardOnionConfig | undefined
  /** The onion name of the INI file. Without its key no other one is made instead. */
  readonly expectedHostname?: string | undefined
  /** Between two questions whether the network has the descriptor. */
  readonly checkIntervalMs?: number
  /** Between two questions whose descriptor the directories hold. */
  readonly evidenceIntervalMs?: number
  readonly check?: CheckPlan
  /** How long tor may be without its network before the log says so. */
  readonly waitingGraceMs?: number
  /** Between two questions whether tor is alive. */
  readonly heartbeatMs?: number
  readonly log: Logger
  readonly onState?: (state: SupervisorState) => void
}

const defaultCheckIntervalMs = 300_000
/** What another tor with the same key does is to be seen within a minute. */
const defaultEvidenceIntervalMs = 40_000
const defaultHeartbeatMs = 15_000
const defaultGraceMs = 10_000
const firstBackoffMs = 250
/** Starting a tor costs a process; a question whether the system's runs costs nothing. */
const maxBackoffMs = { own: 60_000, system: 5000, external: 5000 }

export class OnionSupervisor {
  readonly #options: SupervisorOptions
  readonly #state: PresentState
  readonly #notice: NetworkNotice
  readonly #checks: CheckWatch | undefined
  #abort = new AbortController()
  #running: Promise<void> | undefined
  #isLast = false
  #served: ServedOnion | undefined

  constructor(options: SupervisorOptions) {
    const { check, log, onState } = options
    this.#options = options
    this.#state = new PresentState(onState)
    this.#notice = new NetworkNotice(log)
    this.#checks = check && new CheckWatch(check, this.#state, log, (result) => this.#takeCheck(result))
  }

  get state(): SupervisorState {
    return this.#state.value
  }

  /** Begins, and returns at once; never throws, never rejects. */
  start(): void {
    if (this.#running) return
    this.#abort = new AbortController()
    this.#running = this.#run(this.#abort.signal)
  }

  /**
   * Ends, and ends the own tor; the service of a system's tor stays there.
   *
   * @param isLast the relay ends too: a tor that is to be kept goes on
   */
  async stop(isLast = false): Promise<void> {
    this.#isLast = isLast
    this.#abort.abort()
    await this.#running
    this.#running = undefined
  }

  /** Asks the network now whether the descriptor is there; `undefined` while there is no tor to ask. */
  async check(): Promise<FetchResult | undefined> {
    return await this.#served?.check()
  }

  /** Looks at the key files now; a tor that cannot take a change is lost, which shows by itself. */
  async follow(): Promise<void> {
    await this.#served
      ?.follow()
      .catch((error: unknown) => this.#options.log.debug('onion service: the keys were not followed', { error }))
  }

  async #run(signal: AbortSignal): Promise<void> {
    let failures = 0
    while (!signal.aborted) {
      this.#state.set({ phase: 'starting' })
      const fault = await this.#keep(signal)
      failures = this.state.publishedAt ? 0 : failures + 1
      if (fault !== undefined) this.#fail(fault, signal)
      this.#state.forgetTor()
      // Who had its service in the network gets the next tor at once.
      const pause = failures === 0 ? 0 : Math.min(firstBackoffMs * 2 ** failures, maxBackoffMs[this.#options.tor.mode])
      await sleep(pause, undefined, { signal }).catch(() => undefined)
    }
    this.#state.set({ phase: 'stopped' })
  }

  /** One tor, from its start to its end; returns why it ended. */
  async #keep(signal: AbortSignal): Promise<unknown> {
    const { tor: config, log } = this.#options
    let tor: TorSession | undefined
    const over = new AbortController()
    let serving: Promise<unknown> = Promise.resolve()
    try {
      const key = await this.#key()
      tor = await openTorSession(config, log, signal)
      const stopped = new Promise((resolve) =>
        signal.addEventListener('abort', resolve, { once: true, signal: over.signal }),
      )
      if (signal.aborted) return undefined
      this.#served = this.#servedBy(tor, key)
      serving = this.#served.serve(over.signal).catch((error: unknown) => error)
      return await Promise.race([serving, tor.ended, stopped.then(() => undefined)])
    } catch (error) {
      return error
    } finally {
      over.abort()
      const checkEnded = this.#checks?.lost()
      await (this.#isLast && signal.aborted ? tor?.leave() : tor?.end())
      await serving
      this.#served = undefined
      await checkEnded
    }
  }

  #servedBy(tor: TorSession, key: OnionKey): ServedOnion {
    const {
      keyFile,
      portsFile,
      ports,
      config,
      dashboard,
      log,
      checkIntervalMs = defaultCheckIntervalMs,
    } = this.#options
    const { heartbeatMs = defaultHeartbeatMs, waitingGraceMs = defaultGraceMs } = this.#options
    const { evidenceIntervalMs = defaultEvidenceIntervalMs } = this.#options
    return new ServedOnion(tor, {
      kept: { key, keyFile, portsFile, ports, config },
      dashboard,
      state: this.#state,
      checks: this.#checks,
      notice: this.#notice,
      log,
      checkIntervalMs,
      evidenceIntervalMs,
      heartbeatMs: Math.min(heartbeatMs, checkIntervalMs),
      waitingGraceMs,
    })
  }

  async #key(): Promise<OnionKey> {
    const { keyFile, expectedHostname, log } = this.#options
    const key = await readOnionKey(keyFile)
    // A name that was there once is not replaced by a new one, whatever becomes of its key.
    const expected = this.state.hostname ?? expectedHostname
    if (!key) throw keyLost(keyFile, expected)
    if (expected !== undefined && expected !== key.hostname) {
      log.warn(`onion service: [TRANSPORT] host does not name ${key.hostname}, which ${keyFile} is the key of`)
    }
    return key
  }

  #takeCheck({ fault }: CheckResult): void {
    const { log } = this.#options
    const served = this.#served
    if (!fault) served?.confirm()
    if (!served || !fault || !callsForRenewal(fault)) return
    log.info('onion service: publishing it again')
    // A tor that cannot take it is lost, which shows by itself.
    served.renew().catch((error: unknown) => log.debug('onion service: not published again', { error }))
  }

  #fail(error: unknown, stopped: AbortSignal): void {
    // A start that is stopped ends with an error, too.
    if (stopped.aborted) return
    const known = error instanceof AppError ? error : systemError(error)
    const fault = known ?? new AppError('TOR_FAULT', String(error))
    const { code, message, remedy } = fault
    const { lastError: last, publishedAt, torVersion, restarts } = this.state
    // The same fault at every attempt is said once.
    const level = last?.message === message && !publishedAt ? 'debug' : 'warn'
    const isWaiting = torVersion === undefined && code.startsWith('TOR_')
    const what = isWaiting ? 'waiting for tor: ' : ''
    this.#options.log[level](`onion service: ${what}${message}`, remedy === undefined ? {} : { remedy })
    this.#state.set({
      phase: 'waiting',
      restarts: restarts + 1,
      lastError: { at: new Date(), code, message, remedy },
    })
  }
}

function keyLost(keyFile: string, hostname: string | undefined): AppError {
  if (hostname === undefined) {
    const message = `There is no onion key ${keyFile}.`
    return new AppError('ONION_KEY_MISSING', message, 'Run `smp-server tor setup`.')
  }
  const message = `The key of ${hostname}, which host names, is missing: there is no ${keyFile}.`
  return new AppError('ONION_KEY_LOST', message, 'Restore it: `smp-server tor key restore FILE`.')
}
