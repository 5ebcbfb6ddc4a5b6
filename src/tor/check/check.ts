import { AppError } from '../../errors/app-error.ts'
import type { VersionRange } from '../../protocol/versions.ts'
import { probeFront } from '../../transport/front-probe.ts'
import type { ConnectResult } from '../../transport/client.ts'
import { connectRelay } from '../../transport/client.ts'
import type { ConnectFailure } from '../../transport/failure.ts'
import type { RelayClient } from '../../transport/relay-client.ts'
import type { Routing, SocksServer } from '../../transport/route.ts'
import type { ClientTor, ClientTorOptions } from '../process/client-tor.ts'
import { withClientTor } from '../process/client-tor.ts'
import type { CheckFault, CheckStepName, CheckVia } from './faults.ts'
import { explainConnect, explainFront, explainPing } from './faults.ts'

/*
 * The reachability check: a connection to the relay as its users make it, up to its certificate and an SMP reply.
 */

export interface CheckStep {
  readonly name: CheckStepName
  /** Not measured for the certificate. */
  readonly ms?: number
}

export interface CheckTarget {
  readonly host: string
  readonly port: number
  /** SHA-256 of the relay's identity certificate, 32 bytes. */
  readonly keyHash: Buffer
  /** What a tor elsewhere connects to for the onion service. */
  readonly behind?: string | undefined
}

/** How the relay is reached. */
export type CheckRoute =
  | { readonly type: 'client'; readonly client: ClientTorOptions }
  | { readonly type: 'socks'; readonly server: SocksServer }
  | { readonly type: 'direct' }

export interface CheckResult {
  readonly at: Date
  readonly host: string
  readonly port: number
  readonly via: CheckVia
  /** Those that succeeded, in order. */
  readonly steps: readonly CheckStep[]
  /** From the first packet to the relay to its last reply, without the start of a tor client. */
  readonly ms: number
  /** SMP versions of the relay that this program speaks too. */
  readonly versions?: VersionRange
  /** Why it failed. */
  readonly fault?: CheckFault
}

export interface CheckOptions {
  readonly signal?: AbortSignal | undefined
  readonly onStep?: ((step: CheckStep) => void) | undefined
  /** For connection, TLS and hello together. */
  readonly connectTimeoutMs?: number
  readonly now?: () => Date
}

const CONNECT_TIMEOUT_MS = 60_000
const PING_TIMEOUT_MS = 20_000

/**
 * Checks that the relay is reachable, or finds out why not. Rejects only when the signal is aborted.
 */
export async function checkReachability(
  target: CheckTarget,
  route: CheckRoute,
  options: CheckOptions = {},
): Promise<CheckResult> {
  const attempt = new Attempt(target, route, options)
  if (route.type !== 'client') {
    return await attempt.connect(route.type === 'socks' ? { socks: route.server, socksMode: 'always' } : {})
  }
  const { signal } = options
  const beganAt = performance.now()
  try {
    return await withClientTor({ ...route.client, signal }, async (client) => {
      attempt.step({ name: 'tor', ms: performance.now() - beganAt })
      return await attempt.connect({ socks: { path: client.socksSocket }, socksMode: 'always' }, client)
    })
  } catch (error) {
    signal?.throwIfAborted()
    if (!(error instanceof AppError)) throw error
    const { code, message, remedy = 'Run the check again.' } = error
    return attempt.result({ fault: { step: 'tor', code, message, remedy } })
  }
}

/** TCP works, and what answers is not this relay as apps expect it. */
function isTlsFailure({ step }: ConnectFailure): boolean {
  return step === 'tls' || step === 'handshake'
}

class Attempt {
  readonly #target: CheckTarget
  readonly #route: CheckRoute
  readonly #options: CheckOptions
  readonly #at: Date
  readonly #steps: CheckStep[] = []

  constructor(target: CheckTarget, route: CheckRoute, options: CheckOptions) {
    this.#target = target
    this.#route = route
    this.#options = options
    this.#at = options.now?.() ?? new Date()
  }

  step({ name, ms }: CheckStep): void {
    const step = ms === undefined ? { name } : { name, ms: Math.round(ms * 10) / 10 }
    this.#steps.push(step)
    this.#options.onStep?.(step)
  }

  async connect(routing: Routing, client?: ClientTor): Promise<CheckResult> {
    const { host, port, keyHash, behind } = this.#target
    const timeoutMs = this.#options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS
    const address = { hosts: [host], port: String(port), keyHash }
    const connected = await connectRelay(address, { routing, timeoutMs })
    this.#connected(connected)
    if ('failure' in connected) {
      const { failure } = connected
      const isRefused = failure.reason === 'unreachable' && (await client?.wasRefused())
      const known: ConnectFailure = isRefused ? { ...failure, reason: 'refused' } : failure
      const front = isTlsFailure(failure) && this.#route.type === 'direct' ? await probeFront(this.#target) : undefined
      const fault = explainConnect(known, { host, port, behind }, this.#route.type)
      return this.result({ fault: front === undefined ? fault : explainFront(front, fault, this.#target) })
    }
    return await this.#ping(connected.client)
  }

  result(outcome: Pick<CheckResult, 'fault' | 'versions'>): CheckResult {
    const { host, port } = this.#target
    const tenths = this.#steps.reduce((sum, { name, ms = 0 }) => (name === 'tor' ? sum : sum + Math.round(ms * 10)), 0)
    const ms = tenths / 10
    return { at: this.#at, host, port, via: this.#route.type, steps: this.#steps, ms, ...outcome }
  }

  async #ping(client: RelayClient): Promise<CheckResult> {
    const versions = client.session.range
    try {
      const answer = await client.ping(PING_TIMEOUT_MS)
      if ('failure' in answer) return this.result({ versions, fault: explainPing(answer.failure) })
      this.step({ name: 'ping', ms: answer.ms })
      return this.result({ versions })
    } finally {
      client.close()
    }
  }

  /** Derives the completed steps from their times and from where it failed. */
  #connected(result: ConnectResult): void {
    const { connect, tls, handshake } = result.timings
    const failure = 'failure' in result ? result.failure : undefined
    if (connect !== undefined && failure?.step !== 'connect') this.step({ name: 'connect', ms: connect })
    const isTlsDone = failure?.step !== 'tls' || failure.reason === 'identity'
    if (tls !== undefined && isTlsDone) this.step({ name: 'tls', ms: tls })
    if (failure && failure.step !== 'handshake') return
    this.step({ name: 'certificate' })
    if (handshake !== undefined && !failure) this.step({ name: 'hello', ms: handshake })
  }
}
