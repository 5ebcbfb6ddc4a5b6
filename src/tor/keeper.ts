import { setTimeout as sleep } from 'node:timers/promises'
import { AppError } from '../config/app-error.ts'
import type { Logger } from '../config/log.ts'
import type { BootstrapPhase, TorEvent } from './control/events.ts'
import { eventNames } from './control/events.ts'
import type { OnionPort } from './control/onion.ts'
import type { TorControl } from './control/tor-control.ts'
import { bringUpOnion } from './kept-onion.ts'
import type { OnionHostname } from './onion-address.ts'
import type { OnionKey } from './onion-key.ts'
import { readOnionKey } from './onion-key.ts'
import type { OnionService } from './onion-service.ts'
import { establishOnion } from './onion-service.ts'
import type { FetchResult, PublicationState } from './publication.ts'
import { Publication, fetchDescriptor } from './publication.ts'
import type { TorForm, TorSession } from './session.ts'
import { openTorSession } from './session.ts'

/*
 * Keeps the onion service alive beside the running relay: brings it into a tor, learns from tor how far it is, and
 * begins again whenever tor ends, hangs or has lost it. Whatever happens to tor, the relay goes on.
 */

/**
 * starting: no usable tor yet. bootstrapping: tor is connecting to its network. publishing: the descriptor is on its
 * way. published: it is in the network. waiting: the last attempt failed, the next one comes by itself.
 */
export type KeeperPhase = 'stopped' | 'starting' | 'bootstrapping' | 'publishing' | 'published' | 'waiting'

/** What is known of a tor; all of it ends with that tor. */
interface TorState {
  readonly torVersion?: string
  /** Of the own tor. */
  readonly torPid?: number | undefined
  readonly bootstrap?: BootstrapPhase
  readonly networkUp?: boolean
  readonly publication?: PublicationState
  /** When the present publication was first seen. */
  readonly publishedAt?: Date | undefined
}

export interface KeeperState extends TorState {
  readonly phase: KeeperPhase
  readonly hostname?: OnionHostname
  /** When the network last took the descriptor, or handed it out. */
  readonly confirmedAt?: Date
  /** When the relay was last reached through Tor, and why the last attempt failed if it did. */
  readonly provenAt?: Date
  readonly unproven?: string | undefined
  /** How often a tor was lost, or could not be had, since the keeper started. */
  readonly restarts: number
  readonly lastError?: KeeperError
}

export interface KeeperError {
  readonly at: Date
  readonly code: string
  readonly message: string
  readonly remedy: string | undefined
}

export interface KeeperOptions {
  readonly form: TorForm
  /** `onion.key` in the configuration directory. */
  readonly keyFile: string
  /** Remembers with which ports the service was added last: a tor that outlives the relay cannot tell. */
  readonly portsFile: string
  readonly ports: readonly OnionPort[]
  /** The onion name of the INI file. Without its key no other one is made instead. */
  readonly expectedHostname?: string | undefined
  readonly checkIntervalMs?: number
  /** Reaches the relay as a client would, through Tor; rejects when that fails, and at once when it is called off. */
  readonly prove?: ((hostname: OnionHostname, calledOff: AbortSignal) => Promise<void>) | undefined
  /** Between two questions whether tor is alive. */
  readonly heartbeatMs?: number
  readonly log: Logger
  readonly onState?: (state: KeeperState) => void
}

interface Session {
  readonly control: TorControl
  service: OnionService
}

/** How long an upload may take before the network is asked for its result. */
const firstCheckMs = 30_000
const firstBackoffMs = 250
const maxBackoffMs = 60_000

export class OnionKeeper {
  readonly #options: KeeperOptions
  readonly #checkIntervalMs: number
  readonly #heartbeatMs: number
  #state: KeeperState = { phase: 'stopped', restarts: 0 }
  #abort = new AbortController()
  #running: Promise<void> | undefined
  #publication = new Publication()
  #session: Session | undefined
  #misses = 0

  constructor(options: KeeperOptions) {
    this.#options = options
    this.#checkIntervalMs = options.checkIntervalMs ?? 300_000
    this.#heartbeatMs = Math.min(options.heartbeatMs ?? 15_000, this.#checkIntervalMs)
  }

  get state(): KeeperState {
    return this.#state
  }

  /** Begins, and returns at once; never throws, never rejects. */
  start(): void {
    if (this.#running) return
    this.#abort = new AbortController()
    this.#running = this.#run(this.#abort.signal)
  }

  /** Ends, and ends the own tor; the service of a system's tor stays there. */
  async stop(): Promise<void> {
    this.#abort.abort()
    await this.#running
    this.#running = undefined
  }

  /** Asks the network now whether the descriptor is there; `undefined` while there is no tor to ask. */
  async check(): Promise<FetchResult | undefined> {
    const session = this.#session
    if (!session) return undefined
    const result = await fetchDescriptor(session.control, session.service.key.serviceId)
    if (this.#session !== session) return result
    if (result.type === 'received') {
      this.#misses = 0
      this.#confirm()
    } else if (result.type === 'missing') {
      this.#misses += 1
      this.#options.log.warn('onion service: the Tor network does not have the descriptor')
      // One answer can come from a directory that has only just become responsible.
      if (this.#misses > 1) await this.#renew(session)
    }
    return result
  }

  async #run(signal: AbortSignal): Promise<void> {
    let failures = 0
    while (!signal.aborted) {
      this.#set({ phase: 'starting' })
      const fault = await this.#keep(signal)
      failures = this.#state.publishedAt ? 0 : failures + 1
      if (fault !== undefined) this.#fail(fault)
      this.#forgetTor()
      const pause = Math.min(firstBackoffMs * 2 ** failures, maxBackoffMs)
      await sleep(pause, undefined, { signal }).catch(() => undefined)
    }
    this.#set({ phase: 'stopped' })
  }

  /** One tor, from its start to its end; returns why it ended. */
  async #keep(signal: AbortSignal): Promise<unknown> {
    const { form, log } = this.#options
    let tor: TorSession | undefined
    const over = new AbortController()
    let serving: Promise<unknown> = Promise.resolve()
    try {
      const key = await this.#key()
      tor = await openTorSession(form, log)
      const stopped = new Promise((resolve) =>
        signal.addEventListener('abort', resolve, { once: true, signal: over.signal }),
      )
      if (signal.aborted) return undefined
      serving = this.#serve(tor, key, over.signal).catch((error: unknown) => error)
      return await Promise.race([serving, tor.ended, stopped.then(() => undefined)])
    } catch (error) {
      return error
    } finally {
      over.abort()
      await tor?.end()
      await serving
      this.#session = undefined
    }
  }

  async #key(): Promise<OnionKey | undefined> {
    const { keyFile, expectedHostname, log } = this.#options
    const key = await readOnionKey(keyFile)
    if (!key && expectedHostname !== undefined) throw keyLost(keyFile, expectedHostname)
    if (key && expectedHostname !== undefined && expectedHostname !== key.hostname) {
      log.warn(`onion service: [TRANSPORT] host does not name ${key.hostname}, which ${keyFile} is the key of`)
    }
    return key
  }

  /** Brings the service into this tor and looks after it; ends by throwing, or when told to. */
  async #serve(tor: TorSession, key: OnionKey | undefined, over: AbortSignal): Promise<void> {
    const { keyFile, portsFile, ports, log } = this.#options
    const { control } = tor
    this.#publication = new Publication()
    this.#misses = 0
    control.onEvent((event) => this.#take(event))
    await control.setEvents(eventNames)
    const service = await bringUpOnion(control, { key, keyFile, portsFile, ports })
    if (service.isNew) log.note('onion service: made; `smp-server tor setup` writes its name into the INI file')
    const bootstrap = await control.bootstrapPhase()
    this.#session = { control, service }
    this.#set({ hostname: service.hostname, torVersion: control.version, torPid: tor.pid, bootstrap })
    // An upload can end before tor has answered everything asked of it above.
    if (this.#publication.of(service.key.serviceId).uploaded > 0) this.#confirm()
    else this.#progress()
    await tor.enableNetwork()
    await this.#watch(control, service, over)
  }

  /** Asks tor whether it is alive, and the network whether it has the descriptor, in their intervals. */
  async #watch(control: TorControl, service: OnionService, over: AbortSignal): Promise<void> {
    let checkAt = service.wasThere ? 0 : performance.now() + Math.min(firstCheckMs, this.#checkIntervalMs)
    for (;;) {
      await control.getInfo('version')
      if (this.#state.bootstrap?.progress === 100 && performance.now() >= checkAt) {
        // Uploads show by themselves; so as long as none was seen, the network is asked more often.
        const interval = this.#state.publishedAt ? this.#checkIntervalMs : Math.min(firstCheckMs, this.#checkIntervalMs)
        await this.check()
        await this.#prove(service.hostname, over)
        checkAt = performance.now() + interval
      }
      await sleep(this.#heartbeatMs, undefined, { signal: over, ref: false })
    }
  }

  async #prove(hostname: OnionHostname, over: AbortSignal): Promise<void> {
    if (!this.#options.prove || !this.#state.publishedAt) return
    try {
      await this.#options.prove(hostname, over)
      this.#set({ provenAt: new Date(), unproven: undefined })
    } catch (error) {
      if (over.aborted) return
      const unproven = error instanceof Error ? error.message : String(error)
      if (this.#state.unproven === undefined)
        this.#options.log.warn(`onion service: not reached through Tor: ${unproven}`)
      this.#set({ unproven })
    }
  }

  async #renew(session: Session): Promise<void> {
    const { key } = session.service
    this.#publication.forget(key.serviceId)
    this.#misses = 0
    session.service = await establishOnion(session.control, { key, ports: this.#options.ports, renew: true })
    this.#set({ publishedAt: undefined })
    this.#progress()
  }

  #take(event: TorEvent): void {
    if (event.type === 'bootstrap') this.#set({ bootstrap: event })
    else if (event.type === 'networkLiveness') this.#set({ networkUp: event.up })
    else if (event.type === 'hsDesc') {
      this.#publication.take(event)
      const serviceId = this.#session?.service.key.serviceId
      if (event.serviceId === serviceId && event.action === 'UPLOADED') this.#confirm()
    } else return
    this.#progress()
  }

  /** Derives the phase from what tor has said so far. */
  #progress(): void {
    if (!this.#session) return
    const { publishedAt, bootstrap } = this.#state
    const publication = this.#publication.of(this.#session.service.key.serviceId)
    if (publishedAt) this.#set({ phase: 'published', publication })
    else this.#set({ phase: bootstrap?.progress === 100 ? 'publishing' : 'bootstrapping', publication })
  }

  #confirm(): void {
    const now = new Date()
    if (!this.#state.publishedAt) this.#options.log.info('onion service: published')
    this.#set({ publishedAt: this.#state.publishedAt ?? now, confirmedAt: now })
    this.#progress()
  }

  #fail(error: unknown): void {
    const fault = error instanceof AppError ? error : new AppError('TOR_FAULT', String(error))
    const { code, message, remedy } = fault
    // The same fault at every attempt is said once.
    const level = this.#state.lastError?.message === message && !this.#state.publishedAt ? 'debug' : 'warn'
    this.#options.log[level](`onion service: ${message}`, remedy === undefined ? {} : { remedy })
    const lastError = { at: new Date(), code, message, remedy }
    this.#set({ phase: 'waiting', restarts: this.#state.restarts + 1, lastError })
  }

  #forgetTor(): void {
    const forgotten: (keyof TorState)[] = [
      'torVersion',
      'torPid',
      'bootstrap',
      'networkUp',
      'publication',
      'publishedAt',
    ]
    const kept = { ...this.#state }
    for (const name of forgotten) Reflect.deleteProperty(kept, name)
    this.#state = kept
  }

  #set(change: Partial<KeeperState>): void {
    this.#state = { ...this.#state, ...change }
    this.#options.onState?.(this.#state)
  }
}

function keyLost(keyFile: string, hostname: string): AppError {
  return new AppError(
    'ONION_KEY_LOST',
    `The key ${keyFile} of ${hostname} is missing.`,
    'Bring it back from a backup, or take the name out of [TRANSPORT] host and run `smp-server tor setup`.',
  )
}
