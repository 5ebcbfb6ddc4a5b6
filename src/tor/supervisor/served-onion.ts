import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { AppError } from '../../errors/app-error.ts'
import type { Logger } from '../../config/log.ts'
import { clockRemedy, clockSkew, skewClause } from '../control/clock-skew.ts'
import type { BootstrapPhase, TorEvent } from '../control/events.ts'
import { eventNames } from '../control/events.ts'
import { CONTESTED, CONTESTED_REMEDY } from '../onion/descriptor.ts'
import { Evidence } from './evidence.ts'
import { readKeyFiles, syncKeys } from '../onion/key-files.ts'
import { DashboardOnion, type DashboardOnionConfig } from './dashboard-onion.ts'
import type { PresentState } from './state.ts'
import { establishService, type RelayService } from '../onion/establish.ts'
import type { NetworkNotice } from './network-notice.ts'
import type { OnionKey } from '../../crypto/onion-key.ts'
import { addService, type OnionService, removeOthers } from '../onion/service.ts'
import type { CheckWatch } from './check-watch.ts'
import type { FetchResult } from '../onion/publication.ts'
import { Publication, fetchDescriptor } from '../onion/publication.ts'
import { FiguresPort } from '../process/service-figures.ts'
import { isProgramReplaced } from '../process/replaced-program.ts'
import type { TorSession } from '../process/session.ts'

/*
 * The onion service in one tor: added, followed to its publication, asked for in the network, added anew when the
 * network has lost it. All of it ends with that tor.
 */

export interface ServedOnionOptions {
  /** The next key is read from its file. */
  readonly kept: Omit<RelayService, 'next'>
  readonly dashboard?: DashboardOnionConfig | undefined
  readonly state: PresentState
  readonly checks: CheckWatch | undefined
  readonly notice: NetworkNotice
  readonly log: Logger
  /** Between two questions whether the network has the descriptor. */
  readonly checkIntervalMs: number
  /** Between two questions whose descriptor the directories hold. */
  readonly evidenceIntervalMs: number
  /** Between two questions whether tor is alive. */
  readonly heartbeatMs: number
  /** How long tor may be without its network before the log says so. */
  readonly waitingGraceMs: number
}

/** How long an upload may take before the network is asked for its result. */
const firstCheckMs = 30_000

/** From an answer to an upload to the question whose descriptor the directory holds. */
const EVIDENCE_SOON_MS = 2000

/** Before the service is published again while the directories hold a newer descriptor: doubled each time. */
const CONTESTED_PAUSE_MS = { first: 5 * 60_000, longest: 60 * 60_000 }
/** After so long without another tor's descriptor, the pause is the first again. */
const PEACE_MS = 3 * 3_600_000

/** How long an own tor with a wrong clock may make no headway before another one takes its place. */
const wrongClockMs = 45_000

/** How long an upgraded tor may wait for a moment without clients. */
const UPGRADE_LATEST_MS = 6 * 3_600_000

export class ServedOnion {
  readonly #tor: TorSession
  readonly #options: ServedOnionOptions
  readonly #publication = new Publication()
  readonly #evidence: Evidence
  readonly #state: PresentState
  readonly #log: Logger
  #service: OnionService | undefined
  /** The key that will take the place of the service's, while both are published. */
  #next: OnionKey | undefined
  /** Answers in a row that the network does not have the descriptor. */
  #misses = 0
  /** How often the service was given to this tor anew since the network last had its descriptor. */
  #renewals = 0
  #renewing: Promise<void> | undefined
  /** One look at the keys after the other. */
  #following: Promise<void> = Promise.resolve()
  #headwayAt = performance.now()
  readonly #figures: FiguresPort | undefined
  #evidenceAt = Infinity
  /** When the program of this tor was first seen to be another. */
  #replacedAt: number | undefined
  #contest = { renewAt: 0, pauseMs: CONTESTED_PAUSE_MS.first, seenAt: -Infinity }
  readonly #dashboard: DashboardOnion | undefined

  constructor(tor: TorSession, options: ServedOnionOptions) {
    this.#tor = tor
    this.#evidence = new Evidence(tor.control, this.#publication)
    this.#options = options
    this.#state = options.state
    this.#log = options.log
    const { dashboard, kept, log } = options
    this.#dashboard = dashboard && new DashboardOnion(dashboard, kept.config?.type ?? 'single-hop', log)
    this.#figures = tor.pid === undefined ? undefined : new FiguresPort(tor.control)
  }

  /** Brings the service into this tor and looks after it; ends by throwing, or when told to. */
  async serve(over: AbortSignal): Promise<void> {
    const { kept, notice, waitingGraceMs } = this.#options
    const { control, pid: torPid } = this.#tor
    control.onEvent((event) => this.#take(event))
    await control.setEvents(eventNames)
    const { next } = await readKeyFiles(kept.keyFile)
    const service = await establishService(this.#tor.onions, { ...kept, next })
    // A tor that was kept may have the service of a key that was replaced meanwhile.
    if (torPid !== undefined) await removeOthers(this.#tor.onions, next ? [kept.key, next] : [kept.key])
    const bootstrap = await control.bootstrapPhase()
    this.#service = service
    this.#next = next
    const { hostname } = service
    const serviceType = kept.config?.type ?? 'single-hop'
    this.#state.set({
      serviceType,
      hostname,
      nextHostname: next?.hostname,
      torVersion: control.version,
      torPid,
      bootstrap,
    })
    this.#learnPublication(service)
    await this.#tor.enableNetwork()
    const isOff = (await control.getConf('DisableNetwork')).get('disablenetwork')?.[0] === '1'
    if (isOff) notice.waitFor('which a line of its torrc switches off')
    const grace = setTimeout(() => notice.check(this.#state.value), waitingGraceMs).unref()
    over.addEventListener('abort', () => clearTimeout(grace), { once: true })
    await this.#watch(service.wasThere, over)
  }

  /** Asks the network now whether the descriptor is there; `undefined` before this tor has the service. */
  async check(): Promise<FetchResult | undefined> {
    const service = this.#service
    if (!service) return undefined
    if (service.wasThere) this.#askSoon()
    const result = await fetchDescriptor(this.#tor.control, service.key.serviceId)
    if (result.type === 'received') {
      this.#misses = 0
      const verdict = await this.#evidence.judge(service.key.serviceId, result, service.wasThere)
      if (verdict === 'ours') this.confirm()
      // Asked again at two directories before anything is said.
      else if (verdict === 'foreign') this.#evidenceAt = 0
    } else if (result.type === 'missing') {
      this.#misses += 1
      this.#log.warn('onion service: the Tor network does not have the descriptor')
      // One answer can come from a directory that has only just become responsible.
      if (this.#misses > 1) await this.#publishAgain()
    }
    return result
  }

  /**
   * @throws AppError `ONION_UNPUBLISHED` when that has not helped before: an own tor makes way for another one then
   */
  async #publishAgain(): Promise<void> {
    if (this.#tor.pid !== undefined && this.#renewals > 0) {
      throw new AppError('ONION_UNPUBLISHED', 'Tor failed to publish the descriptor; restarting Tor.')
    }
    await this.renew()
    this.#renewals += 1
  }

  /**
   * Gives the service to its tor anew, which publishes it again. While the directories hold a newer descriptor, that is done
   * less and less often: two tors with one key would go on for ever.
   */
  async renew(): Promise<void> {
    const service = this.#service
    if (!service || (this.#isContested && performance.now() < this.#contest.renewAt)) return
    if (this.#isContested) this.#waitLonger()
    this.#renewing ??= this.#renewOnce(service.key).finally(() => (this.#renewing = undefined))
    await this.#renewing
  }

  #askSoon(): void {
    this.#evidenceAt = Math.min(this.#evidenceAt, performance.now() + EVIDENCE_SOON_MS)
  }

  get #isContested(): boolean {
    return this.#state.value.contestedAt !== undefined
  }

  #waitLonger(): void {
    const contest = this.#contest
    contest.renewAt = performance.now() + contest.pauseMs
    contest.pauseMs = Math.min(contest.pauseMs * 2, CONTESTED_PAUSE_MS.longest)
  }

  /** Asks the directories whose descriptor they hold, and says so when it is another tor's. */
  async #gatherEvidence(): Promise<void> {
    const service = this.#service
    if (!service) return
    const verdict = await this.#evidence.gather(service.key.serviceId, service.wasThere)
    if (verdict === 'ours') this.confirm()
    if (verdict !== 'foreign' || service !== this.#service) return
    const now = performance.now()
    if (now - this.#contest.seenAt > PEACE_MS) this.#contest.pauseMs = CONTESTED_PAUSE_MS.first
    this.#contest.seenAt = now
    if (this.#isContested) {
      await this.renew()
      return
    }
    this.#waitLonger()
    this.#log.warn(`onion service: ${CONTESTED}`, { remedy: CONTESTED_REMEDY })
    this.#state.set({ contestedAt: new Date(), publishedAt: undefined })
    this.#progress()
  }

  /** The network has the descriptor of this tor. */
  confirm(): void {
    const now = new Date()
    const { publishedAt } = this.#state.value
    if (!publishedAt) this.#log.info('onion service: published')
    // A clock with which that works is right enough.
    this.#state.set({ publishedAt: publishedAt ?? now, confirmedAt: now, clockSkew: undefined, contestedAt: undefined })
    this.#renewals = 0
    this.#progress()
    this.#options.notice.isThere()
    this.#options.checks?.published()
  }

  async #renewOnce(key: OnionKey): Promise<void> {
    this.#publication.forget(key.serviceId)
    this.#misses = 0
    const { ports, config } = this.#options.kept
    this.#service = await addService(this.#tor.onions, { key, ports, config, renew: true })
    this.#state.set({ publishedAt: undefined })
    this.#progress()
  }

  /** Asks tor whether it is alive, and the network whether it has the descriptor, in their intervals. */
  async #watch(wasThere: boolean, over: AbortSignal): Promise<void> {
    const { checkIntervalMs, heartbeatMs } = this.#options
    const soonMs = Math.min(firstCheckMs, checkIntervalMs)
    const { evidenceIntervalMs } = this.#options
    let checkAt = wasThere ? 0 : performance.now() + soonMs
    for (;;) {
      await this.#tor.control.getInfo('version')
      const mended = await this.#tor.repairControl()
      if (mended) this.#log.note("onion service: tor's control socket or cookie was changed; created it again")
      await this.follow()
      this.#requireHeadway()
      this.#requirePresentProgram()
      await this.#count()
      if (this.#state.value.bootstrap?.progress === 100 && performance.now() >= checkAt) {
        // Uploads show by themselves; so as long as none was seen, the network is asked more often.
        const interval = this.#state.value.publishedAt ? checkIntervalMs : soonMs
        await this.check()
        checkAt = performance.now() + interval
      }
      if (performance.now() >= this.#evidenceAt) {
        await this.#gatherEvidence()
        this.#evidenceAt = performance.now() + evidenceIntervalMs
      }
      await sleep(heartbeatMs, undefined, { signal: over, ref: false })
    }
  }

  /** Learns the figures of the service, which an own tor tells once it is connected. */
  async #count(): Promise<void> {
    const { bootstrap, figures: before } = this.#state.value
    if (!this.#figures || !this.#service || bootstrap?.progress !== 100) return
    const figures = await this.#figures.read(this.#service.key.serviceId)
    if (!isDeepStrictEqual(figures, before)) this.#state.set({ figures })
  }

  /**
   * A tor that had a wrong clock can be stuck after the correction: what it has learned of the network until then is
   * no good, and it asks for it anew late or never. Another one begins with what is true now.
   *
   * @throws AppError `TOR_CLOCK_WRONG`
   */
  #requireHeadway(): void {
    const { clockSkew: skew, publishedAt } = this.#state.value
    if (this.#tor.pid === undefined || skew === undefined || publishedAt) return
    if (performance.now() - this.#headwayAt < wrongClockMs) return
    throw new AppError(
      'TOR_CLOCK_WRONG',
      `Tor's bootstrap stalled (${skewClause(skew)}); restarting Tor.`,
      `Correct the clock: ${clockRemedy}`,
    )
  }

  /**
   * A tor whose program was upgraded goes on as the old one until it is restarted: when no client is connected, and after
   * a while in any case.
   *
   * @throws AppError `TOR_UPGRADED`
   */
  #requirePresentProgram(): void {
    const { pid } = this.#tor
    if (pid === undefined || !isProgramReplaced(pid)) {
      this.#replacedAt = undefined
      return
    }
    const now = performance.now()
    if (this.#replacedAt === undefined)
      this.#log.note('onion service: tor was upgraded; it is restarted when no client is connected')
    this.#replacedAt ??= now
    const { bootstrap, figures } = this.#state.value
    const isQuiet = bootstrap?.progress !== 100 || figures?.rendezvous === 0
    if (!isQuiet && now - this.#replacedAt < UPGRADE_LATEST_MS) return
    throw new AppError('TOR_UPGRADED', 'tor was upgraded; restarting it with its new version.')
  }

  /** Looks whether the keys are still those that this tor has the services of. */
  async follow(): Promise<void> {
    const done = this.#following.then(() => this.#followOnce())
    this.#following = done.catch(() => undefined)
    await done
  }

  async #followOnce(): Promise<void> {
    if (!this.#service) return
    const { control, onions } = this.#tor
    await this.#dashboard?.sync(control)
    const { keyFile, ports, config } = this.#options.kept
    const held = { primary: this.#service.key, next: this.#next }
    const add = (wanted: OnionKey): Promise<unknown> => addService(onions, { key: wanted, ports, config })
    const { primary: key, next } = await syncKeys(onions, held, await readKeyFiles(keyFile), add)
    if (key === held.primary && next === held.next) return
    this.#next = next
    this.#state.set({ nextHostname: next?.hostname })
    if (key === held.primary) return
    this.#log.note(`onion service: Onion key replaced; the address is now ${key.hostname}.`)
    // The new name is proven as soon as it is published.
    await this.#options.checks?.lost()
    this.#service = { key, hostname: key.hostname, wasThere: true }
    this.#misses = 0
    this.#state.set({ hostname: key.hostname, publishedAt: undefined })
    this.#learnPublication(this.#service)
  }

  #take(event: TorEvent): void {
    const skew = clockSkew(event, this.#state.value.bootstrap)
    if (skew !== undefined) this.#state.set({ clockSkew: skew })
    if (event.type === 'bootstrap') this.#takeBootstrap(event)
    else if (event.type === 'networkLiveness') {
      const hasChanged = event.up !== (this.#state.value.networkUp ?? true)
      this.#state.set({ networkUp: event.up })
      if (hasChanged) this.#options.checks?.hurry()
      if (!event.up) this.#options.notice.waitFor('which does not answer any more')
    } else if (event.type === 'hsDesc') {
      this.#publication.take(event)
      if (event.serviceId === this.#service?.key.serviceId) {
        this.#evidence.take(event)
        if (event.action === 'UPLOADED') this.#takeUpload()
        if (event.reason === 'UPLOAD_REJECTED') this.#askSoon()
      }
    } else return
    this.#progress()
  }

  #takeBootstrap(phase: BootstrapPhase): void {
    if (phase.progress > (this.#state.value.bootstrap?.progress ?? -1)) this.#headwayAt = performance.now()
    this.#state.set({ bootstrap: phase })
  }

  /** An upload can end before tor has answered everything that comes before the service counts as added. */
  #learnPublication({ key }: OnionService): void {
    if (this.#publication.of(key.serviceId).uploaded > 0) this.#takeUpload()
    else this.#progress()
  }

  /** A directory has taken the descriptor. */
  #takeUpload(): void {
    this.#state.set({ uploadedAt: new Date() })
    this.#askSoon()
    const service = this.#service
    const wasRejected = service && this.#publication.of(service.key.serviceId).failure === 'UPLOAD_REJECTED'
    // Others hold what another tor has made: the evidence decides.
    if (!this.#isContested && !wasRejected) this.confirm()
  }

  /** Derives the phase from what tor has said so far. */
  #progress(): void {
    if (!this.#service) return
    const { publishedAt, bootstrap } = this.#state.value
    const publication = this.#publication.of(this.#service.key.serviceId)
    const phase = publishedAt ? 'published' : bootstrap?.progress === 100 ? 'publishing' : 'bootstrapping'
    this.#state.set({ phase, publication })
  }
}
