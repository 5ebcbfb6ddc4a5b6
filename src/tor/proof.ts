import { AppError } from '../config/app-error.ts'
import type { VersionRange } from '../protocol/versions.ts'
import type { ConnectResult } from '../transport/client.ts'
import { connectRelay } from '../transport/client.ts'
import type { ConnectFailure } from '../transport/failure.ts'
import type { RelayClient } from '../transport/relay-client.ts'
import type { Routing, SocksServer } from '../transport/route.ts'
import type { ClientTor, ClientTorOptions } from './client-tor.ts'
import { withClientTor } from './client-tor.ts'
import type { ProofFault, ProofStepName, ProofVia } from './proof-faults.ts'
import { explainConnect, explainPing } from './proof-faults.ts'

/*
 * The outside proof: a connection to the relay as its users make it, up to its certificate and an answer of SMP.
 */

export interface ProofStep {
  readonly name: ProofStepName
  /** The time of a certificate's check is not measured. */
  readonly ms?: number
}

export interface ProofTarget {
  readonly host: string
  readonly port: number
  /** SHA-256 of the relay's identity certificate, 32 bytes. */
  readonly keyHash: Buffer
}

/** How the relay is reached, with what it takes. */
export type ProofWay =
  | { readonly type: 'client'; readonly client: ClientTorOptions }
  | { readonly type: 'socks'; readonly server: SocksServer }
  | { readonly type: 'direct' }

export interface Proof {
  readonly at: Date
  readonly host: string
  readonly port: number
  readonly via: ProofVia
  /** Those that succeeded, in their order. */
  readonly steps: readonly ProofStep[]
  /** From the first packet to the relay to its last answer, without the start of a tor client. */
  readonly ms: number
  /** SMP versions of the relay that this program speaks too. */
  readonly versions?: VersionRange
  /** Why it failed. */
  readonly fault?: ProofFault
}

export interface ProofOptions {
  readonly signal?: AbortSignal | undefined
  readonly onStep?: ((step: ProofStep) => void) | undefined
  /** For reaching the relay, TLS and the hello together. */
  readonly connectTimeoutMs?: number
  readonly now?: () => Date
}

const defaultConnectTimeoutMs = 60_000
const pingTimeoutMs = 20_000

/**
 * Proves that the relay can be reached, or finds out why not. Rejects only when the signal is aborted.
 */
export async function proveRelay(target: ProofTarget, way: ProofWay, options: ProofOptions = {}): Promise<Proof> {
  const attempt = new Attempt(target, way, options)
  if (way.type !== 'client') {
    return await attempt.connect(way.type === 'socks' ? { socks: way.server, socksMode: 'always' } : {})
  }
  const { signal } = options
  const beganAt = performance.now()
  try {
    return await withClientTor({ ...way.client, signal }, async (client) => {
      attempt.step({ name: 'tor', ms: performance.now() - beganAt })
      return await attempt.connect({ socks: { path: client.socksSocket }, socksMode: 'always' }, client)
    })
  } catch (error) {
    signal?.throwIfAborted()
    if (!(error instanceof AppError)) throw error
    const { code, message, remedy = 'Try again.' } = error
    return attempt.proof({ fault: { step: 'tor', code, message, remedy } })
  }
}

class Attempt {
  readonly #target: ProofTarget
  readonly #way: ProofWay
  readonly #options: ProofOptions
  readonly #at: Date
  readonly #steps: ProofStep[] = []

  constructor(target: ProofTarget, way: ProofWay, options: ProofOptions) {
    this.#target = target
    this.#way = way
    this.#options = options
    this.#at = options.now?.() ?? new Date()
  }

  step({ name, ms }: ProofStep): void {
    const step = ms === undefined ? { name } : { name, ms: Math.round(ms * 10) / 10 }
    this.#steps.push(step)
    this.#options.onStep?.(step)
  }

  async connect(routing: Routing, client?: ClientTor): Promise<Proof> {
    const { host, port, keyHash } = this.#target
    const timeoutMs = this.#options.connectTimeoutMs ?? defaultConnectTimeoutMs
    const address = { hosts: [host], port: String(port), keyHash }
    const result = await connectRelay(address, { routing, timeoutMs })
    this.#connected(result)
    if ('failure' in result) {
      const { failure } = result
      const isRefused = failure.reason === 'unreachable' && (await client?.wasRefused())
      const known: ConnectFailure = isRefused ? { ...failure, reason: 'refused' } : failure
      return this.proof({ fault: explainConnect(known, host, port, this.#way.type) })
    }
    return await this.#ping(result.client)
  }

  proof(outcome: Pick<Proof, 'fault' | 'versions'>): Proof {
    const { host, port } = this.#target
    const tenths = this.#steps.reduce((sum, { name, ms = 0 }) => (name === 'tor' ? sum : sum + Math.round(ms * 10)), 0)
    const ms = tenths / 10
    return { at: this.#at, host, port, via: this.#way.type, steps: this.#steps, ms, ...outcome }
  }

  async #ping(client: RelayClient): Promise<Proof> {
    const versions = client.session.range
    try {
      const answer = await client.ping(pingTimeoutMs)
      if ('failure' in answer) return this.proof({ versions, fault: explainPing(answer.failure) })
      this.step({ name: 'ping', ms: answer.ms })
      return this.proof({ versions })
    } finally {
      client.close()
    }
  }

  /** The steps that were done, out of their times and of where it failed. */
  #connected(result: ConnectResult): void {
    const { reach, tls, handshake } = result.timings
    const failure = 'failure' in result ? result.failure : undefined
    if (reach !== undefined && failure?.step !== 'reach') this.step({ name: 'reach', ms: reach })
    const isTlsDone = failure?.step !== 'tls' || failure.reason === 'identity'
    if (tls !== undefined && isTlsDone) this.step({ name: 'tls', ms: tls })
    if (failure && failure.step !== 'handshake') return
    this.step({ name: 'certificate' })
    if (handshake !== undefined && !failure) this.step({ name: 'hello', ms: handshake })
  }
}
