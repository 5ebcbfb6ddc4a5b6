import type { Logger } from '../config/log.ts'
import type { ServingRelay } from '../server/serve.ts'
import { every } from '../server/timer.ts'
import type { OnionState } from '../tor/index.ts'
import type { ConnectionLimits } from '../transport/connection-limits.ts'
import type { SampleFile } from '../web/dashboard/sample-file.ts'
import type { SampleField, SampleValues } from '../web/dashboard/samples.ts'
import { storeBytes } from './health-facts.ts'
import { counterGrowth } from './last-hour.ts'

export interface SampleSource {
  readonly relay: Pick<ServingRelay, 'stats' | 'connections'> & { readonly core: Pick<ServingRelay['core'], 'engine'> }
  readonly onion: () => OnionState | undefined
  readonly connections: Pick<ConnectionLimits, 'rejected'>
  /** Directory of the store. */
  readonly storePath: string
  /** Other processes of the relay. */
  readonly workers?: ProcessUsage | undefined
}

/** What processes use. */
export interface ProcessUsage {
  /** Of processor time since the start, microseconds. */
  readonly cpu: number
  /** Bytes. */
  readonly memory: number
}

const INTERVAL_MS = 60_000

/** Counters of the relay by the field of the sample that has their growth. */
function counters({ relay: { stats }, connections: { rejected } }: SampleSource): Partial<Record<SampleField, number>> {
  const { pRelays, pMsgFwds } = stats
  return {
    messagesSent: stats.msgSent,
    messagesReceived: stats.msgRecv,
    queuesCreated: stats.qCreated,
    queuesSecured: stats.qSecured,
    queuesDeleted: stats.qDeletedAll,
    proxyConnectErrors: pRelays.errorsConnect + pMsgFwds.errorsConnect,
    proxyCompatErrors: pRelays.errorsCompat + pMsgFwds.errorsCompat,
    proxyOtherErrors: pRelays.errorsOther + pMsgFwds.errorsOther,
    connectionsRejected: rejected.total + rejected.perAddress + rejected.perCircuit,
  }
}

/** Takes the samples of the dashboard, one a minute. */
export class Sampler {
  readonly #source: SampleSource
  #counted: Partial<Record<SampleField, number>>
  #cpu: number
  #cpuAt = performance.now()

  constructor(source: SampleSource) {
    this.#source = source
    this.#counted = counters(source)
    this.#cpu = this.#cpuNow()
  }

  /** Samples into the file until stopped; a file that cannot be written is said once in the log. */
  begin(file: SampleFile, log: Logger, now = (): number => Date.now() / 1000): { stop(): void } {
    let failed = false
    return every(INTERVAL_MS, log, async () => {
      try {
        await file.add(Math.floor(now()), await this.sample())
        failed = false
      } catch (error) {
        if (!failed) log.warn('cannot keep the samples of the dashboard', { error })
        failed = true
      }
    })
  }

  /** What happened since the last sample, and how things are now. */
  async sample(): Promise<SampleValues> {
    const { relay, onion, storePath, workers } = this.#source
    const { queues, messages } = await relay.core.engine.counts()
    const check = onion()?.check
    return {
      ...this.#growth(),
      queues,
      activeQueues: relay.stats.activeQueues.size('activeQueues', 'day'),
      messagesWaiting: messages,
      connections: relay.connections(),
      cpu: this.#cpuPercent(),
      memory: process.memoryUsage.rss() + (workers?.memory ?? 0),
      store: await storeBytes(storePath),
      ...(check && { onionReachable: Number(check.last.fault === undefined) }),
      ...(check && !check.last.fault && { onionLatency: check.last.ms }),
    }
  }

  #growth(): SampleValues {
    const counted: Partial<Record<SampleField, number>> = counters(this.#source)
    const before = this.#counted
    this.#counted = counted
    return Object.fromEntries(
      Object.entries(counted).map(([name, value]) => {
        const old = Object.entries(before).find(([known]) => known === name)?.[1] ?? 0
        return [name, counterGrowth(old, value)]
      }),
    )
  }

  #cpuPercent(): number {
    const [cpu, at] = [this.#cpuNow(), performance.now()]
    const [used, ms] = [cpu - this.#cpu, at - this.#cpuAt]
    this.#cpu = cpu
    this.#cpuAt = at
    return ms <= 0 ? 0 : used / 10 / ms
  }

  /** Microseconds. */
  #cpuNow(): number {
    const { user, system } = process.cpuUsage()
    return user + system + (this.#source.workers?.cpu ?? 0)
  }
}
