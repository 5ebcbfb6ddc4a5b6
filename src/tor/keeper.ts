import { setTimeout as sleep } from 'node:timers/promises'
import { AppError } from '../config/app-error.ts'
import type { Logger } from '../config/log.ts'
import type { BootstrapPhase, TorEvent } from './control/events.ts'
import { eventNames } from './control/events.ts'
import type { OnionPort } from './control/onion.ts'
import type { TorControl } from './control/tor-control.ts'
import { followKeys, readKeptKeys } from './follow-keys.ts'
import { bringUpOnion } from './kept-onion.ts'
import type { OnionHostname } from './onion-address.ts'
import type { OnionKey } from './onion-key.ts'
import { readOnionKey } from './onion-key.ts'
import type { OnionService } from './onion-service.ts'
import { establishOnion } from './onion-service.ts'
import type { OnionShape } from './onion-shape.ts'
import type { Proof } from './proof.ts'
import type { NextProof } from './proof-schedule.ts'
import { ProofSchedule, callsForRenewal } from './proof-schedule.ts'
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
  /** When a directory last took the descriptor. */
  readonly uploadedAt?: Date
}

export interface KeeperState extends TorState {
  readonly phase: KeeperPhase
  readonly hostname?: OnionHostname
  /** The name that will take its place, while both are published. */
  readonly nextHostname?: OnionHostname | undefined
  /** When the network last took the descriptor, or handed it out. */
  readonly confirmedAt?: Date
  /** How often a tor was lost, or could not be had, since the keeper started. */
  readonly restarts: number
  /** The last proof from outside. */
  readonly proof?: ProofState
  readonly lastError?: KeeperError
}

export interface ProofState {
  readonly last: Proof
  /** Failed ones in a row. */
  readonly failures: number
  readonly nextAt: Date
}

export interface KeeperError {
  readonly at: Date
  readonly code: string
  readonly message: string
  readonly remedy?: string | undefined
}

export interface KeeperOptions {
  readonly form: TorForm
  /** `onion.key` in the configuration directory. */
  readonly keyFile: string
  /** Remembers with which ports the service was added last: a tor that outlives the relay cannot tell. */
  readonly portsFile: string
  readonly ports: readonly OnionPort[]
  /** `plainShape` when absent. */
  readonly shape?: OnionShape | undefined
  /** The onion name of the INI file. Without its key no other one is made instead. */
  readonly expectedHostname?: string | undefined
  /** Between two questions whether the network has the descriptor. */
  readonly checkIntervalMs?: number
  /** The proof from outside, and the usual time between two of them. */
  readonly proof?: {
    readonly intervalMs: number
    readonly prove: (hostname: OnionHostname, signal: AbortSignal) => Promise<Proof>
  }
  /** How long tor may be without its network before the log says so. */
  readonly waitingGraceMs?: number
  /** Between two questions whether tor is alive. */
  readonly heartbeatMs?: number
  readonly log: Logger
  readonly onState?: (state: KeeperState) => void
}

interface Session {
  readonly control: TorControl
  service: OnionService
  /** The key that will take the place of the service's, while both are published. */
  next: OnionKey | undefined
}

/** How long an upload may take before the network is asked for its result. */
const firstCheckMs = 30_000
const defaultGraceMs = 10_000
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
  #renewing: Promise<void> | undefined
  readonly #proofs: ProofSchedule | undefined
  #isWaiting = false

  constructor(options: KeeperOptions) {
    this.#options = options
    this.#checkIntervalMs = options.checkIntervalMs ?? 300_000
    this.#heartbeatMs = Math.min(options.heartbeatMs ?? 15_000, this.#checkIntervalMs)
    const { proof } = options
    this.#proofs = proof && this.#proofSchedule(proof)
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
      const proofEnded = this.#proofs?.lost()
      await tor?.end()
      await serving
      this.#session = undefined
      await proofEnded
    }
  }

  async #key(): Promise<OnionKey | undefined> {
    const { keyFile, expectedHostname, log } = this.#options
    const key = await readOnionKey(keyFile)
    // A name that was there once is not replaced by a new one, whatever becomes of its key.
    const { hostname: present } = this.#state
    const expected = present ?? expectedHostname
    if (!key && expected !== undefined) throw keyLost(keyFile, expected)
    if (key && expected !== undefined && expected !== key.hostname) {
      log.warn(`onion service: [TRANSPORT] host does not name ${key.hostname}, which ${keyFile} is the key of`)
    }
    return key
  }

  /** Brings the service into this tor and looks after it; ends by throwing, or when told to. */
  async #serve(tor: TorSession, key: OnionKey | undefined, over: AbortSignal): Promise<void> {
    const { keyFile, portsFile, ports, shape, log } = this.#options
    const { control } = tor
    this.#publication = new Publication()
    this.#misses = 0
    control.onEvent((event) => this.#take(event))
    await control.setEvents(eventNames)
    const { next } = await readKeptKeys(keyFile)
    const service = await bringUpOnion(control, { key, next, keyFile, portsFile, ports, shape })
    if (service.isNew) log.note('onion service: made; `smp-server tor setup` writes its name into the INI file')
    const bootstrap = await control.bootstrapPhase()
    this.#session = { control, service, next }
    this.#set({
      hostname: service.hostname,
      nextHostname: next?.hostname,
      torVersion: control.version,
      torPid: tor.pid,
      bootstrap,
    })
    // An upload can end before tor has answered everything asked of it above.
    if (this.#publication.of(service.key.serviceId).uploaded > 0) this.#takeUpload()
    else this.#progress()
    await tor.enableNetwork()
    const isOff = (await control.getConf('DisableNetwork')).get('disablenetwork')?.[0] === '1'
    if (isOff) this.#waitFor('which a line of its torrc switches off')
    const grace = setTimeout(() => this.#checkNetwork(), this.#options.waitingGraceMs ?? defaultGraceMs).unref()
    over.addEventListener('abort', () => clearTimeout(grace), { once: true })
    await this.#watch(control, service, over)
  }

  /** Asks tor whether it is alive, and the network whether it has the descriptor, in their intervals. */
  async #watch(control: TorControl, service: OnionService, over: AbortSignal): Promise<void> {
    let checkAt = service.wasThere ? 0 : performance.now() + Math.min(firstCheckMs, this.#checkIntervalMs)
    for (;;) {
      await control.getInfo('version')
      await this.#follow()
      if (this.#state.bootstrap?.progress === 100 && performance.now() >= checkAt) {
        // Uploads show by themselves; so as long as none was seen, the network is asked more often.
        const interval = this.#state.publishedAt ? this.#checkIntervalMs : Math.min(firstCheckMs, this.#checkIntervalMs)
        await this.check()
        checkAt = performance.now() + interval
      }
      await sleep(this.#heartbeatMs, undefined, { signal: over, ref: false })
    }
  }

  /** Looks whether the keys are still those that this tor has the services of. */
  async #follow(): Promise<void> {
    const session = this.#session
    if (!session) return
    const { keyFile, ports, shape, log } = this.#options
    const held = { primary: session.service.key, next: session.next }
    const add = (wanted: OnionKey): Promise<unknown> => establishOnion(session.control, { key: wanted, ports, shape })
    const { primary: key, next } = await followKeys(session.control, held, await readKeptKeys(keyFile), add)
    if (key === held.primary && next === held.next) return
    session.next = next
    this.#set({ nextHostname: next?.hostname })
    if (key === held.primary) return
    log.note('onion service: another key has taken its place, and with it another name')
    // The new name is proven as soon as it is published.
    await this.#proofs?.lost()
    session.service = { key, hostname: key.hostname, isNew: false, wasThere: true }
    this.#misses = 0
    this.#set({ hostname: key.hostname, publishedAt: undefined })
    if (this.#publication.of(key.serviceId).uploaded > 0) this.#confirm()
    else this.#progress()
  }

  /** Gives the service to its tor anew, which publishes it again. */
  async #renew(session: Session): Promise<void> {
    this.#renewing ??= this.#renewOnce(session).finally(() => (this.#renewing = undefined))
    await this.#renewing
  }

  async #renewOnce(session: Session): Promise<void> {
    const { key } = session.service
    this.#publication.forget(key.serviceId)
    this.#misses = 0
    const { ports, shape } = this.#options
    session.service = await establishOnion(session.control, { key, ports, shape, renew: true })
    this.#set({ publishedAt: undefined })
    this.#progress()
  }

  #take(event: TorEvent): void {
    if (event.type === 'bootstrap') this.#set({ bootstrap: event })
    else if (event.type === 'networkLiveness') {
      this.#set({ networkUp: event.up })
      if (!event.up) this.#waitFor('which does not answer any more')
    } else if (event.type === 'hsDesc') {
      this.#publication.take(event)
      const serviceId = this.#session?.service.key.serviceId
      if (event.serviceId === serviceId && event.action === 'UPLOADED') this.#takeUpload()
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

  /** A directory has taken the descriptor. */
  #takeUpload(): void {
    this.#set({ uploadedAt: new Date() })
    this.#confirm()
  }

  #confirm(): void {
    const now = new Date()
    if (!this.#state.publishedAt) this.#options.log.info('onion service: published')
    this.#set({ publishedAt: this.#state.publishedAt ?? now, confirmedAt: now })
    this.#progress()
    this.#isWaiting = false
    this.#proofs?.published()
  }

  /** Says once, until the network is there again, what everything waits for. */
  #waitFor(what: string): void {
    if (this.#isWaiting) return
    this.#isWaiting = true
    this.#options.log.note(`onion service: waiting for the network, ${what}`)
  }

  #checkNetwork(): void {
    const { bootstrap } = this.#state
    if (!bootstrap || bootstrap.progress === 100) return
    const { progress, warning, summary } = bootstrap
    this.#waitFor(`tor is at ${progress} % (${warning ?? summary})`)
  }

  #proofSchedule({ intervalMs, prove }: NonNullable<KeeperOptions['proof']>): ProofSchedule {
    return new ProofSchedule({
      intervalMs,
      prove: async (signal) => {
        const { hostname } = this.#state
        if (hostname === undefined) throw new Error('a service without a name is not published')
        return await prove(hostname, signal)
      },
      onProof: (proof, next) => this.#takeProof(proof, next),
      onError: (error) => this.#options.log.error('onion service: the proof from outside broke off', { error }),
    })
  }

  #takeProof(proof: Proof, { failures, inMs }: NextProof): void {
    const { log } = this.#options
    const before = this.#state.proof
    const { fault } = proof
    this.#set({ proof: { last: proof, failures, nextAt: new Date(Date.now() + inMs) } })
    if (!fault) {
      const isNews = before === undefined || before.failures > 0
      log[isNews ? 'info' : 'debug'](`onion service: reached from outside in ${(proof.ms / 1000).toFixed(1)} s`)
      this.#confirm()
      return
    }
    // The same fault at every proof is said once.
    const level = before?.last.fault?.code === fault.code ? 'debug' : 'warn'
    log[level](`onion service: the proof from outside failed: ${fault.message}`, { remedy: fault.remedy })
    const session = this.#session
    if (!session || !callsForRenewal(fault)) return
    log.info('onion service: publishing it again')
    // A tor that cannot take it is lost, which shows by itself.
    this.#renew(session).catch((error: unknown) => log.debug('onion service: not published again', { error }))
  }

  #fail(error: unknown): void {
    const fault = error instanceof AppError ? error : new AppError('TOR_FAULT', String(error))
    const { code, message, remedy } = fault
    // The same fault at every attempt is said once.
    const level = this.#state.lastError?.message === message && !this.#state.publishedAt ? 'debug' : 'warn'
    const what = this.#state.torVersion === undefined ? 'waiting for tor: ' : ''
    this.#options.log[level](`onion service: ${what}${message}`, remedy === undefined ? {} : { remedy })
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
      'uploadedAt',
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
